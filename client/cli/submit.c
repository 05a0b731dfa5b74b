// client/cli/submit.c -- submit: flags, or a YAML file, become a job.

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/cmd.h"
#include "client/cli/json.h"
#include "client/cli/line.h"
#include "client/cli/monitor.h"
#include "client/cli/recipe.h"
#include "client/cli/signals.h"
#include "client/cli/sweep.h"
#include "client/cli/text.h"

typedef struct submit {
    bool wait, watch, parsable, dry_run, hold, requeue, no_requeue;
    const char *recipe, *dependency, *array, *partition;
    ak_texts sweep;
} submit;

static const ak_flag flags[] = {
    AK_FLAG(submit, wait, "wait", 0, SWITCH, NULL, "wait until the job is over"),
    AK_FLAG(submit, watch, "watch", 0, SWITCH, NULL, "follow the job until it is over"),
    AK_FLAG(submit, parsable, "parsable", 0, SWITCH, NULL, "print only the job's number to stdout"),
    AK_FLAG(submit, dry_run, "dry-run", 0, SWITCH, NULL,
            "print the resolved spec and an estimate; queue nothing"),
    AK_FLAG(submit, dry_run, "test-only", 0, SWITCH, NULL, "the same"),
    AK_FLAG(submit, hold, "hold", 'H', SWITCH, NULL, "do not start it until it is released"),
    AK_FLAG(submit, recipe, "recipe", 0, TEXT, "NAME",
            "begin with a published run's spec, as solo-cifar/byol"),
    AK_FLAG(submit, sweep, "sweep", 0, MANY, "KEY=A,B",
            "a job for each value; several: for each combination"),
    AK_FLAG(submit, array, "array", 'a', TEXT, "0-15[%4]",
            "a job for each seed; %N: at most N of them at once"),
    AK_FLAG(submit, dependency, "dependency", 'd', TEXT, "afterok:ID",
            "as --after: afterok:ID[:ID], afterany:ID, several with commas"),
    AK_FLAG(submit, requeue, "requeue", 0, SWITCH, NULL, "start it again after a crash (it is)"),
    AK_FLAG(submit, no_requeue, "no-requeue", 0, SWITCH, NULL, "as --max-restarts 0"),
    AK_FLAG(submit, partition, "partition", 'p', TEXT, "NAME", "taken, and means nothing here"),
    AK_FLAG_END,
};

static int check_flags(const ak_cli *cli, const submit *s)
{
    if (s->dry_run && (s->wait || s->watch || s->parsable))
        return ak_cli_error(AK_EXIT_USAGE, "submit: --dry-run queues no job: leave out --%s",
                            s->wait    ? "wait"
                            : s->watch ? "watch"
                                       : "parsable");
    if (s->dry_run && (s->sweep.count || s->array))
        return ak_cli_error(AK_EXIT_USAGE, "submit: --dry-run is of one job: leave out --%s",
                            s->array ? "array" : "sweep");
    if (s->partition)
        ak_cli_error(AK_EXIT_DONE, "akssld has no partitions: -p %s means nothing", s->partition);
    if (s->parsable && cli->json)
        return ak_cli_error(AK_EXIT_USAGE, "submit: give --parsable or --json, not both");
    return AK_EXIT_DONE;
}

// Whatever is wrong with a spec is a matter of usage, an unreadable file too.
static int read_spec(const ak_args *args, akssl_job_spec *spec)
{
    const submit *s = args->self;
    akssl_status rc;
    int code = s->recipe ? ak_recipe_load(s->recipe, spec) : AK_EXIT_DONE;

    if (code != AK_EXIT_DONE)
        return code;
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

// Slurm's "afterok:1:2,afterany:3" becomes "1:ok,2:ok,3:any".
static int put_dependency(const char *text, akssl_job_spec *spec)
{
    char after[1024] = "", word[1024];
    char *rest = NULL;
    bool any = false;

    snprintf(word, sizeof word, "%s", text);
    for (char *at = strtok_r(word, ",:", &rest); at; at = strtok_r(NULL, ",:", &rest)) {
        size_t used = strlen(after);

        if (strcmp(at, "afterok") == 0 || strcmp(at, "afterany") == 0)
            any = at[5] == 'a';
        else
            snprintf(after + used, sizeof after - used, "%s%s:%s", used ? "," : "", at,
                     any ? "any" : "ok");
    }
    if (strncmp(text, "after", 5) != 0 || !after[0] || strlen(text) >= sizeof word / 2)
        return ak_cli_error(AK_EXIT_USAGE,
                            "--dependency '%.64s': give afterok:ID or afterany:ID; others of "
                            "Slurm's are not known",
                            text);
    if (akssl_job_spec_set(spec, "after", after) < 0)
        return ak_cli_error(AK_EXIT_USAGE, "%s", akssl_last_error());
    return AK_EXIT_DONE;
}

static int put_flags(const submit *s, akssl_job_spec *spec)
{
    if (s->no_requeue && akssl_job_spec_set(spec, "max-restarts", "0") < 0)
        return ak_cli_error(AK_EXIT_USAGE, "%s", akssl_last_error());
    return s->dependency ? put_dependency(s->dependency, spec) : AK_EXIT_DONE;
}

static int dry_run(const ak_cli *cli, akssl_client *client, const akssl_job_spec *spec)
{
    akssl_job_spec *resolved = NULL;
    akssl_prediction *prediction = NULL;
    akssl_status rc = akssl_client_predict(client, spec, &resolved, &prediction);
    const char *yaml;
    json_t *object;

    if (rc < 0)
        return ak_cli_failed(rc);
    if (cli->json) {
        object = json_object();
        json_object_set_new(object, "dry_run", json_true());
        json_object_set_new(object, "spec", ak_json_spec(resolved));
        json_object_set_new(object, "estimate", json_string(prediction->sentence));
        json_object_set_new(object, "prediction",
                            ak_json_values(prediction->values, prediction->value_count));
        ak_json_print(stdout, object);
    } else {
        yaml = akssl_job_spec_yaml(resolved);
        printf("%s# estimate: ", yaml ? yaml : "");
        ak_text_put(stdout, prediction->sentence);
        putchar('\n');
    }
    akssl_prediction_free(prediction);
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

typedef struct batch {
    const ak_cli *cli;
    const submit *s;
    akssl_client *client;
    const akssl_job_spec *spec;
    ak_sweep sweep;
    int64_t *ids;
} batch;

// queue_up has a job of an array wait for the one that is at_once before it.
static int queue_up(const batch *b, size_t index, akssl_job_spec *spec)
{
    size_t at_once = (size_t)b->sweep.at_once;
    char after[64];

    if (!at_once || index < at_once)
        return AK_EXIT_DONE;
    snprintf(after, sizeof after, "%" PRId64 ":any", b->ids[index - at_once]);
    if (akssl_job_spec_set(spec, "after", after) < 0)
        return ak_cli_error(AK_EXIT_USAGE, "%s", akssl_last_error());
    return AK_EXIT_DONE;
}

static int send_one(batch *b, size_t index)
{
    akssl_job_spec *spec = akssl_job_spec_copy(b->spec), *resolved = NULL;
    akssl_status rc;
    int code = spec ? ak_sweep_apply(&b->sweep, index, spec)
                    : ak_cli_error(AK_EXIT_FAILED, "out of memory");

    if (code == AK_EXIT_DONE)
        code = queue_up(b, index, spec);
    if (code == AK_EXIT_DONE) {
        rc = b->s->hold ? akssl_client_submit_held(b->client, spec, &b->ids[index], &resolved)
                        : akssl_client_submit(b->client, spec, &b->ids[index], &resolved);
        if (rc < 0)
            code = ak_cli_failed(rc);
        else
            print_submitted(b->cli, b->s, b->ids[index], resolved);
    }
    akssl_job_spec_free(resolved);
    akssl_job_spec_free(spec);
    return code;
}

// check_all finds out before the first is sent whether the client can make all of them.
static int check_all(const batch *b)
{
    bool queues = b->sweep.at_once && b->sweep.jobs > (size_t)b->sweep.at_once;
    int code = AK_EXIT_DONE;

    for (size_t i = 0; i < b->sweep.jobs && code == AK_EXIT_DONE; i++) {
        akssl_job_spec *spec = akssl_job_spec_copy(b->spec);

        code = spec ? ak_sweep_apply(&b->sweep, i, spec)
                    : ak_cli_error(AK_EXIT_FAILED, "out of memory");
        if (code == AK_EXIT_DONE && queues && akssl_job_spec_get(spec, "after")[0])
            code = ak_cli_error(AK_EXIT_USAGE, "submit: %%N of --array is a matter of --after: "
                                               "give one of them");
        akssl_job_spec_free(spec);
    }
    return code;
}

static int send_all(batch *b)
{
    int code = AK_EXIT_DONE;
    size_t sent = 0;

    while (sent < b->sweep.jobs && code == AK_EXIT_DONE)
        if ((code = send_one(b, sent)) == AK_EXIT_DONE)
            sent++;
    if (code != AK_EXIT_DONE && sent > 0)
        ak_cli_error(code, "%zu of %zu jobs were submitted, the last is job %" PRId64, sent,
                     b->sweep.jobs, b->ids[sent - 1]);
    for (size_t i = 0; i < sent && (b->s->wait || b->s->watch); i++) {
        int end = follow(b->cli, b->s, b->client, b->ids[i]);

        code = ak_cli_worse(code, end);
        if (end >= AK_EXIT_UNREACHABLE)
            break;
    }
    return code;
}

static int send_spec(const ak_cli *cli, const submit *s, const akssl_job_spec *spec)
{
    batch b = { .cli = cli, .s = s, .spec = spec };
    int code = ak_sweep_read(&b.sweep, &s->sweep, s->array);

    if (code == AK_EXIT_DONE)
        code = check_all(&b);
    if (code == AK_EXIT_DONE)
        code = ak_cli_open(cli, &b.client);
    if (code == AK_EXIT_DONE && s->dry_run) {
        code = dry_run(cli, b.client, spec);
    } else if (code == AK_EXIT_DONE) {
        b.ids = calloc(b.sweep.jobs, sizeof *b.ids);
        code = b.ids ? send_all(&b) : ak_cli_error(AK_EXIT_FAILED, "out of memory");
    }
    free(b.ids);
    ak_sweep_fini(&b.sweep);
    akssl_client_close(b.client);
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
    if (code == AK_EXIT_DONE)
        code = put_flags(s, spec);
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
    .details = "A flag wins over the file, and the file over a recipe.  --option and --augment may "
               "be repeated.\n"
               "The job's number is printed once the daemon has it on its disk.\n",
    .flags = flags,
    .self_size = sizeof(submit),
    .max_words = 1,
    .takes_spec = true,
    .run = run,
};
