// daemon/store/migrate.c -- the schema, as the steps that led to it.
//
// A step is never changed once it was released: a new one is added below.  user_version counts the
// steps that a database has had; application_id says that it is ours.

#include "daemon/store/sqlite.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/files.h"
#include "proto/base/error.h"

enum { APPLICATION_ID = 0x616b7373 }; // "akss"

static const char *const steps[] = {
    // 1: jobs and their commits
    "CREATE TABLE jobs ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  state INTEGER NOT NULL," // ak_job_state
    "  reason TEXT NOT NULL,"
    "  submitted_ms INTEGER NOT NULL,"
    "  started_ms INTEGER NOT NULL,"
    "  ended_ms INTEGER NOT NULL," // 0: has not ended
    "  restarts INTEGER NOT NULL,"
    "  restarts_since_commit INTEGER NOT NULL,"
    "  committed_step INTEGER NOT NULL," // -1: none
    "  ranks INTEGER NOT NULL,"
    "  run_id TEXT NOT NULL,"
    "  cancel INTEGER NOT NULL,"
    "  outcome INTEGER NOT NULL,"
    "  weights TEXT NOT NULL,"
    "  figures BLOB,"       // packed akssl.v1.ReportRequest
    "  spec TEXT NOT NULL," // YAML; the next six are its own, for lists
    "  kind TEXT NOT NULL, name TEXT NOT NULL, method TEXT NOT NULL, backbone TEXT NOT NULL,"
    "  dataset TEXT NOT NULL, priority INTEGER NOT NULL);"
    "CREATE TABLE commits ("
    "  job INTEGER NOT NULL REFERENCES jobs(id) ON DELETE CASCADE,"
    "  step INTEGER NOT NULL, made_ms INTEGER NOT NULL, PRIMARY KEY (job, step));"
    "CREATE TABLE commit_files ("
    "  job INTEGER NOT NULL, step INTEGER NOT NULL, name TEXT NOT NULL,"
    "  size INTEGER NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (job, step, name),"
    "  FOREIGN KEY (job, step) REFERENCES commits(job, step) ON DELETE CASCADE);",
    // 2: what state a commit holds; the jobs that a start has to find
    "CREATE TABLE commit_tensors ("
    "  job INTEGER NOT NULL, step INTEGER NOT NULL, name TEXT NOT NULL,"
    "  version INTEGER NOT NULL, filled INTEGER NOT NULL, position INTEGER NOT NULL,"
    "  PRIMARY KEY (job, step, name),"
    "  FOREIGN KEY (job, step) REFERENCES commits(job, step) ON DELETE CASCADE);"
    "CREATE INDEX jobs_active ON jobs(id) WHERE ended_ms = 0;",
    // 3: that a job is to be paused
    "ALTER TABLE jobs ADD COLUMN pause INTEGER NOT NULL DEFAULT 0;",
    // 4: the ranks that a resize asked for (-1: the spec's), and that its run is to stop for them
    ("ALTER TABLE jobs ADD COLUMN asked_ranks INTEGER NOT NULL DEFAULT -1;"
     "ALTER TABLE jobs ADD COLUMN resize INTEGER NOT NULL DEFAULT 0;"),
    // 5: whose a job is ('': nobody's, from before), and the tokens that people show
    ("ALTER TABLE jobs ADD COLUMN owner TEXT NOT NULL DEFAULT '';"
     "CREATE TABLE tokens ("
     "  id INTEGER PRIMARY KEY AUTOINCREMENT, user TEXT NOT NULL, access TEXT NOT NULL,"
     "  hash BLOB NOT NULL UNIQUE," // SHA-256
     "  created_ms INTEGER NOT NULL,"
     "  expires_ms INTEGER NOT NULL,"              // 0: never
     "  revoked_ms INTEGER NOT NULL DEFAULT 0);"), // 0: it was not
    // 6: that a job is held or to be queued again, how long it has run; what each
    // person has used; what lists are asked for, without the rows
    ("ALTER TABLE jobs ADD COLUMN held INTEGER NOT NULL DEFAULT 0;"
     "ALTER TABLE jobs ADD COLUMN requeue INTEGER NOT NULL DEFAULT 0;"
     "ALTER TABLE jobs ADD COLUMN elapsed_ms INTEGER NOT NULL DEFAULT 0;"
     "CREATE TABLE usage (user TEXT PRIMARY KEY, core_s REAL NOT NULL, at_ms INTEGER NOT NULL);"
     "CREATE INDEX jobs_list ON jobs(id, state, owner, name);"),
};

enum { VERSIONS = sizeof steps / sizeof *steps };

int ak_store_versions(void)
{
    return VERSIONS;
}

const char *ak_store_step_sql(int version)
{
    return steps[version - 1];
}

static akssl_status ask(ak_store *store, const char *sql, int64_t *value)
{
    sqlite3_stmt *statement = NULL;
    akssl_status rc = AKSSL_OK;

    if (sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL) != SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_ROW)
        rc = ak_store_fail(store, "cannot be read");
    else
        *value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return rc;
}

static akssl_status execute(ak_store *store, const char *sql, const char *doing)
{
    if (sqlite3_exec(store->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return ak_store_fail(store, doing);
    return AKSSL_OK;
}

// A backup gets its name when all of it is on the disk: SQLite does not flush what VACUUM makes.
static akssl_status back_up(ak_store *store, int64_t version)
{
    char *copy = ak_path("%s.v%d.backup", store->path, (int)version);
    char *draft = ak_path("%s.tmp", copy);
    char *sql = sqlite3_mprintf("VACUUM INTO %Q", draft);
    akssl_status rc = ak_files_remove(draft); // of an upgrade that was cut off

    if (rc == AKSSL_OK)
        rc = execute(store, sql, "it cannot be copied");
    if (rc == AKSSL_OK)
        rc = ak_files_settle(draft, copy);
    if (rc < 0) {
        unlink(draft);
        rc = ak_fail(rc,
                     "database '%s' is left as it is, of version %d, since it cannot be backed up "
                     "to '%s': %s: put that right and start akssld again",
                     store->path, (int)version, copy, ak_error_text());
    }
    sqlite3_free(sql);
    free(draft);
    free(copy);
    return rc;
}

static akssl_status take_steps(ak_store *store, int64_t version)
{
    char pragmas[96];
    akssl_status rc = AKSSL_OK;

    snprintf(pragmas, sizeof pragmas, "PRAGMA user_version = %d; PRAGMA application_id = %d",
             VERSIONS, APPLICATION_ID);
    while (rc == AKSSL_OK && version < VERSIONS)
        rc = execute(store, steps[version++], "upgrade");
    return rc < 0 ? rc : execute(store, pragmas, "upgrade");
}

// All steps are one transaction: what cuts them off leaves a database that the akssld of before
// can still use.
static akssl_status upgrade(ak_store *store, int64_t version)
{
    akssl_status rc = ak_store_begin(store);

    if (rc == AKSSL_OK) {
        rc = take_steps(store, version);
        if (rc == AKSSL_OK)
            rc = ak_store_commit(store);
        else
            ak_store_rollback(store);
    }
    if (rc < 0 && version > 0)
        rc = ak_fail(
            rc, "%s: it is left as it is, of version %d: put that right and start akssld again",
            ak_error_text(), (int)version);
    return rc;
}

static akssl_status check(ak_store *store, int64_t *version)
{
    int64_t application = 0, tables = 0;
    akssl_status rc;

    rc = ask(store, "PRAGMA user_version", version);
    if (rc == AKSSL_OK)
        rc = ask(store, "PRAGMA application_id", &application);
    if (rc == AKSSL_OK)
        rc = ask(store, "SELECT count(*) FROM sqlite_schema", &tables);
    if (rc < 0)
        return rc;
    if (tables && application != APPLICATION_ID)
        return ak_fail(AKSSL_ERR_UNSUPPORTED,
                       "database '%s' is not akssld's: give another --state-dir", store->path);
    if (*version < 0)
        return ak_fail(AKSSL_ERR_CORRUPT,
                       "database '%s' is damaged: it says that it has version %d", store->path,
                       (int)*version);
    if (*version > VERSIONS)
        return ak_fail(AKSSL_ERR_UNSUPPORTED,
                       "database '%s' has version %d, and this akssld knows up to %d: run the "
                       "newer akssld that made it",
                       store->path, (int)*version, VERSIONS);
    return AKSSL_OK;
}

akssl_status ak_store_migrate(ak_store *store)
{
    int64_t version = 0;
    akssl_status rc;

    rc = check(store, &version);
    if (rc == AKSSL_OK && version > 0 && version < VERSIONS)
        rc = back_up(store, version);
    if (rc == AKSSL_OK)
        rc = execute(store,
                     "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; "
                     "PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = 256",
                     "cannot be set up");
    if (rc == AKSSL_OK && version < VERSIONS)
        rc = upgrade(store, version);
    return rc;
}
