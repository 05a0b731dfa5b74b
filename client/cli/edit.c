// client/cli/edit.c -- edit: other values for keys of a job that waits.

#include "client/cli/cmd.h"
#include "client/cli/json.h"
#include "client/cli/line.h"

static int read_keys(const ak_args *args, akssl_job_spec *spec)
{
    if (args->setting_count == 0)
        return ak_cli_error(AK_EXIT_USAGE, "edit: what is to change?  Give keys of the spec, as "
                                           "--priority 5 or --time 2:00:00");
    for (int i = 0; i < args->setting_count; i++)
        if (akssl_job_spec_set(spec, args->settings[i].name, args->settings[i].value) < 0)
            return ak_cli_error(AK_EXIT_USAGE, "%s", akssl_last_error());
    return AK_EXIT_DONE;
}

static int send_keys(const ak_cli *cli, int64_t id, const akssl_job_spec *spec)
{
    akssl_client *client = NULL;
    char text[AK_LINE_MAX];
    akssl_job *job = NULL;
    akssl_status rc;
    int code = ak_cli_open(cli, &client);

    if (code != AK_EXIT_DONE)
        return code;
    rc = akssl_client_edit(client, id, spec, &job);
    if (rc < 0) {
        code = ak_cli_failed(rc);
    } else if (cli->json) {
        ak_json_print(stdout, ak_json_job(job));
    } else {
        ak_line_plain(job, text, sizeof text);
        puts(text);
    }
    akssl_job_free(job);
    akssl_client_close(client);
    return code;
}

static int run(ak_cli *cli, const ak_args *args)
{
    akssl_job_spec *spec;
    int64_t id = 0;
    int code = ak_cli_id(args->words[0], &id);

    if (code != AK_EXIT_DONE)
        return code;
    spec = akssl_job_spec_new();
    if (!spec)
        return ak_cli_error(AK_EXIT_FAILED, "out of memory");
    code = read_keys(args, spec);
    if (code == AK_EXIT_DONE)
        code = send_keys(cli, id, spec);
    akssl_job_spec_free(spec);
    return code;
}

const ak_cmd ak_cmd_edit = {
    .name = "edit",
    .summary = "change keys of a job that waits",
    .synopsis = "ID --KEY VALUE...",
    .details = "The job must be QUEUED or PAUSED.  One that has commits takes only name, priority, "
               "time,\nafter, ranks, launcher, keep, max-restarts and map, which are no part of "
               "its result.\n",
    .min_words = 1,
    .max_words = 1,
    .takes_spec = true,
    .run = run,
};
