// daemon/store/snapshot.c -- a copy of the database for a backup, and what a restore changes in it.

#include "daemon/store/snapshot.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/store/sqlite.h"
#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "proto/base/str.h"

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

// begins_path says whether a path may begin at `at` of text: what is before it belongs to none.
static bool begins_path(const char *text, const char *at)
{
    return at == text || (!isalnum((unsigned char)at[-1]) && !strchr("/._-~+@%", at[-1]) &&
                          (unsigned char)at[-1] < 128);
}

// relocated(text, from, to) is text with each path that begins with `from` beginning with `to`.
static void relocated(sqlite3_context *context, int count, sqlite3_value **values)
{
    const char *text = (const char *)sqlite3_value_text(values[0]);
    const char *from = (const char *)sqlite3_value_text(values[1]);
    const char *to = (const char *)sqlite3_value_text(values[2]);
    ak_str out = AK_STR_INIT;

    (void)count;
    if (!text || !from || !to)
        return; // NULL stays NULL
    for (const char *at = text, *next; *at; at = next) {
        bool here = strncmp(at, from, strlen(from)) == 0 && begins_path(text, at);

        next = at + (here ? strlen(from) : 1);
        ak_str_format(&out, "%.*s", here ? (int)strlen(to) : 1, here ? to : at);
    }
    sqlite3_result_text(context, out.length ? out.text : "", -1, SQLITE_TRANSIENT);
    ak_str_fini(&out);
}

akssl_status ak_store_relocate(ak_store *store, const char *from, const char *to)
{
    char *sql = sqlite3_mprintf("UPDATE jobs SET weights = relocated(weights, %Q, %Q), "
                                "spec = relocated(spec, %Q, %Q)",
                                from, to, from, to);
    akssl_status rc;

    if (sqlite3_create_function(store->db, "relocated", 3, SQLITE_UTF8, NULL, relocated, NULL,
                                NULL) == SQLITE_OK)
        rc = run(store->db, store->path, sql);
    else
        rc = ak_store_fail(store, "relocate");
    sqlite3_free(sql);
    return rc;
}

akssl_status ak_store_settle(ak_store *store)
{
    int frames = 0, done = 0;

    if (sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, &frames, &done) !=
        SQLITE_OK)
        return ak_store_fail(store, "settle");
    return AKSSL_OK;
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
