// daemon/store/jobs.c -- jobs as rows.

#include "daemon/store/sqlite.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/error.h"

#define MAX_COUNT ((int64_t)1 << 53)

enum { MAX_RANKS = 4096 }; // as in proto/spec/spec.def

// Columns as in COLUMNS of sqlite.c.
enum {
    ID,
    STATE,
    REASON,
    SUBMITTED,
    STARTED,
    ENDED,
    RESTARTS,
    SINCE_COMMIT,
    COMMITTED,
    RANKS,
    RUN_ID,
    CANCEL,
    OUTCOME,
    WEIGHTS,
    FIGURES,
    PAUSE,
    ASKED,
    RESIZE,
    HELD,
    REQUEUE,
    ELAPSED,
    KIND,
    NAME,
    METHOD,
    BACKBONE,
    DATASET,
    PRIORITY,
    OWNER,
    SPEC,
};

static void bind_text(sqlite3_stmt *s, int at, const char *text)
{
    sqlite3_bind_text(s, at, text ? text : "", -1, SQLITE_TRANSIENT);
}

// bind_job binds ?1 to ?20, which insert and update have in common.
static void bind_job(sqlite3_stmt *s, const ak_job *job)
{
    size_t size = 0;
    void *figures = ak_figures_pack(&job->figures, &size);

    sqlite3_bind_int(s, STATE, (int)job->state);
    bind_text(s, REASON, job->reason);
    sqlite3_bind_int64(s, SUBMITTED, job->submitted_ms);
    sqlite3_bind_int64(s, STARTED, job->started_ms);
    sqlite3_bind_int64(s, ENDED, job->ended_ms);
    sqlite3_bind_int64(s, RESTARTS, job->restarts);
    sqlite3_bind_int64(s, SINCE_COMMIT, job->restarts_since_commit);
    sqlite3_bind_int64(s, COMMITTED, job->committed_step);
    sqlite3_bind_int64(s, RANKS, job->ranks);
    bind_text(s, RUN_ID, job->run_id);
    sqlite3_bind_int(s, CANCEL, job->cancel);
    sqlite3_bind_int(s, OUTCOME, (int)job->outcome);
    bind_text(s, WEIGHTS, job->weights);
    sqlite3_bind_int(s, PAUSE, job->pause);
    sqlite3_bind_int64(s, ASKED, job->asked_ranks);
    sqlite3_bind_int(s, RESIZE, job->resize);
    sqlite3_bind_int(s, HELD, job->held);
    sqlite3_bind_int(s, REQUEUE, job->requeue);
    sqlite3_bind_int64(s, ELAPSED, job->elapsed_ms);
    if (figures)
        sqlite3_bind_blob64(s, FIGURES, figures, size, SQLITE_TRANSIENT);
    free(figures);
}

akssl_status ak_store_insert(ak_store *store, ak_job *job)
{
    sqlite3_stmt *s = ak_store_query(store, AK_QUERY_INSERT);
    akssl_status rc;

    if (!s)
        return AKSSL_ERR_IO;
    bind_job(s, job);
    bind_text(s, KIND, job->spec.kind);
    bind_text(s, NAME, job->spec.name);
    bind_text(s, METHOD, job->spec.method);
    bind_text(s, BACKBONE, job->spec.backbone);
    bind_text(s, DATASET, job->spec.dataset);
    sqlite3_bind_int64(s, PRIORITY, job->spec.priority);
    bind_text(s, OWNER, job->owner);
    bind_text(s, SPEC, job->yaml);
    rc = ak_store_run(store, s, "a job cannot be stored");
    if (rc < 0)
        return rc;
    job->id = sqlite3_last_insert_rowid(store->db);
    job->stored = job->state;
    return AKSSL_OK;
}

akssl_status ak_store_update(ak_store *store, const ak_job *job)
{
    sqlite3_stmt *s = ak_store_query(store, AK_QUERY_UPDATE);

    if (!s)
        return AKSSL_ERR_IO;
    bind_job(s, job);
    sqlite3_bind_int64(s, ELAPSED + 1, job->id);
    return ak_store_run(store, s, "a job cannot be updated");
}

akssl_status ak_store_update_spec(ak_store *store, const ak_job *job)
{
    sqlite3_stmt *s = ak_store_query(store, AK_QUERY_UPDATE_SPEC);

    if (!s)
        return AKSSL_ERR_IO;
    bind_text(s, 1, job->spec.kind);
    bind_text(s, 2, job->spec.name);
    bind_text(s, 3, job->spec.method);
    bind_text(s, 4, job->spec.backbone);
    bind_text(s, 5, job->spec.dataset);
    sqlite3_bind_int64(s, 6, job->spec.priority);
    bind_text(s, 7, job->yaml);
    sqlite3_bind_int64(s, 8, job->id);
    return ak_store_run(store, s, "a job's spec cannot be stored");
}

static const char *text(sqlite3_stmt *s, int column)
{
    const char *value = (const char *)sqlite3_column_text(s, column);

    return value ? value : "";
}

static void read_brief(sqlite3_stmt *s, ak_spec *spec)
{
    ak_text_set(&spec->kind, text(s, KIND));
    ak_text_set(&spec->name, text(s, NAME));
    ak_text_set(&spec->method, text(s, METHOD));
    ak_text_set(&spec->backbone, text(s, BACKBONE));
    ak_text_set(&spec->dataset, text(s, DATASET));
    spec->priority = sqlite3_column_int64(s, PRIORITY);
}

// A run's id names files.
static bool is_run_id(const char *id)
{
    return !id[0] || (strlen(id) == 32 && strspn(id, "0123456789abcdef") == 32);
}

// check_row refuses what a job cannot be: everybody counts on these.
static akssl_status check_row(const ak_job *job)
{
    const struct {
        int64_t value, least;
    } counts[] = { { job->submitted_ms, 0 },    { job->started_ms, 0 },
                   { job->ended_ms, 0 },        { job->restarts, 0 },
                   { job->committed_step, -1 }, { job->restarts_since_commit, 0 },
                   { job->elapsed_ms, 0 } };

    if (!ak_job_state_text(job->state)[0])
        return ak_fail(AKSSL_ERR_CORRUPT, "state %d is none", (int)job->state);
    if (job->outcome && !ak_job_state_text(job->outcome)[0])
        return ak_fail(AKSSL_ERR_CORRUPT, "outcome %d is none", (int)job->outcome);
    if (!is_run_id(job->run_id))
        return ak_fail(AKSSL_ERR_CORRUPT, "run '%.64s' is none", job->run_id);
    if (job->ranks < 0 || job->ranks > MAX_RANKS || job->asked_ranks < -1 ||
        job->asked_ranks > MAX_RANKS)
        return ak_fail(AKSSL_ERR_CORRUPT, "ranks are not 0 to %d", MAX_RANKS);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        if (counts[i].value < counts[i].least || counts[i].value > MAX_COUNT)
            return ak_fail(AKSSL_ERR_CORRUPT, "a time or a count is out of range");
    return AKSSL_OK;
}

static akssl_status read_row(sqlite3_stmt *s, ak_job *job)
{
    akssl_status rc;

    job->id = sqlite3_column_int64(s, ID);
    job->state = job->stored = (ak_job_state)sqlite3_column_int(s, STATE);
    ak_text_set(&job->reason, text(s, REASON));
    job->submitted_ms = sqlite3_column_int64(s, SUBMITTED);
    job->started_ms = sqlite3_column_int64(s, STARTED);
    job->ended_ms = sqlite3_column_int64(s, ENDED);
    job->restarts = sqlite3_column_int64(s, RESTARTS);
    job->restarts_since_commit = sqlite3_column_int64(s, SINCE_COMMIT);
    job->committed_step = sqlite3_column_int64(s, COMMITTED);
    job->ranks = sqlite3_column_int64(s, RANKS);
    ak_text_set(&job->run_id, text(s, RUN_ID));
    job->cancel = sqlite3_column_int(s, CANCEL) != 0;
    job->pause = sqlite3_column_int(s, PAUSE) != 0;
    job->asked_ranks = sqlite3_column_int64(s, ASKED);
    job->resize = sqlite3_column_int(s, RESIZE) != 0;
    job->held = sqlite3_column_int(s, HELD) != 0;
    job->requeue = sqlite3_column_int(s, REQUEUE) != 0;
    job->elapsed_ms = sqlite3_column_int64(s, ELAPSED);
    job->outcome = (ak_job_state)sqlite3_column_int(s, OUTCOME);
    ak_text_set(&job->weights, text(s, WEIGHTS));
    ak_text_set(&job->owner, text(s, OWNER));
    rc = check_row(job);
    return rc < 0 ? rc
                  : ak_figures_unpack(&job->figures, sqlite3_column_blob(s, FIGURES),
                                      (size_t)sqlite3_column_bytes(s, FIGURES));
}

// read_job makes a job of the statement's row; whole: with its spec.
static akssl_status read_job(ak_store *store, sqlite3_stmt *s, bool whole, ak_job **out)
{
    akssl_status rc = AKSSL_OK;
    ak_job *job;
    ak_spec spec;

    ak_spec_init(&spec);
    if (whole)
        rc = ak_spec_read_yaml(&spec, text(s, SPEC), strlen(text(s, SPEC)), "its spec");
    else
        read_brief(s, &spec);
    job = ak_job_new(&spec, whole ? text(s, SPEC) : NULL);
    if (rc == AKSSL_OK)
        rc = read_row(s, job);
    if (rc == AKSSL_OK && whole)
        rc = ak_terms_parse(&job->terms, spec.time, spec.after);
    ak_spec_fini(&spec);
    if (rc < 0) {
        ak_job_free(job);
        return ak_wrap(AKSSL_ERR_CORRUPT, "database '%s': job %" PRId64, store->path,
                       (int64_t)sqlite3_column_int64(s, ID));
    }
    *out = job;
    return AKSSL_OK;
}

akssl_status ak_store_find(ak_store *store, int64_t id, ak_job **out)
{
    sqlite3_stmt *s = ak_store_query(store, AK_QUERY_FIND);
    akssl_status rc;

    if (!s)
        return AKSSL_ERR_IO;
    sqlite3_bind_int64(s, 1, id);
    switch (sqlite3_step(s)) {
    case SQLITE_ROW:
        rc = read_job(store, s, true, out);
        break;
    case SQLITE_DONE:
        rc = ak_fail(AKSSL_ERR_NOT_FOUND,
                     "job %" PRId64 ": there is none; `akssl-client list` shows the jobs", id);
        break;
    default:
        rc = ak_store_fail(store, "a job cannot be read");
    }
    sqlite3_reset(s);
    return rc;
}

akssl_status ak_store_active(ak_store *store, void (*take)(void *ctx, ak_job *job), void *ctx,
                             int *skipped)
{
    sqlite3_stmt *s = ak_store_query(store, AK_QUERY_ACTIVE);
    akssl_status rc = AKSSL_OK;
    int step;

    if (!s)
        return AKSSL_ERR_IO;
    *skipped = 0;
    while ((step = sqlite3_step(s)) == SQLITE_ROW) {
        ak_job *job;

        if (read_job(store, s, true, &job) < 0)
            ++*skipped;
        else
            take(ctx, job);
    }
    if (step != SQLITE_DONE)
        rc = ak_store_fail(store, "jobs cannot be read");
    sqlite3_reset(s);
    return rc;
}

akssl_status ak_store_state_of(ak_store *store, int64_t id, ak_job_state *state)
{
    sqlite3_stmt *s = ak_store_query(store, AK_QUERY_STATE);
    akssl_status rc = AKSSL_OK;
    int step;

    if (!s)
        return AKSSL_ERR_IO;
    sqlite3_bind_int64(s, 1, id);
    step = sqlite3_step(s);
    if (step == SQLITE_ROW)
        *state = (ak_job_state)sqlite3_column_int(s, 0);
    else if (step == SQLITE_DONE)
        *state = 0;
    else
        rc = ak_store_fail(store, "a job's state cannot be read");
    sqlite3_reset(s);
    return rc;
}

akssl_status ak_store_list(ak_store *store, const ak_filter *filter,
                           bool (*see)(void *ctx, const ak_job *job), void *ctx)
{
    sqlite3_stmt *s = ak_store_query(store, AK_QUERY_LIST);
    akssl_status rc = AKSSL_OK;
    int step = SQLITE_DONE;
    bool more = true;

    if (!s)
        return AKSSL_ERR_IO;
    sqlite3_bind_int64(s, 1, filter->states);
    sqlite3_bind_int64(s, 2, filter->limit);
    sqlite3_bind_int64(s, 3, filter->before ? filter->before : INT64_MAX);
    bind_text(s, 4, filter->owner);
    bind_text(s, 5, filter->name);
    while (more && (step = sqlite3_step(s)) == SQLITE_ROW) {
        ak_job *job;

        if (read_job(store, s, false, &job) < 0)
            continue; // a damaged row must not hide the others; Show says what is wrong with it
        more = see(ctx, job);
        ak_job_free(job);
    }
    if (step != SQLITE_DONE && step != SQLITE_ROW)
        rc = ak_store_fail(store, "jobs cannot be listed");
    sqlite3_reset(s);
    return rc;
}

akssl_status ak_store_ended(ak_store *store, int64_t *ids, int room, int *count)
{
    sqlite3_stmt *s = ak_store_query(store, AK_QUERY_ENDED);
    akssl_status rc = AKSSL_OK;
    int step;

    *count = 0;
    if (!s)
        return AKSSL_ERR_IO;
    sqlite3_bind_int(s, 1, room);
    while ((step = sqlite3_step(s)) == SQLITE_ROW && *count < room)
        ids[(*count)++] = sqlite3_column_int64(s, 0);
    if (step != SQLITE_DONE && step != SQLITE_ROW)
        rc = ak_store_fail(store, "the jobs that ended last cannot be read");
    sqlite3_reset(s);
    return rc;
}
