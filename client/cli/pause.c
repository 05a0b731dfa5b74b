// client/cli/pause.c -- pause: have jobs commit, give up their cores, and wait.

#include <limits.h>

#include "client/cli/act.h"

static akssl_status ask(const void *self, akssl_client *client, int64_t id, akssl_job **out)
{
    (void)self;
    return akssl_client_pause(client, id, out);
}

static int is_paused(const akssl_job *job)
{
    return job->state == AKSSL_JOB_PAUSED;
}

static int run(ak_cli *cli, const ak_args *args)
{
    const ak_act act = { ask, is_paused, "being paused", NULL };

    return ak_act_run(&act, cli, args);
}

const ak_cmd ak_cmd_pause = {
    .name = "pause",
    .summary = "pause jobs, queued or running, until they are resumed",
    .synopsis = "ID...",
    .details = "A running job commits at its next step first.  What is paused survives the "
               "daemon's end.\n",
    .min_words = 1,
    .max_words = INT_MAX,
    .run = run,
};
