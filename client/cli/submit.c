// client/cli/submit.c -- submit: flags, or a YAML file, become a job.

#include <inttypes.h>

#include "client/cli/cmd.h"
#include "client/cli/json.h"
#include "client/cli/line.h"
#include "client/cli/monitor.h"
#include "client/cli/signals.h"
#include "client/cli/text.h"

typedef struct submit {
    bool wait, watch, parsable, dry_run;
} submit;

static const ak_flag flags[] = {
    AK_FLAG(submit, wait, "wait", 0, SWITCH, NULL, "wait until the job is over"),
    AK_FLAG(submit, watch, "watch", 0, SWITCH, NULL, "follow the job until it is over"),
    AK_FLAG(submit, parsable, "parsable", 0, SWITCH, NULL, "print only the job's number to stdout"),
    AK_FLAG(submit, dry_run, "dry-run", 0, SWITCH, NULL,
            "print the resolved spec and an estimate; queue nothing"),
    AK_FLAG_END,
};

static int check_flags(const ak_cli *cli, const submit *s)
{
    if (s->dry_run && (s->wait || s->watch || s->parsable))
        return ak_cli_error(AK_EXIT_USAGE, "submit: --dry-run queues no job: leave out --%s",
                            s->wait    ? "wait"
                            : s->watch ? "watch"
                                       : "parsable");
    if (s->parsable && cli->json)
        return ak_cli_error(AK_EXIT_USAGE, "submit: give --parsable or --json, not both");
    return AK_EXIT_DONE;
}

// Whatever is wrong with a spec is a matter of usage, an unreadable file too.
static int read_spec(const ak_args *args, akssl_job_spec *spec)
{
    akssl_status rc;

    if (args->word_count > 0) {
        rc = akssl_job_spec_load_yaml(spec, args->words[0]);
        if (rc < 0) {
            ak_cli_failed(rc);
            return AK_EXIT_USAGE;
        }
    }
    for (int i = 0; i < args->setting_count; i++) {
        rc = akssl_job_spec_set(spec, args->settings[i].name, args->settings[i].value);
        if (rc < 0) {
            ak_cli_failed(rc);
            return AK_EXIT_USAGE;
        }
    }
    return AK_EXIT_DONE;
}

static int dry_run(const ak_cli *cli, akssl_client *client, const akssl_job_spec *spec)
{
    akssl_job_spec *resolved = NULL;
    char *estimate = NULL;
    akssl_status rc = akssl_client_dry_run(client, spec, &resolved, &estimate);
    const char *yaml;
    json_t *object;

    if (rc < 0)
        return ak_cli_failed(rc);
    if (cli->json) {
        object = json_object();
        json_object_set_new(object, "dry_run", json_true());
        json_object_set_new(object, "spec", ak_json_spec(resolved));
        json_object_set_new(object, "estimate", json_string(estimate));
        ak_json_print(stdout, object);
    } else {
        yaml = akssl_job_spec_yaml(resolved);
        printf("%s# estimate: ", yaml ? yaml : "");
        ak_text_put(stdout, estimate);
        putchar('\n');
    }
    akssl_free(estimate);
    akssl_job_spec_free(resolved);
    return AK_EXIT_DONE;
}

static void print_submitted(const ak_cli *cli, const submit *s, int64_t id, akssl_job_spec *spec)
{
    json_t *object;

    if (s->parsable) {
        printf("%" PRId64 "\n", id);
    } else if (!cli->json) {
        printf("job %" PRId64 " submitted\n", id);
    } else if (!s->wait || s->watch) {
        object = json_object();
        if (s->watch)
            json_object_set_new(object, "event", json_string("submitted"));
        json_object_set_new(object, "id", json_integer(id));
        json_object_set_new(object, "spec", ak_json_spec(spec));
        ak_json_print(stdout, object);
    }
    fflush(stdout); // a script reads the number while the job runs
}

static int follow(const ak_cli *cli, const submit *s, akssl_client *client, int64_t id)
{
    ak_monitor_style style = cli->json ? AK_MONITOR_JSON : AK_MONITOR_TEXT;
    akssl_job *job = NULL;
    json_t *object;
    int code;

    if (s->watch)
        return ak_monitor_run(cli, client, id, style, s->parsable ? stderr : stdout, NULL);
    code = ak_monitor_run(cli, client, id, AK_MONITOR_QUIET, stdout, &job);
    if (!job)
        return code;
    if (cli->json) {
        object = json_object();
        json_object_set_new(object, "id", json_integer(id));
        json_object_set_new(object, "job", ak_json_job(job));
        ak_json_print(stdout, object);
    } else {
        ak_line_final(job, s->parsable ? stderr : stdout);
    }
    akssl_job_free(job);
    return code;
}

static int send_spec(const ak_cli *cli, const submit *s, const akssl_job_spec *spec)
{
    akssl_job_spec *resolved = NULL;
    akssl_client *client = NULL;
    akssl_status rc;
    int64_t id = 0;
    int code;

    code = ak_cli_open(cli, &client);
    if (code != AK_EXIT_DONE)
        return code;
    if (s->dry_run) {
        code = dry_run(cli, client, spec);
        goto out;
    }
    rc = akssl_client_submit(client, spec, &id, &resolved);
    if (rc < 0) {
        code = ak_cli_failed(rc);
        goto out;
    }
    print_submitted(cli, s, id, resolved);
    if (s->wait || s->watch)
        code = follow(cli, s, client, id);
out:
    akssl_job_spec_free(resolved);
    akssl_client_close(client);
    return code;
}

static int run(ak_cli *cli, const ak_args *args)
{
    const submit *s = args->self;
    akssl_job_spec *spec;
    int code = check_flags(cli, s);

    if (code != AK_EXIT_DONE)
        return code;
    spec = akssl_job_spec_new();
    if (!spec)
        return ak_cli_error(AK_EXIT_FAILED, "out of memory");
    code = read_spec(args, spec);
    if (code == AK_EXIT_DONE && (s->wait || s->watch))
        code = ak_signals_start(cli);
    if (code == AK_EXIT_DONE)
        code = send_spec(cli, s, spec);
    akssl_job_spec_free(spec);
    return code;
}

const ak_cmd ak_cmd_submit = {
    .name = "submit",
    .summary = "submit a job, by flags or by a YAML file of the same names",
    .synopsis = "[SPEC.yaml]",
    .details = "A flag wins over the file.  --option and --augment may be repeated.\n"
               "The job's number is printed once the daemon has it on its disk.\n",
    .flags = flags,
    .self_size = sizeof(submit),
    .max_words = 1,
    .takes_spec = true,
    .run = run,
};
