// client/cli/show.c -- show: all that is known of one job.

#include <inttypes.h>
#include <string.h>

#include "client/cli/cmd.h"
#include "client/cli/json.h"
#include "client/cli/text.h"

enum { FIELD = 16 }; // columns of the names

static void put(const char *name, const char *value)
{
    printf("%-*s", FIELD, name);
    ak_text_put(stdout, value[0] ? value : "-");
    putchar('\n');
}

static void put_count(const char *name, int64_t value)
{
    char text[32];

    snprintf(text, sizeof text, "%" PRId64, value);
    put(name, value < 0 ? "-" : text);
}

static void put_time(const char *name, int64_t at_ms)
{
    char text[64], age[32];

    if (at_ms < 0) {
        put(name, "-");
        return;
    }
    ak_text_time(at_ms, text, sizeof text);
    ak_text_age(at_ms, age, sizeof age);
    printf("%-*s%s (%s ago)\n", FIELD, name, text, age);
}

static void put_number(const char *name, double value)
{
    char text[32];

    ak_text_number(value, 6, text, sizeof text);
    put(name, text);
}

static void put_values(const char *title, const akssl_value *values, size_t count)
{
    if (count > 0)
        printf("\n%s\n", title);
    for (size_t i = 0; i < count; i++) {
        char text[32];

        ak_text_number(values[i].value, 6, text, sizeof text);
        fputs("  ", stdout);
        ak_text_put(stdout, values[i].name);
        printf("%*s%s\n", (int)(strlen(values[i].name) < 24 ? 26 - strlen(values[i].name) : 2), "",
               text);
    }
}

static void put_progress(const akssl_progress *p)
{
    char text[64];

    snprintf(text, sizeof text, "%" PRId64 " of %" PRId64, p->step, p->total_steps);
    put("step", text);
    put_number("epoch", p->epoch);
    put_number("loss", p->loss);
    put_number("learning rate", p->lr);
    put_number("images/s", p->images_per_s);
    ak_text_duration(p->eta_s, text, sizeof text);
    put("time to go", text);
    put_values("gauges", p->gauges, p->gauge_count);
    if (p->warning_count > 0)
        puts("\nwarnings");
    for (size_t i = 0; i < p->warning_count; i++) {
        fputs("  ", stdout);
        ak_text_put(stdout, p->warnings[i]);
        putchar('\n');
    }
}

static void put_spec(akssl_job_spec *spec)
{
    const char *yaml = spec ? akssl_job_spec_yaml(spec) : NULL;

    if (!yaml)
        return;
    fputs("\nspec\n", stdout);
    while (*yaml) {
        size_t length = strcspn(yaml, "\n");

        printf("  %.*s\n", (int)length, yaml);
        yaml += length + (yaml[length] == '\n');
    }
}

static void print_job(akssl_job *job)
{
    char text[32];

    put_count("job", job->id);
    put("owner", job->owner);
    put("state", akssl_job_state_text(job->state));
    put("reason", job->reason);
    if (job->held)
        put("held", "until it is released");
    put_time("submitted", job->submitted_ms);
    put_time("started", job->started_ms);
    put_time("ended", job->ended_ms);
    ak_text_duration(job->elapsed_s, text, sizeof text);
    put("elapsed", text);
    put_count("restarts", job->restarts);
    put_count("last commit", job->committed_step);
    put_count("ranks", job->ranks);
    if (job->asked_ranks == 0)
        put("asked for", "as many ranks as fit");
    else
        put_count("asked for", job->asked_ranks);
    put("folder", job->folder);
    put("weights", job->weights);
    if (job->progress)
        put_progress(job->progress);
    put_values("results", job->results, job->result_count);
    put_spec(job->spec);
}

static int run(ak_cli *cli, const ak_args *args)
{
    akssl_client *client = NULL;
    akssl_job *job = NULL;
    akssl_status rc;
    int64_t id = 0;
    int code = ak_cli_open_job(cli, args, &client, &id);

    if (code != AK_EXIT_DONE)
        return code;
    rc = akssl_client_show(client, id, &job);
    if (rc < 0)
        code = ak_cli_failed(rc);
    else if (cli->json)
        ak_json_print(stdout, ak_json_job(job));
    else
        print_job(job);
    akssl_job_free(job);
    akssl_client_close(client);
    return code;
}

const ak_cmd ak_cmd_show = {
    .name = "show",
    .summary = "show all that is known of a job",
    .synopsis = "ID",
    .min_words = 1,
    .max_words = 1,
    .run = run,
};
