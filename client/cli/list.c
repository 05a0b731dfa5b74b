// client/cli/list.c -- list: the jobs, newest first, as a table.

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "client/cli/cmd.h"
#include "client/cli/json.h"
#include "client/cli/table.h"
#include "client/cli/text.h"

typedef struct list {
    const char *state;
    int64_t limit;
} list;

static const ak_flag flags[] = {
    AK_FLAG(list, state, "state", 0, TEXT, "S[,S...]", "only jobs in one of these states"),
    AK_FLAG(list, limit, "limit", 0, COUNT, "N", "at most N jobs"),
    AK_FLAG_END,
};

enum { MAX_STATES = 16 };

static int bad_state(const char *name)
{
    return ak_cli_error(AK_EXIT_USAGE,
                        "list: no state '%.64s': give QUEUED, STARTING, RUNNING, PAUSED, "
                        "SUCCEEDED, FAILED or CANCELLED, or several with commas",
                        name);
}

static int read_states(const char *text, akssl_job_state *states, size_t *count)
{
    char name[32];

    while (text && *count < MAX_STATES) {
        size_t length = strcspn(text, ",");

        snprintf(name, sizeof name, "%.*s", (int)(length < sizeof name ? length : sizeof name - 1),
                 text);
        states[*count] = akssl_job_state_parse(name);
        if (states[*count] == AKSSL_JOB_UNKNOWN || length >= sizeof name)
            return bad_state(name);
        ++*count;
        text = text[length] ? text + length + 1 : NULL;
    }
    return text ? bad_state(text) : AK_EXIT_DONE;
}

static void add_key(ak_table *table, akssl_job_spec *spec, const char *key)
{
    const char *value = spec ? akssl_job_spec_get(spec, key) : NULL;

    ak_table_add(table, value && value[0] ? value : "-");
}

static void add_progress(ak_table *table, const akssl_progress *p)
{
    char text[32] = "-";

    if (p && p->total_steps > 0 && p->step >= 0)
        snprintf(text, sizeof text, "%.0f%%",
                 floor(100 * (double)p->step / (double)p->total_steps));
    ak_table_add(table, text);
    ak_text_number(p ? p->loss : (double)NAN, 4, text, sizeof text);
    ak_table_add(table, text);
}

static void print_table(const akssl_job_list *jobs)
{
    static const char *const headings[] = { ">ID",   "OWNER",     "NAME",  "KIND", "METHOD",
                                            "STATE", ">PROGRESS", ">LOSS", ">AGE", "REASON",
                                            NULL };
    ak_table *table = ak_table_new(headings);
    char text[32];

    for (size_t i = 0; i < jobs->count; i++) {
        const akssl_job *job = jobs->jobs[i];

        snprintf(text, sizeof text, "%" PRId64, job->id);
        ak_table_add(table, text);
        ak_table_add(table, job->owner[0] ? job->owner : "-");
        add_key(table, job->spec, "name");
        add_key(table, job->spec, "kind");
        add_key(table, job->spec, "method");
        ak_table_add(table, akssl_job_state_text(job->state));
        add_progress(table, job->progress);
        ak_text_age(job->submitted_ms, text, sizeof text);
        ak_table_add(table, text);
        ak_table_add(table, job->reason);
    }
    ak_table_print(table, stdout);
    ak_table_free(table);
}

static void print_json(const akssl_job_list *jobs)
{
    json_t *array = json_array(), *object = json_object();

    for (size_t i = 0; i < jobs->count; i++)
        json_array_append_new(array, ak_json_job(jobs->jobs[i]));
    json_object_set_new(object, "jobs", array);
    ak_json_print(stdout, object);
}

static int run(ak_cli *cli, const ak_args *args)
{
    const list *l = args->self;
    akssl_job_state states[MAX_STATES];
    akssl_client *client = NULL;
    akssl_job_list *jobs = NULL;
    size_t count = 0;
    akssl_status rc;
    int code = read_states(l->state, states, &count);

    if (code == AK_EXIT_DONE)
        code = ak_cli_open(cli, &client);
    if (code != AK_EXIT_DONE)
        return code;
    rc = akssl_client_list(client, states, count, l->limit, &jobs);
    if (rc < 0)
        code = ak_cli_failed(rc);
    else if (cli->json)
        print_json(jobs);
    else
        print_table(jobs);
    akssl_job_list_free(jobs);
    akssl_client_close(client);
    return code;
}

const ak_cmd ak_cmd_list = {
    .name = "list",
    .summary = "list jobs, newest first",
    .synopsis = "",
    .flags = flags,
    .self_size = sizeof(list),
    .run = run,
};
