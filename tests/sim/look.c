// tests/sim/look.c -- what must hold on the disk, whenever akssld is not there.
//
// The database is copied and opened as a new akssld would; every promise is looked up in it, and
// every commit that it knows is read through and compared with what the model says.

#include <inttypes.h>
#include <sqlite3.h>
#include <string.h>

#include "daemon/state/state.h"
#include "proto/base/error.h"
#include "proto/format/digest.h"
#include "tests/sim/disk.h"
#include "tests/sim/oracle.h"
#include "tests/sim/rank.h"

#define DB "/state/akssld.db"
#define COPY "/look/akssld.db"

static int64_t number(sqlite3 *db, const char *sql, int64_t job, int64_t missing)
{
    sqlite3_stmt *s = NULL;
    int64_t value = missing;
    int rc = sqlite3_prepare_v2(db, sql, -1, &s, NULL);

    if (rc == SQLITE_OK) {
        sqlite3_bind_int64(s, 1, job);
        rc = sqlite3_step(s);
    }
    if (rc == SQLITE_ROW && sqlite3_column_type(s, 0) != SQLITE_NULL)
        value = sqlite3_column_int64(s, 0);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        sim_broken("the database cannot be read: %s", sqlite3_errmsg(db));
    sqlite3_finalize(s);
    return value;
}

// ---- commits

static void check_tensors(int64_t job, int64_t step, const char *method, const char *path)
{
    sim_tensor expected[SIM_TENSORS];
    int count = sim_model_tensors(method, job, step, expected);
    ak_state *state = NULL;

    if (ak_state_read(&state, path) < 0)
        sim_broken("job %" PRId64 ", commit of step %" PRId64 ": %s", job, step, ak_error_text());
    if (state->count != count)
        sim_broken("'%s' has %d tensors, not %d", path, state->count, count);
    for (int i = 0; i < count; i++) {
        const ak_state_tensor *t = &state->tensors[i];

        if (strcmp(t->info.name, expected[i].name) != 0 || t->info.version != step ||
            t->info.filled != expected[i].filled || t->info.position != expected[i].position ||
            t->size != (size_t)expected[i].rows * SIM_WIDTH * sizeof(float) ||
            memcmp(ak_state_data(t), expected[i].values, t->size) != 0)
            sim_broken("'%s': tensor %s of version %" PRId64 " is not that of step %" PRId64, path,
                       t->info.name, t->info.version, step);
    }
    ak_state_free(state);
}

// A commit's folder goes aside before its rows do; that only happens to one with a rotten file, or
// to all of them by request.
static bool was_set_aside(int64_t job, int64_t step)
{
    return sim_oracle_of(job)->begun_again || sim_oracle_rotten(job, step, "aside-step");
}

static void check_file(int64_t job, int64_t step, const char *name, const char *digest,
                       const char *method)
{
    const char *path =
        sim_format("/state/jobs/%" PRId64 "/commits/step-%" PRId64 "/%s", job, step, name);
    sim_node *node;
    char found[AK_DIGEST_TEXT], expected[SIM_FILE], model[AK_DIGEST_TEXT];

    if (was_set_aside(job, step) || (sim_disk_find(path, &node) == 0 && node->rotten))
        return; // as it must be
    if (ak_digest_file(path, NULL, found) < 0)
        sim_broken("job %" PRId64 ": the commit of step %" PRId64 " is not whole: %s", job, step,
                   ak_error_text());
    if (strcmp(found, digest) != 0)
        sim_broken("'%s' is not what was committed", path);
    for (int which = 0; which < 2; which++) {
        if (strcmp(name, sim_model_name(which)) != 0)
            continue;
        ak_digest_memory(expected, (size_t)sim_model_file(job, step, which, expected), model);
        if (strcmp(model, digest) != 0)
            sim_broken("'%s' is not what step %" PRId64 " wrote", path, step);
    }
    if (strcmp(name, "state.safetensors") == 0)
        check_tensors(job, step, method, path);
}

static void check_commits(sqlite3 *db)
{
    static const char sql[] =
        "SELECT f.job, f.step, f.name, f.digest, j.method FROM commit_files f "
        "JOIN jobs j ON j.id = f.job ORDER BY 1, 2, 3";
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &s, NULL);

    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(s);
        if (rc == SQLITE_ROW)
            check_file(sqlite3_column_int64(s, 0), sqlite3_column_int64(s, 1),
                       (const char *)sqlite3_column_text(s, 2),
                       (const char *)sqlite3_column_text(s, 3),
                       (const char *)sqlite3_column_text(s, 4));
    }
    if (rc != SQLITE_DONE)
        sim_broken("the database's commits cannot be read: %s", sqlite3_errmsg(db));
    sqlite3_finalize(s);
}

// ---- promises

static void check_account(sqlite3 *db, sim_account *a)
{
    int64_t state = number(db, "SELECT state FROM jobs WHERE id = ?", a->id, 0);
    int64_t step;

    if (!state)
        sim_broken("job %" PRId64 " was acknowledged, and is not in the database", a->id);
    if (a->ended && state != (int64_t)a->ended && !(a->ended == AK_JOB_TIMEOUT && a->resumed))
        sim_broken("job %" PRId64 " was told to be %s, and is %s in the database", a->id,
                   ak_job_state_text(a->ended), ak_job_state_text((ak_job_state)state));
    if (a->finish == AK_JOB_SUCCEEDED && state != (int64_t)a->finish &&
        number(db, "SELECT outcome FROM jobs WHERE id = ?", a->id, 0) != (int64_t)a->finish)
        sim_broken("job %" PRId64 ": Finish as %s was acknowledged, and is not in the database",
                   a->id, ak_job_state_text(a->finish));
    sim_oracle_forgive(a);
    step = number(db, "SELECT max(step) FROM commits WHERE job = ?", a->id, -1);
    if (step < a->committed)
        sim_broken("job %" PRId64 ": the commit of step %" PRId64
                   " was acknowledged, and the database's newest is of step %" PRId64,
                   a->id, a->committed, step);
    if (a->cancelled && !ak_job_state_ended((ak_job_state)state) &&
        !number(db, "SELECT cancel FROM jobs WHERE id = ?", a->id, 0))
        sim_broken("job %" PRId64 ": its cancelling was acknowledged, and is not in the database",
                   a->id);
    if (a->hold == SIM_WISH_PAUSE && !ak_job_state_ended((ak_job_state)state) &&
        !number(db, "SELECT held FROM jobs WHERE id = ?", a->id, 0))
        sim_broken("job %" PRId64 " was acknowledged as held, and is not in the database", a->id);
    if (a->wish == SIM_WISH_PAUSE && state != AK_JOB_PAUSED &&
        !ak_job_state_ended((ak_job_state)state) &&
        !number(db, "SELECT pause FROM jobs WHERE id = ?", a->id, 0))
        sim_broken("job %" PRId64 ": its pausing was acknowledged, and is not in the database",
                   a->id);
}

static void look(void)
{
    sqlite3 *db = NULL;
    sim_node *node;

    (void)sim_disk_make("/look", true, &node);
    sim_disk_copy(DB, COPY);
    if (sim_disk_copy(DB "-wal", COPY "-wal") != 0)
        (void)sim_disk_remove(COPY "-wal");
    if (sim_disk_copy(DB "-journal", COPY "-journal") != 0)
        (void)sim_disk_remove(COPY "-journal");
    if (sqlite3_open_v2(COPY, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
        sim_broken("the database cannot be opened: %s", sqlite3_errmsg(db));
    for (sim_account *a = sim_here->oracle->accounts; a; a = a->next)
        if (a->acked)
            check_account(db, a);
    check_commits(db);
    sqlite3_close(db);
}

// A job that has succeeded has the figures of each of its steps, once.
static void check_metrics(const sim_account *a)
{
    const char *path = sim_format("/state/jobs/%" PRId64 "/metrics.jsonl", a->id);
    sim_node *node;
    int64_t at = 0;

    if (sim_disk_find(path, &node))
        sim_broken("job %" PRId64 " has succeeded and has no metrics.jsonl", a->id);
    for (int64_t step = 1; step <= a->total; step++) {
        const char *line = sim_model_line(step);
        int64_t n = (int64_t)strlen(line);

        if (at + n > node->size || memcmp(node->data + at, line, (size_t)n) != 0)
            sim_broken("job %" PRId64 " has succeeded, and its metrics.jsonl has no step %" PRId64
                       ", or has one twice",
                       a->id, step);
        at += n;
    }
    if (at != node->size)
        sim_broken("job %" PRId64 ": there is more in metrics.jsonl than its steps", a->id);
}

void sim_oracle_end(void)
{
    for (const sim_account *a = sim_here->oracle->accounts; a; a = a->next)
        if (a->acked && a->ended == AK_JOB_SUCCEEDED)
            check_metrics(a);
    for (const sim_account *a = sim_here->oracle->accounts; a; a = a->next)
        if (a->acked && a->ended == AK_JOB_SUCCEEDED && a->committed > a->total)
            sim_broken("job %" PRId64 " has committed more than its %" PRId64 " steps", a->id,
                       a->total);
    for (const sim_run *run = sim_here->procs->runs; run; run = run->next)
        if (sim_run_alive(run))
            sim_broken("%d processes of job %" PRId64 " live when all is over", sim_run_alive(run),
                       run->job);
    sim_oracle_disk();
}

void sim_oracle_disk(void)
{
    bool full = sim_here->disk->full, fixed = sim_here->disk->fixed;
    sim_node *node;

    if (!sim_here->oracle->accounts || sim_disk_find(DB, &node))
        return;
    sim_here->disk->full = sim_here->disk->fixed = false; // a look needs no room
    look();
    sim_here->disk->full = full;
    sim_here->disk->fixed = fixed;
}
