// client/cli/pause.c -- pause: have jobs commit, give up their cores, and wait.

#include <limits.h>

#include "client/cli/act.h"

static int is_paused(akssl_job_state state)
{
    return state == AKSSL_JOB_PAUSED;
}

static int run(ak_cli *cli, const ak_args *args)
{
    const ak_act act = { akssl_client_pause, is_paused, "being paused" };

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
