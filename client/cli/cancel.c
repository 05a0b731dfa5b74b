// client/cli/cancel.c -- cancel: stop jobs for good.

#include <limits.h>

#include "client/cli/act.h"

static akssl_status ask(const void *self, akssl_client *client, int64_t id, akssl_job **out)
{
    (void)self;
    return akssl_client_cancel(client, id, out);
}

static int is_over(const akssl_job *job)
{
    return akssl_job_state_final(job->state);
}

static int run(ak_cli *cli, const ak_args *args)
{
    const ak_act act = { ask, is_over, "being cancelled", NULL };

    return ak_act_run(&act, cli, args);
}

const ak_cmd ak_cmd_cancel = {
    .name = "cancel",
    .summary = "cancel jobs, queued, running or paused",
    .synopsis = "ID...",
    .min_words = 1,
    .max_words = INT_MAX,
    .run = run,
};
