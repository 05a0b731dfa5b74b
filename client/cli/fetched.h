// client/cli/fetched.h -- one of a job's pictures, in a file for as long as a command needs it.

#ifndef AK_CLI_FETCHED_H
#define AK_CLI_FETCHED_H

#include "client/cli/cmd.h"

enum { AK_FETCHED_PATH = 512 };

// ak_fetched is a file in a folder of its own below $TMPDIR; "" is none.
typedef struct ak_fetched {
    char folder[AK_FETCHED_PATH / 2], path[AK_FETCHED_PATH];
} ak_fetched;

// ak_fetched_get asks the daemon for it (akssl_client_picture).  Returns an exit code, having said
// what is wrong; ak_fetched_fini removes the file in either case.
int ak_fetched_get(ak_fetched *fetched, akssl_client *client, int64_t id, const char *name);
void ak_fetched_fini(ak_fetched *fetched);

#endif
