// client/cli/release.c -- release: let held jobs start.

#include <limits.h>

#include "client/cli/act.h"

static akssl_status ask(const void *self, akssl_client *client, int64_t id, akssl_job **out)
{
    (void)self;
    return akssl_client_release(client, id, out);
}

static int is_free(const akssl_job *job)
{
    return !job->held;
}

static int run(ak_cli *cli, const ak_args *args)
{
    const ak_act act = { ask, is_free, "still held", NULL };

    return ak_act_run(&act, cli, args);
}

const ak_cmd ak_cmd_release = {
    .name = "release",
    .summary = "let held jobs start when it is their turn",
    .synopsis = "ID...",
    .details = "See hold.\n",
    .min_words = 1,
    .max_words = INT_MAX,
    .run = run,
};
