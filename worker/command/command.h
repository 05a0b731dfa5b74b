// worker/command/command.h -- the commands of akssl-worker: one file and one row each.

#ifndef AK_COMMAND_COMMAND_H
#define AK_COMMAND_COMMAND_H

#include "akssl/status.h"
#include "proto/base/option.h"
#include "worker/comm/comm.h"

// Exit codes of the program.
enum { AK_EXIT_OK = 0, AK_EXIT_FAILED = 1, AK_EXIT_USAGE = 2, AK_EXIT_NOT_PERMITTED = 77 };

typedef struct ak_command {
    const char *name;
    const char *help;         // one line
    const ak_option *options; // --name VALUE, bound into self; a BOOL row takes no value
    size_t self_size;

    // run gives the exit code.  ak_error_text() is the sentence when it is not 0; the caller
    // prints it.
    int (*run)(void *self);
} ak_command;

// ak_command_exit maps a status to an exit code: bad input is usage, the rest failure.
int ak_command_exit(akssl_status status);

// ak_command_end closes comm (NULL-safe) and gives the exit code.  A failure of one of several
// ranks says its sentence and ends them all, since others may be waiting for this one.
int ak_command_end(akssl_status status, ak_comm *comm);

#endif
