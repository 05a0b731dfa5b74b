// client/cli/resume.c -- resume: queue paused jobs again.

#include <limits.h>

#include "client/cli/act.h"

static int goes_on(akssl_job_state state)
{
    return state != AKSSL_JOB_PAUSED;
}

static int run(ak_cli *cli, const ak_args *args)
{
    const ak_act act = { akssl_client_resume, goes_on, "still paused" };

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
