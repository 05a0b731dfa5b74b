// daemon/store/commits.c -- commits as rows.

#include "daemon/store/sqlite.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"

static sqlite3_stmt *query_of(ak_store *store, ak_query query, int64_t job, int64_t step)
{
    sqlite3_stmt *s = ak_store_query(store, query);

    if (!s)
        return NULL;
    sqlite3_bind_int64(s, 1, job);
    if (sqlite3_bind_parameter_count(s) > 1)
        sqlite3_bind_int64(s, 2, step);
    return s;
}

static akssl_status add_file(ak_store *store, const ak_commit *c, const ak_commit_file *file)
{
    sqlite3_stmt *s = query_of(store, AK_QUERY_ADD_FILE, c->job, c->step);

    if (!s)
        return AKSSL_ERR_IO;
    sqlite3_bind_text(s, 3, file->name, -1, SQLITE_TRANSIENT);
    sqlite3_bind_int64(s, 4, (sqlite3_int64)file->size);
    sqlite3_bind_text(s, 5, file->digest, -1, SQLITE_TRANSIENT);
    return ak_store_run(store, s, "a commit's file cannot be stored");
}

static akssl_status add_tensor(ak_store *store, const ak_commit *c, const ak_commit_tensor *tensor)
{
    sqlite3_stmt *s = query_of(store, AK_QUERY_ADD_TENSOR, c->job, c->step);

    if (!s)
        return AKSSL_ERR_IO;
    sqlite3_bind_text(s, 3, tensor->name, -1, SQLITE_TRANSIENT);
    sqlite3_bind_int64(s, 4, tensor->version);
    sqlite3_bind_int64(s, 5, tensor->filled);
    sqlite3_bind_int64(s, 6, tensor->position);
    return ak_store_run(store, s, "a commit's tensor cannot be stored");
}

akssl_status ak_store_add_commit(ak_store *store, const ak_commit *c)
{
    sqlite3_stmt *s = query_of(store, AK_QUERY_ADD_COMMIT, c->job, c->step);
    akssl_status rc;

    if (!s)
        return AKSSL_ERR_IO;
    sqlite3_bind_int64(s, 3, c->made_ms);
    rc = ak_store_run(store, s, "a commit cannot be stored");
    for (int i = 0; i < c->file_count && rc == AKSSL_OK; i++)
        rc = add_file(store, c, &c->files[i]);
    for (int i = 0; i < c->tensor_count && rc == AKSSL_OK; i++)
        rc = add_tensor(store, c, &c->tensors[i]);
    return rc;
}

static void copy_text(char *to, size_t size, sqlite3_stmt *s, int column)
{
    const char *text = (const char *)sqlite3_column_text(s, column);

    snprintf(to, size, "%s", text ? text : "");
}

static akssl_status read_files(ak_store *store, ak_commit *c)
{
    sqlite3_stmt *s = query_of(store, AK_QUERY_FILES, c->job, c->step);
    int step = SQLITE_ERROR;
    akssl_status rc = AKSSL_OK;

    if (!s)
        return AKSSL_ERR_IO;
    while (c->file_count < AK_COMMIT_MAX_FILES && (step = sqlite3_step(s)) == SQLITE_ROW) {
        ak_commit_file *file = &c->files[c->file_count++];

        copy_text(file->name, sizeof file->name, s, 0);
        file->size = (uint64_t)sqlite3_column_int64(s, 1);
        copy_text(file->digest, sizeof file->digest, s, 2);
    }
    if (step != SQLITE_DONE && step != SQLITE_ROW)
        rc = ak_store_fail(store, "a commit's files cannot be read");
    sqlite3_reset(s);
    return rc;
}

static akssl_status read_tensors(ak_store *store, ak_commit *c)
{
    sqlite3_stmt *s = query_of(store, AK_QUERY_TENSORS, c->job, c->step);
    int step = SQLITE_ERROR;
    akssl_status rc = AKSSL_OK;

    if (!s)
        return AKSSL_ERR_IO;
    while (c->tensor_count < AK_STATE_MAX_TENSORS && (step = sqlite3_step(s)) == SQLITE_ROW) {
        ak_commit_tensor *tensor = &c->tensors[c->tensor_count++];

        copy_text(tensor->name, sizeof tensor->name, s, 0);
        tensor->version = sqlite3_column_int64(s, 1);
        tensor->filled = sqlite3_column_int64(s, 2);
        tensor->position = sqlite3_column_int64(s, 3);
    }
    if (step != SQLITE_DONE && step != SQLITE_ROW)
        rc = ak_store_fail(store, "a commit's tensors cannot be read");
    sqlite3_reset(s);
    return rc;
}

// read_commit reads the commit that the statement's first row gives; ERR_NOT_FOUND without a row.
static akssl_status read_commit(ak_store *store, sqlite3_stmt *s, int64_t job, ak_commit *commit)
{
    ak_commit found = { .job = job };
    akssl_status rc = AKSSL_OK;
    int step;

    if (!s)
        return AKSSL_ERR_IO;
    step = sqlite3_step(s);
    if (step == SQLITE_ROW) {
        found.step = sqlite3_column_int64(s, 0);
        found.made_ms = sqlite3_column_int64(s, 1);
    } else if (step == SQLITE_DONE) {
        rc = ak_fail(AKSSL_ERR_NOT_FOUND, "job %" PRId64 " has no commit yet", job);
    } else {
        rc = ak_store_fail(store, "a commit cannot be read");
    }
    sqlite3_reset(s);
    if (rc == AKSSL_OK)
        rc = read_files(store, &found);
    if (rc == AKSSL_OK)
        rc = read_tensors(store, &found);
    if (rc == AKSSL_OK)
        *commit = found;
    return rc;
}

akssl_status ak_store_find_commit(ak_store *store, int64_t job, ak_commit *commit)
{
    return read_commit(store, query_of(store, AK_QUERY_NEWEST, job, 0), job, commit);
}

akssl_status ak_store_commits(ak_store *store, int64_t job, ak_commit **list, int *count)
{
    int64_t *steps = NULL;
    ak_commit *commits;
    int n = 0;
    akssl_status rc = ak_store_commit_steps(store, job, &steps, &n);

    if (rc < 0)
        return rc;
    commits = ak_alloc((size_t)n + 1, sizeof *commits);
    for (int i = 0; i < n && rc == AKSSL_OK; i++)
        rc = read_commit(store, query_of(store, AK_QUERY_COMMIT, job, steps[i]), job, &commits[i]);
    free(steps);
    if (rc < 0) {
        free(commits);
        return rc;
    }
    *list = commits;
    *count = n;
    return AKSSL_OK;
}

akssl_status ak_store_commit_steps(ak_store *store, int64_t job, int64_t **steps, int *count)
{
    sqlite3_stmt *s = query_of(store, AK_QUERY_STEPS, job, 0);
    int64_t *list = NULL;
    int n = 0, step;

    if (!s)
        return AKSSL_ERR_IO;
    while ((step = sqlite3_step(s)) == SQLITE_ROW) {
        list = ak_realloc(list, (size_t)n + 1, sizeof *list);
        list[n++] = sqlite3_column_int64(s, 0);
    }
    sqlite3_reset(s);
    if (step != SQLITE_DONE) {
        free(list);
        return ak_store_fail(store, "commits cannot be read");
    }
    *steps = list;
    *count = n;
    return AKSSL_OK;
}

akssl_status ak_store_prune(ak_store *store, int64_t job, int64_t keep)
{
    sqlite3_stmt *s = query_of(store, AK_QUERY_PRUNE, job, keep);

    if (!s)
        return AKSSL_ERR_IO;
    return ak_store_run(store, s, "old commits cannot be forgotten");
}

// ---- transactions

static akssl_status record(ak_store *store, const ak_job *job, const ak_commit *commit,
                           int64_t **kept, int *count)
{
    akssl_status rc = ak_store_add_commit(store, commit);

    if (rc == AKSSL_OK)
        rc = ak_store_update(store, job);
    if (rc == AKSSL_OK)
        rc = ak_store_prune(store, job->id, job->spec.keep);
    if (rc == AKSSL_OK)
        rc = ak_store_commit_steps(store, job->id, kept, count);
    return rc;
}

// end makes what was done durable, or undoes it.
static akssl_status end(ak_store *store, akssl_status rc)
{
    if (rc == AKSSL_OK)
        return ak_store_commit(store);
    ak_store_rollback(store);
    return rc;
}

akssl_status ak_store_record(ak_store *store, const ak_job *job, const ak_commit *commit,
                             int64_t **kept, int *count)
{
    akssl_status rc = ak_store_begin(store);

    *kept = NULL;
    *count = 0;
    if (rc < 0)
        return rc;
    rc = end(store, record(store, job, commit, kept, count));
    if (rc < 0) {
        free(*kept);
        *kept = NULL;
    }
    return rc;
}

akssl_status ak_store_fall_back(ak_store *store, const ak_job *job, int64_t from)
{
    akssl_status rc = ak_store_begin(store);
    sqlite3_stmt *s;

    if (rc < 0)
        return rc;
    s = query_of(store, AK_QUERY_FORGET, job->id, from);
    rc = s ? ak_store_run(store, s, "damaged commits cannot be forgotten") : AKSSL_ERR_IO;
    if (rc == AKSSL_OK)
        rc = ak_store_update(store, job);
    return end(store, rc);
}
