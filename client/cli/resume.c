// client/cli/resume.c -- resume: queue paused jobs again.

#include <limits.h>

#include "client/cli/act.h"

static akssl_status ask(const void *self, akssl_client *client, int64_t id, akssl_job **out)
{
    (void)self;
    return akssl_client_resume(client, id, out);
}

static int goes_on(const akssl_job *job)
{
    return job->state != AKSSL_JOB_PAUSED;
}

static int run(ak_cli *cli, const ak_args *args)
{
    const ak_act act = { ask, goes_on, "still paused", NULL };

    return ak_act_run(&act, cli, args);
}

const ak_cmd ak_cmd_resume = {
    .name = "resume",
    .summary = "resume paused jobs from their last commit",
    .synopsis = "ID...",
    .min_words = 1,
    .max_words = INT_MAX,
    .run = run,
};
