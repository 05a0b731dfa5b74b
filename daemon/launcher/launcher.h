// daemon/launcher/launcher.h -- how the ranks of a run are started: one file, one row each.
//
// A launcher only says which command to run; run.c starts it, logs it, and ends it.

#ifndef AK_DAEMON_LAUNCHER_LAUNCHER_H
#define AK_DAEMON_LAUNCHER_LAUNCHER_H

#include "daemon/config.h"
#include "daemon/job.h"

// A growing list of strings, ended by NULL.  A value: start from zero, end with ak_args_fini.
typedef struct ak_args {
    char **at;
    size_t count;
} ak_args;

void ak_args_add(ak_args *args, const char *format, ...) __attribute__((format(printf, 2, 3)));

// ak_args_set adds NAME=value in place of a NAME=... that is there: for environments.
void ak_args_set(ak_args *args, const char *name, const char *value);
void ak_args_fini(ak_args *args);

// What a launcher is told; borrowed.
typedef struct ak_launch {
    const ak_config *config;
    const ak_job *job;
    const char *run; // id: must be on every rank's command line, as --run
    const char *secret_file;
    int64_t ranks;
} ak_launch;

typedef struct ak_launcher {
    const char *name;  // equals the file name
    const char *title; // one line

    // command appends the command (argv[0] an absolute path) and changes the environment, which
    // starts as the daemon's own.
    akssl_status (*command)(const ak_launch *launch, ak_args *argv, ak_args *env);
} ak_launcher;

// ak_launcher_find gives the launcher called name, or NULL; ak_launcher_at one by number, NULL
// behind the last.
const ak_launcher *ak_launcher_find(const char *name);
const ak_launcher *ak_launcher_at(int index);

#endif
