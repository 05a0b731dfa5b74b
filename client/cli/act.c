// client/cli/act.c -- what cancel, pause, resume and resize share: one request for each of some
// jobs.

#include "client/cli/act.h"

#include "client/cli/json.h"
#include "client/cli/line.h"

static int act_on(const ak_act *act, const ak_cli *cli, akssl_client *client, const char *word,
                  json_t *jobs)
{
    char text[AK_LINE_MAX];
    akssl_job *job = NULL;
    akssl_status rc;
    int64_t id = 0;
    int code = ak_cli_id(word, &id);

    if (code != AK_EXIT_DONE)
        return code;
    rc = act->ask(act->self, client, id, &job);
    if (rc < 0)
        return ak_cli_failed(rc);
    if (cli->json) {
        json_array_append_new(jobs, ak_json_job(job));
    } else {
        ak_line_plain(job, text, sizeof text);
        fputs(text, stdout);
        if (!act->done(job))
            printf("  (%s)", act->still);
        putchar('\n');
    }
    akssl_job_free(job);
    return AK_EXIT_DONE;
}

int ak_act_run(const ak_act *act, const ak_cli *cli, const ak_args *args)
{
    json_t *object = json_object(), *jobs = json_array();
    akssl_client *client = NULL;
    int code = ak_cli_open(cli, &client);

    if (!client)
        goto out;
    for (int i = 0; i < args->word_count && code != AK_EXIT_UNREACHABLE; i++)
        code = ak_cli_worse(code, act_on(act, cli, client, args->words[i], jobs));
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
