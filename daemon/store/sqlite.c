// daemon/store/sqlite.c -- the database: opening, transactions, prepared statements.

#include "daemon/store/sqlite.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"

enum { BUSY_MS = 5000 };

#define COLUMNS                                                                                    \
    "id, state, reason, submitted_ms, started_ms, ended_ms, restarts, restarts_since_commit, "     \
    "committed_step, ranks, run_id, cancel, outcome, weights, figures, pause, asked_ranks, "       \
    "resize, held, requeue, elapsed_ms, kind, name, method, backbone, dataset, priority, owner"

#define TOKEN "id, user, access, hash, created_ms, expires_ms, revoked_ms"

static const char *const texts[AK_QUERY_COUNT] = {
    [AK_QUERY_INSERT] =
        "INSERT INTO jobs (state, reason, submitted_ms, started_ms, ended_ms, restarts, "
        "restarts_since_commit, committed_step, ranks, run_id, cancel, outcome, weights, figures, "
        "pause, asked_ranks, resize, held, requeue, elapsed_ms, kind, name, method, "
        "backbone, dataset, priority, owner, spec) "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, "
        "?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28)",
    [AK_QUERY_UPDATE] =
        "UPDATE jobs SET state = ?1, reason = ?2, submitted_ms = ?3, started_ms = ?4, "
        "ended_ms = ?5, restarts = ?6, restarts_since_commit = ?7, committed_step = ?8, "
        "ranks = ?9, run_id = ?10, cancel = ?11, outcome = ?12, weights = ?13, figures = ?14, "
        "pause = ?15, asked_ranks = ?16, resize = ?17, held = ?18, requeue = ?19, "
        "elapsed_ms = ?20 WHERE id = ?21",
    [AK_QUERY_UPDATE_SPEC] = "UPDATE jobs SET kind = ?1, name = ?2, method = ?3, backbone = ?4, "
                             "dataset = ?5, priority = ?6, spec = ?7 WHERE id = ?8",
    [AK_QUERY_STATE] = "SELECT state FROM jobs WHERE id = ?1",
    [AK_QUERY_FIND] = "SELECT " COLUMNS ", spec FROM jobs WHERE id = ?1",
    [AK_QUERY_ACTIVE] = "SELECT " COLUMNS ", spec FROM jobs WHERE ended_ms = 0 ORDER BY id",
    // The index has all that is asked, and rows are read only of what is shown.
    [AK_QUERY_LIST] = "SELECT " COLUMNS " FROM jobs WHERE id IN ("
                      "SELECT id FROM jobs INDEXED BY jobs_list WHERE id < ?3 "
                      "AND (?1 = 0 OR (?1 >> state) & 1) AND (?4 = '' OR owner = ?4) "
                      "AND (?5 = '' OR instr(name, ?5)) ORDER BY id DESC LIMIT ?2) "
                      "ORDER BY id DESC",
    [AK_QUERY_USAGE] = "SELECT user, core_s FROM usage",
    [AK_QUERY_USAGE_CLEAR] = "DELETE FROM usage",
    [AK_QUERY_USAGE_ADD] = "INSERT INTO usage (user, core_s, at_ms) VALUES (?1, ?2, ?3)",
    [AK_QUERY_ENDED] = "SELECT id FROM jobs WHERE ended_ms > 0 ORDER BY ended_ms DESC LIMIT ?1",
    [AK_QUERY_LATELY] = "SELECT elapsed_ms FROM jobs WHERE ended_ms > 0 AND elapsed_ms > 0 "
                        "ORDER BY id DESC LIMIT ?1",
    [AK_QUERY_ADD_COMMIT] = "INSERT INTO commits (job, step, made_ms) VALUES (?1, ?2, ?3)",
    [AK_QUERY_ADD_FILE] =
        "INSERT INTO commit_files (job, step, name, size, digest) VALUES (?1, ?2, ?3, ?4, ?5)",
    [AK_QUERY_ADD_TENSOR] = "INSERT INTO commit_tensors (job, step, name, version, filled, "
                            "position) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [AK_QUERY_NEWEST] =
        "SELECT step, made_ms FROM commits WHERE job = ?1 ORDER BY step DESC LIMIT 1",
    [AK_QUERY_COMMIT] = "SELECT step, made_ms FROM commits WHERE job = ?1 AND step = ?2",
    [AK_QUERY_FILES] = "SELECT name, size, digest FROM commit_files WHERE job = ?1 AND step = ?2 "
                       "ORDER BY rowid",
    [AK_QUERY_TENSORS] = "SELECT name, version, filled, position FROM commit_tensors "
                         "WHERE job = ?1 AND step = ?2 ORDER BY rowid",
    [AK_QUERY_STEPS] = "SELECT step FROM commits WHERE job = ?1 ORDER BY step DESC",
    [AK_QUERY_PRUNE] = "DELETE FROM commits WHERE job = ?1 AND step NOT IN "
                       "(SELECT step FROM commits WHERE job = ?1 ORDER BY step DESC LIMIT ?2)",
    [AK_QUERY_FORGET] = "DELETE FROM commits WHERE job = ?1 AND step >= ?2",
    [AK_QUERY_ADD_TOKEN] = "INSERT INTO tokens (user, access, hash, created_ms, expires_ms) "
                           "VALUES (?1, ?2, ?3, ?4, ?5)",
    [AK_QUERY_FIND_TOKEN] = "SELECT " TOKEN " FROM tokens WHERE hash = ?1",
    [AK_QUERY_TOKENS] = "SELECT " TOKEN " FROM tokens ORDER BY id DESC LIMIT 10000",
    [AK_QUERY_REVOKE_TOKEN] =
        "UPDATE tokens SET revoked_ms = CASE revoked_ms WHEN 0 THEN ?2 ELSE revoked_ms END "
        "WHERE id = ?1",
};

akssl_status ak_store_fail(ak_store *store, const char *doing)
{
    akssl_status code = AKSSL_ERR_IO;

    switch (sqlite3_errcode(store->db)) {
    case SQLITE_FULL:
        code = AKSSL_ERR_NO_SPACE;
        break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        code = AKSSL_ERR_CORRUPT;
        break;
    case SQLITE_NOMEM:
        code = AKSSL_ERR_NO_MEMORY;
        break;
    }
    return ak_fail(code, "database '%s': %s: %s", store->path, doing, sqlite3_errmsg(store->db));
}

sqlite3_stmt *ak_store_query(ak_store *store, ak_query query)
{
    sqlite3_stmt **statement = &store->queries[query];

    if (!*statement && sqlite3_prepare_v3(store->db, texts[query], -1, SQLITE_PREPARE_PERSISTENT,
                                          statement, NULL) != SQLITE_OK) {
        (void)ak_store_fail(store, "a statement cannot be prepared");
        return NULL;
    }
    sqlite3_reset(*statement);
    sqlite3_clear_bindings(*statement);
    return *statement;
}

// note is for the outcome of a write: what failed may be in the log all the same, whole, and is
// found there after a crash, until something else was written over it.
static void note(ak_store *store, akssl_status rc)
{
    int changes = sqlite3_total_changes(store->db);

    if (rc < 0) {
        store->doubtful = true;
        store->changes = changes;
    } else if (sqlite3_get_autocommit(store->db) && changes != store->changes) {
        store->doubtful = false;
    }
}

bool ak_store_is_doubtful(const ak_store *store)
{
    return store->doubtful;
}

akssl_status ak_store_run(ak_store *store, sqlite3_stmt *statement, const char *doing)
{
    akssl_status rc = AKSSL_OK;

    if (sqlite3_step(statement) != SQLITE_DONE)
        rc = ak_store_fail(store, doing);
    sqlite3_reset(statement);
    note(store, rc);
    return rc;
}

static akssl_status execute(ak_store *store, const char *sql, const char *doing)
{
    if (sqlite3_exec(store->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return ak_store_fail(store, doing);
    return AKSSL_OK;
}

akssl_status ak_store_begin(ak_store *store)
{
    return execute(store, "BEGIN IMMEDIATE", "begin");
}

akssl_status ak_store_commit(ak_store *store)
{
    akssl_status rc = execute(store, "COMMIT", "commit");

    note(store, rc);
    if (rc < 0)
        ak_store_rollback(store);
    return rc;
}

void ak_store_rollback(ak_store *store)
{
    if (!sqlite3_get_autocommit(store->db)) // a full disk may have rolled back already
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
}

// flush makes durable what is read: a process that was killed before its flush leaves rows in the
// log that the next one finds there, and that a power cut would take away again.
static akssl_status flush(ak_store *store)
{
    sqlite3_file *log = NULL;

    if (sqlite3_file_control(store->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log) != SQLITE_OK)
        return ak_store_fail(store, "its log cannot be found");
    if (log && log->pMethods && log->pMethods->xSync(log, SQLITE_SYNC_NORMAL) != SQLITE_OK)
        return ak_fail(AKSSL_ERR_IO, "database '%s': its log cannot be flushed to disk",
                       store->path);
    return AKSSL_OK;
}

akssl_status ak_store_open(ak_store **out, const char *path)
{
    ak_store *store = ak_alloc(1, sizeof *store);
    akssl_status rc = AKSSL_OK;

    store->path = ak_strdup(path);
    if (sqlite3_open_v2(path, &store->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK)
        rc = ak_store_fail(store, "cannot be opened");
    if (rc == AKSSL_OK) {
        sqlite3_busy_timeout(store->db, BUSY_MS);
        rc = ak_store_migrate(store);
    }
    if (rc == AKSSL_OK)
        rc = flush(store);
    if (rc < 0) {
        ak_store_close(store);
        return rc;
    }
    *out = store;
    return AKSSL_OK;
}

void ak_store_close(ak_store *store)
{
    if (!store)
        return;
    for (int i = 0; i < AK_QUERY_COUNT; i++)
        sqlite3_finalize(store->queries[i]);
    sqlite3_close(store->db);
    free(store->path);
    free(store);
}
