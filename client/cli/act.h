// client/cli/act.h -- what cancel, pause, resume and resize share: one request for each of some
// jobs.

#ifndef AK_CLI_ACT_H
#define AK_CLI_ACT_H

#include "client/cli/cmd.h"

// ak_act is what one of them asks for.
typedef struct ak_act {
    akssl_status (*ask)(const void *self, akssl_client *client, int64_t id, akssl_job **out);
    int (*done)(const akssl_job *job); // the job stands where it was asked to
    const char *still;                 // said of one that does not yet: "being cancelled"
    const void *self;                  // what ask is handed; the command's flags
} ak_act;

// ak_act_run asks for each job that args names and prints how it stands; returns the exit code.
int ak_act_run(const ak_act *act, const ak_cli *cli, const ak_args *args);

#endif
