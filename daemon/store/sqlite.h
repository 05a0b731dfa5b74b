// daemon/store/sqlite.h -- what the files of this folder share; nobody else includes it.

#ifndef AK_DAEMON_STORE_SQLITE_H
#define AK_DAEMON_STORE_SQLITE_H

#include <sqlite3.h>

#include "daemon/store/store.h"

typedef enum ak_query {
    AK_QUERY_INSERT,
    AK_QUERY_UPDATE,
    AK_QUERY_UPDATE_SPEC,
    AK_QUERY_STATE,
    AK_QUERY_FIND,
    AK_QUERY_ACTIVE,
    AK_QUERY_LIST,
    AK_QUERY_USAGE,
    AK_QUERY_USAGE_CLEAR,
    AK_QUERY_USAGE_ADD,
    AK_QUERY_LATELY,
    AK_QUERY_ENDED,
    AK_QUERY_ADD_COMMIT,
    AK_QUERY_ADD_FILE,
    AK_QUERY_ADD_TENSOR,
    AK_QUERY_NEWEST,
    AK_QUERY_COMMIT,
    AK_QUERY_FILES,
    AK_QUERY_TENSORS,
    AK_QUERY_STEPS,
    AK_QUERY_PRUNE,
    AK_QUERY_FORGET,
    AK_QUERY_ADD_TOKEN,
    AK_QUERY_FIND_TOKEN,
    AK_QUERY_TOKENS,
    AK_QUERY_REVOKE_TOKEN,
    AK_QUERY_COUNT
} ak_query;

struct ak_store {
    sqlite3 *db;
    char *path;
    sqlite3_stmt *queries[AK_QUERY_COUNT]; // prepared when first used
    bool doubtful;                         // ak_store_is_doubtful
    int changes;                           // that there had been by then
};

// ak_store_fail makes a failure of what SQLite says last.
akssl_status ak_store_fail(ak_store *store, const char *doing);

// ak_store_query gives a statement, reset and without bindings; NULL, with a sentence, on failure.
sqlite3_stmt *ak_store_query(ak_store *store, ak_query query);

// ak_store_run steps a statement that returns no rows, and resets it.
akssl_status ak_store_run(ak_store *store, sqlite3_stmt *statement,
                          const char *doing) AKSSL_MUST_CHECK;

// ak_store_migrate brings the database up to date; see ak_store_open.
akssl_status ak_store_migrate(ak_store *store) AKSSL_MUST_CHECK;

// ak_store_versions is the version of a database that is up to date; ak_store_step_sql is what
// leads from version - 1 to version.
int ak_store_versions(void);
const char *ak_store_step_sql(int version);

#endif
