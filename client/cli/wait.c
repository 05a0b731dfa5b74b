// client/cli/wait.c -- wait: until each of some jobs is over.

#include <limits.h>

#include "client/cli/cmd.h"
#include "client/cli/json.h"
#include "client/cli/line.h"
#include "client/cli/monitor.h"
#include "client/cli/signals.h"

static int wait_one(const ak_cli *cli, akssl_client *client, const char *word, json_t *jobs)
{
    akssl_job *job = NULL;
    int64_t id = 0;
    int code = ak_cli_id(word, &id);

    if (code == AK_EXIT_DONE)
        code = ak_monitor_run(cli, client, id, AK_MONITOR_QUIET, stdout, &job);
    if (!job)
        return code;
    if (cli->json) {
        json_array_append_new(jobs, ak_json_job(job));
    } else {
        ak_line_final(job, stdout);
        fflush(stdout);
    }
    akssl_job_free(job);
    return code;
}

static int run(ak_cli *cli, const ak_args *args)
{
    json_t *object = json_object(), *jobs = json_array();
    akssl_client *client = NULL;
    int code = ak_signals_start(cli);

    if (code == AK_EXIT_DONE)
        code = ak_cli_open(cli, &client);
    if (!client)
        goto out;
    // A lost daemon or a signal ends it all; a failed or unknown job does not.
    for (int i = 0; i < args->word_count && code < AK_EXIT_UNREACHABLE; i++)
        code = ak_cli_worse(code, wait_one(cli, client, args->words[i], jobs));
    if (cli->json) {
        json_object_set(object, "jobs", jobs);
        ak_json_print(stdout, json_incref(object));
    }
out:
    json_decref(jobs);
    json_decref(object);
    akssl_client_close(client);
    return code;
}

const ak_cmd ak_cmd_wait = {
    .name = "wait",
    .summary = "wait until jobs are over",
    .synopsis = "ID...",
    .details = "Ends with 0 when every one of them succeeded.  Ctrl-C ends only the waiting.\n",
    .min_words = 1,
    .max_words = INT_MAX,
    .run = run,
};
