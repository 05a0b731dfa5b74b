// client/cli/cancel.c -- cancel: stop jobs for good.

#include <limits.h>

#include "client/cli/act.h"

static int run(ak_cli *cli, const ak_args *args)
{
    const ak_act act = { akssl_client_cancel, akssl_job_state_final, "being cancelled" };

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
