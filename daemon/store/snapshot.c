// daemon/store/snapshot.c -- a copy of the database for a backup, and what a restore changes in it.

#include "daemon/store/snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/store/sqlite.h"
#include "proto/base/alloc.h"
#include "proto/base/error.h"

enum { BUSY_MS = 10000 };

static akssl_status run(sqlite3 *db, const char *path, const char *sql)
{
    char *error = NULL;
    akssl_status rc = AKSSL_OK;

    if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK)
        rc = ak_fail(AKSSL_ERR_IO, "database '%s': %s", path, error ? error : "out of memory");
    sqlite3_free(error);
    return rc;
}

static akssl_status copy_all(sqlite3 *from, sqlite3 *to, const char *copy)
{
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
    int code = backup ? sqlite3_backup_step(backup, -1) : SQLITE_ERROR;

    if (backup)
        sqlite3_backup_finish(backup);
    if (code == SQLITE_DONE)
        return AKSSL_OK;
    return ak_fail(code == SQLITE_FULL ? AKSSL_ERR_NO_SPACE : AKSSL_ERR_IO,
                   "database '%s' cannot be copied: %s", copy,
                   backup ? sqlite3_errstr(code) : sqlite3_errmsg(to));
}

akssl_status ak_store_snapshot(const char *path, const char *copy)
{
    sqlite3 *from = NULL, *to = NULL;
    akssl_status rc = AKSSL_OK;

    if (sqlite3_open_v2(path, &from, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        rc =
            ak_fail(AKSSL_ERR_IO, "database '%s' cannot be opened: %s", path, sqlite3_errmsg(from));
    else if (sqlite3_open_v2(copy, &to,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                             NULL) != SQLITE_OK)
        rc = ak_fail(AKSSL_ERR_IO, "database '%s' cannot be made: %s", copy, sqlite3_errmsg(to));
    if (rc == AKSSL_OK) {
        sqlite3_busy_timeout(from, BUSY_MS);
        rc = copy_all(from, to, copy);
    }
    if (rc == AKSSL_OK)
        rc = run(to, copy,
                 "UPDATE jobs SET run_id = '', outcome = 0, resize = 0, requeue = 0 "
                 "WHERE ended_ms = 0");
    sqlite3_close(to);
    sqlite3_close(from);
    return rc;
}

akssl_status ak_store_relocate(ak_store *store, const char *from, const char *to)
{
    char *sql = sqlite3_mprintf(
        "UPDATE jobs SET weights = replace(weights, %Q, %Q) WHERE instr(weights, %Q) = 1;"
        "UPDATE jobs SET spec = replace(spec, %Q, %Q) WHERE instr(spec, %Q)",
        from, to, from, from, to, from);
    akssl_status rc = run(store->db, store->path, sql);

    sqlite3_free(sql);
    return rc;
}

akssl_status ak_store_check(ak_store *store)
{
    sqlite3_stmt *statement = NULL;
    const char *answer = NULL;
    akssl_status rc = AKSSL_OK;

    if (sqlite3_prepare_v2(store->db, "PRAGMA quick_check(1)", -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        answer = (const char *)sqlite3_column_text(statement, 0);
    if (!answer || strcmp(answer, "ok") != 0)
        rc = ak_fail(AKSSL_ERR_CORRUPT, "database '%s' is damaged: %s", store->path,
                     answer ? answer : sqlite3_errmsg(store->db));
    sqlite3_finalize(statement);
    return rc;
}
