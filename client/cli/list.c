// client/cli/list.c -- list: the jobs, newest first, as a table.

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "client/cli/cmd.h"
#include "client/cli/json.h"
#include "client/cli/table.h"
#include "client/cli/text.h"

typedef struct list {
    const char *state, *user, *name, *format;
    int64_t limit, before;
} list;

static const ak_flag flags[] = {
    AK_FLAG(list, state, "state", 't', TEXT, "S[,S...]", "only jobs in one of these states"),
    AK_FLAG(list, user, "user", 'u', TEXT, "NAME", "only jobs of this person"),
    AK_FLAG(list, name, "name", 'n', TEXT, "TEXT", "only jobs whose names contain this"),
    AK_FLAG(list, format, "format", 'o', TEXT, "C[,C...]", "these columns, in this order"),
    AK_FLAG(list, limit, "limit", 0, COUNT, "N", "at most N jobs (100)"),
    AK_FLAG(list, before, "before", 0, COUNT, "ID", "only jobs older than this one"),
    AK_FLAG_END,
};

enum { MAX_STATES = 16, DEFAULT_LIMIT = 100 };

static int bad_state(const char *name)
{
    return ak_cli_error(AK_EXIT_USAGE,
                        "list: no state '%.64s': give QUEUED, STARTING, RUNNING, PAUSED, "
                        "SUCCEEDED, FAILED, CANCELLED or TIMEOUT, or several with commas",
                        name);
}

static int read_states(const char *text, akssl_job_state *states, size_t *count)
{
    char name[32];

    while (text && *count < MAX_STATES) {
        size_t length = strcspn(text, ",");

        snprintf(name, sizeof name, "%.*s", (int)(length < sizeof name ? length : sizeof name - 1),
                 text);
        states[*count] = akssl_job_state_parse_any(name);
        if (states[*count] == AKSSL_JOB_UNKNOWN || length >= sizeof name)
            return bad_state(name);
        ++*count;
        text = text[length] ? text + length + 1 : NULL;
    }
    return text ? bad_state(text) : AK_EXIT_DONE;
}

// ---- columns

typedef struct column {
    const char *name, *heading; // a heading that starts with '>' is flush right
    void (*put)(const akssl_job *job, char *text, size_t size);
} column;

static void put_id(const akssl_job *job, char *text, size_t size)
{
    snprintf(text, size, "%" PRId64, job->id);
}

static void put_owner(const akssl_job *job, char *text, size_t size)
{
    snprintf(text, size, "%s", job->owner);
}

static void put_state(const akssl_job *job, char *text, size_t size)
{
    snprintf(text, size, "%s", akssl_job_state_text(job->state));
}

static void put_slurm_state(const akssl_job *job, char *text, size_t size)
{
    snprintf(text, size, "%s", akssl_job_state_slurm(job->state));
}

static void put_progress(const akssl_job *job, char *text, size_t size)
{
    const akssl_progress *p = job->progress;

    if (p && p->total_steps > 0 && p->step >= 0)
        snprintf(text, size, "%.0f%%", floor(100 * (double)p->step / (double)p->total_steps));
}

static void put_loss(const akssl_job *job, char *text, size_t size)
{
    ak_text_number(job->progress ? job->progress->loss : (double)NAN, 4, text, size);
}

static void put_speed(const akssl_job *job, char *text, size_t size)
{
    ak_text_number(job->progress ? job->progress->images_per_s : (double)NAN, 4, text, size);
}

static void put_age(const akssl_job *job, char *text, size_t size)
{
    ak_text_age(job->submitted_ms, text, size);
}

static void put_elapsed(const akssl_job *job, char *text, size_t size)
{
    ak_text_duration(job->elapsed_s, text, size);
}

static void put_ranks(const akssl_job *job, char *text, size_t size)
{
    snprintf(text, size, "%" PRId64, job->ranks);
}

static void put_reason(const akssl_job *job, char *text, size_t size)
{
    snprintf(text, size, "%s", job->reason);
}

// Columns of the job; a column of another name is that key of its spec, as far as a list has it.
static const column columns[] = {
    { "id", ">ID", put_id },
    { "owner", "OWNER", put_owner },
    { "state", "STATE", put_state },
    { "slurm-state", "STATE", put_slurm_state },
    { "progress", ">PROGRESS", put_progress },
    { "loss", ">LOSS", put_loss },
    { "speed", ">IMAGES/S", put_speed },
    { "age", ">AGE", put_age },
    { "elapsed", ">ELAPSED", put_elapsed },
    { "ranks", ">RANKS", put_ranks },
    { "reason", "REASON", put_reason },
    { "name", "NAME", NULL },
    { "kind", "KIND", NULL },
    { "method", "METHOD", NULL },
    { "backbone", "BACKBONE", NULL },
    { "dataset", "DATASET", NULL },
    { "priority", ">PRIORITY", NULL },
};

enum { COLUMNS = sizeof columns / sizeof *columns, MOST_COLUMNS = 16, CELL = 4096 };

#define DEFAULT_COLUMNS "id,owner,name,kind,method,state,progress,loss,age,reason"

static const column *find_column(const char *name, size_t length)
{
    for (size_t i = 0; i < COLUMNS; i++)
        if (strlen(columns[i].name) == length && strncmp(columns[i].name, name, length) == 0)
            return &columns[i];
    return NULL;
}

static int read_columns(const char *text, const column *chosen[MOST_COLUMNS], size_t *count)
{
    for (*count = 0;; text++) {
        size_t length = strcspn(text, ",");

        if (*count == MOST_COLUMNS)
            return ak_cli_error(AK_EXIT_USAGE, "list: at most %d columns", MOST_COLUMNS);
        chosen[*count] = find_column(text, length);
        if (!chosen[(*count)++])
            return ak_cli_error(AK_EXIT_USAGE,
                                "list: no column '%.*s': `akssl-client help list` has their names",
                                length < 64 ? (int)length : 64, text);
        text += length;
        if (!*text)
            return AK_EXIT_DONE;
    }
}

static void print_table(const akssl_job_list *jobs, const column *const *chosen, size_t count)
{
    const char *headings[MOST_COLUMNS + 1] = { NULL };
    char text[CELL];
    ak_table *table;

    for (size_t i = 0; i < count; i++)
        headings[i] = chosen[i]->heading;
    table = ak_table_new(headings);
    for (size_t j = 0; j < jobs->count; j++)
        for (size_t i = 0; i < count; i++) {
            const char *key = "";

            text[0] = '\0';
            if (chosen[i]->put)
                chosen[i]->put(jobs->jobs[j], text, sizeof text);
            else if (jobs->jobs[j]->spec)
                key = akssl_job_spec_get(jobs->jobs[j]->spec, chosen[i]->name);
            ak_table_add(table, text[0] ? text : key && key[0] ? key : i + 1 == count ? "" : "-");
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
    akssl_query query = { .owner = l->user, .name = l->name, .before = l->before };
    const column *chosen[MOST_COLUMNS];
    akssl_job_state states[MAX_STATES];
    akssl_client *client = NULL;
    akssl_job_list *jobs = NULL;
    size_t count = 0;
    akssl_status rc;
    int code = read_states(l->state, states, &query.state_count);

    if (code == AK_EXIT_DONE)
        code = read_columns(l->format ? l->format : DEFAULT_COLUMNS, chosen, &count);
    if (code == AK_EXIT_DONE)
        code = ak_cli_open(cli, &client);
    if (code != AK_EXIT_DONE)
        return code;
    query.states = states;
    query.limit = l->limit ? l->limit : DEFAULT_LIMIT;
    rc = akssl_client_find(client, &query, &jobs);
    if (rc < 0)
        code = ak_cli_failed(rc);
    else if (cli->json)
        print_json(jobs);
    else
        print_table(jobs, chosen, count);
    if (rc >= 0 && !l->limit && !cli->json && jobs->count == DEFAULT_LIMIT)
        fprintf(stderr, "the newest %d; older ones: --before %" PRId64 ", more at once: --limit\n",
                DEFAULT_LIMIT, jobs->jobs[jobs->count - 1]->id);
    akssl_job_list_free(jobs);
    akssl_client_close(client);
    return code;
}

const ak_cmd ak_cmd_list = {
    .name = "list",
    .summary = "list jobs, newest first",
    .synopsis = "",
    .details =
        "The columns of --format: id, owner, state, slurm-state, progress, loss, speed, age, "
        "elapsed,\nranks, reason, name, kind, method, backbone, dataset, priority.  States "
        "have Slurm's names,\ntoo, long and short: PENDING or PD is QUEUED.\n",
    .flags = flags,
    .self_size = sizeof(list),
    .run = run,
};
