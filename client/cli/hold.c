// client/cli/hold.c -- hold: keep queued jobs from starting.

#include <limits.h>

#include "client/cli/act.h"

static akssl_status ask(const void *self, akssl_client *client, int64_t id, akssl_job **out)
{
    (void)self;
    return akssl_client_hold(client, id, out);
}

static int is_held(const akssl_job *job)
{
    return job->held;
}

static int run(ak_cli *cli, const ak_args *args)
{
    const ak_act act = { ask, is_held, "not held yet", NULL };

    return ak_act_run(&act, cli, args);
}

const ak_cmd ak_cmd_hold = {
    .name = "hold",
    .summary = "keep queued jobs from starting until they are released",
    .synopsis = "ID...",
    .details = "They keep their place.  A job that runs is paused instead.\n",
    .min_words = 1,
    .max_words = INT_MAX,
    .run = run,
};
