// client/cli/resume.c -- resume: queue paused jobs again.

#include <limits.h>

#include "client/cli/act.h"

typedef struct resume {
    bool from_start;
} resume;

static const ak_flag flags[] = {
    AK_FLAG(resume, from_start, "from-start", 0, SWITCH, NULL,
            "begin again at step 0; the commits so far are set aside"),
    AK_FLAG_END,
};

static akssl_status ask(const void *self, akssl_client *client, int64_t id, akssl_job **out)
{
    if (((const resume *)self)->from_start)
        return akssl_client_restart(client, id, out);
    return akssl_client_resume(client, id, out);
}

static int goes_on(const akssl_job *job)
{
    return job->state != AKSSL_JOB_PAUSED;
}

static int run(ak_cli *cli, const ak_args *args)
{
    const ak_act act = { ask, goes_on, "still paused", args->self };

    return ak_act_run(&act, cli, args);
}

const ak_cmd ak_cmd_resume = {
    .name = "resume",
    .summary = "resume paused jobs from their last commit",
    .synopsis = "[--from-start] ID...",
    .details =
        "With --from-start they begin again.  Their commits are renamed to aside-step-N in the "
        "jobs'\ncommits folders, and nobody but you removes them.\n",
    .flags = flags,
    .self_size = sizeof(resume),
    .min_words = 1,
    .max_words = INT_MAX,
    .run = run,
};
