// client/cli/resize.c -- resize: have jobs go on with another number of ranks.

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "client/cli/act.h"

typedef struct resize {
    const char *ranks;
} resize;

static const ak_flag flags[] = {
    AK_FLAG(resize, ranks, "ranks", 0, TEXT, "N", "how many (0: as many as there are cores for)"),
    AK_FLAG_END,
};

static int read_ranks(const char *text, int64_t *ranks)
{
    char *end = NULL;

    errno = 0;
    *ranks = text ? strtoll(text, &end, 10) : 0;
    if (!text)
        return ak_cli_error(AK_EXIT_USAGE, "resize: on how many ranks?  Give --ranks N");
    if (end == text || *end || errno || *ranks < 0)
        return ak_cli_error(AK_EXIT_USAGE, "--ranks '%.64s': give a whole number from 0", text);
    return AK_EXIT_DONE;
}

static akssl_status ask(const void *self, akssl_client *client, int64_t id, akssl_job **out)
{
    return akssl_client_resize(client, id, *(const int64_t *)self, out);
}

static int is_settled(const akssl_job *job)
{
    return !job->resizing;
}

static int run(ak_cli *cli, const ak_args *args)
{
    const char *text = ((const resize *)args->self)->ranks;
    int64_t ranks;
    const ak_act act = { ask, is_settled, "being resized", &ranks };
    int code = read_ranks(text, &ranks);

    return code != AK_EXIT_DONE ? code : ak_act_run(&act, cli, args);
}

const ak_cmd ak_cmd_resize = {
    .name = "resize",
    .summary = "change the number of ranks of jobs, which changes no result",
    .synopsis = "--ranks N ID...",
    .details = "A running job commits at its next step and starts again with the new number; a "
               "queued or\npaused one takes it when it starts.  The number must divide the job's "
               "shards and fit the\ndaemon's cores.  Ranks are no part of a result: its bits stay "
               "the same.\n",
    .flags = flags,
    .self_size = sizeof(resize),
    .min_words = 1,
    .max_words = INT_MAX,
    .run = run,
};
