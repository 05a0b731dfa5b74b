// client/cli/cancel.c -- cancel: stop jobs for good.

#include <inttypes.h>
#include <limits.h>

#include "client/cli/cmd.h"
#include "client/cli/json.h"
#include "client/cli/line.h"

static int cancel_one(const ak_cli *cli, akssl_client *client, const char *word, json_t *jobs)
{
    char text[AK_LINE_MAX];
    akssl_job *job = NULL;
    akssl_status rc;
    int64_t id = 0;
    int code = ak_cli_id(word, &id);

    if (code != AK_EXIT_DONE)
        return code;
    rc = akssl_client_cancel(client, id, &job);
    if (rc < 0)
        return ak_cli_failed(rc);
    if (cli->json) {
        json_array_append_new(jobs, ak_json_job(job));
    } else {
        ak_line_plain(job, text, sizeof text);
        printf("%s%s\n", text, akssl_job_state_final(job->state) ? "" : "  (being cancelled)");
    }
    akssl_job_free(job);
    return AK_EXIT_DONE;
}

static int run(ak_cli *cli, const ak_args *args)
{
    json_t *object = json_object(), *jobs = json_array();
    akssl_client *client = NULL;
    int code = ak_cli_open(cli, &client);

    if (!client)
        goto out;
    for (int i = 0; i < args->word_count && code != AK_EXIT_UNREACHABLE; i++)
        code = ak_cli_worse(code, cancel_one(cli, client, args->words[i], jobs));
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

const ak_cmd ak_cmd_cancel = {
    .name = "cancel",
    .summary = "cancel jobs, queued or running",
    .synopsis = "ID...",
    .min_words = 1,
    .max_words = INT_MAX,
    .run = run,
};
