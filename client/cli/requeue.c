// client/cli/requeue.c -- requeue: have running jobs wait for their turn again.

#include <limits.h>

#include "client/cli/act.h"

static akssl_status ask(const void *self, akssl_client *client, int64_t id, akssl_job **out)
{
    (void)self;
    return akssl_client_requeue(client, id, out);
}

static int waits(const akssl_job *job)
{
    return job->state == AKSSL_JOB_QUEUED;
}

static int run(ak_cli *cli, const ak_args *args)
{
    const ak_act act = { ask, waits, "commits first", NULL };

    return ak_act_run(&act, cli, args);
}

const ak_cmd ak_cmd_requeue = {
    .name = "requeue",
    .summary = "have running jobs give up their cores and wait for their turn",
    .synopsis = "ID...",
    .details =
        "A job commits at its next step first and goes on from there: nothing is lost, and it is\n"
        "no restart by its count.\n",
    .min_words = 1,
    .max_words = INT_MAX,
    .run = run,
};
