// daemon/store/usage.c -- what each person has used, as rows.

#include "daemon/store/sqlite.h"

static const double TOO_MUCH = 1e15; // core-seconds that nobody has used, and whose sum is finite

akssl_status ak_store_read_usage(ak_store *store, ak_usage *usage)
{
    sqlite3_stmt *s = ak_store_query(store, AK_QUERY_USAGE);
    akssl_status rc = AKSSL_OK;
    int step;

    if (!s)
        return AKSSL_ERR_IO;
    while ((step = sqlite3_step(s)) == SQLITE_ROW) {
        const char *user = (const char *)sqlite3_column_text(s, 0);
        double core_s = sqlite3_column_double(s, 1);

        if (user && core_s > 0 && core_s < TOO_MUCH)
            ak_usage_add(usage, user, core_s);
    }
    if (step != SQLITE_DONE)
        rc = ak_store_fail(store, "what people have used cannot be read");
    sqlite3_reset(s);
    return rc;
}

akssl_status ak_store_read_lately(ak_store *store, ak_usage *usage)
{
    sqlite3_stmt *s = ak_store_query(store, AK_QUERY_LATELY);
    int64_t times[AK_USAGE_LATELY];
    akssl_status rc = AKSSL_OK;
    int step, count = 0;

    if (!s)
        return AKSSL_ERR_IO;
    sqlite3_bind_int(s, 1, AK_USAGE_LATELY);
    while ((step = sqlite3_step(s)) == SQLITE_ROW && count < AK_USAGE_LATELY)
        times[count++] = sqlite3_column_int64(s, 0);
    if (step != SQLITE_DONE)
        rc = ak_store_fail(store, "how long jobs take cannot be read");
    sqlite3_reset(s);
    while (rc == AKSSL_OK && count-- > 0) // the newest last
        ak_usage_end(usage, times[count]);
    return rc;
}

static akssl_status write_rows(ak_store *store, const ak_usage *usage, int64_t now_ms)
{
    sqlite3_stmt *s = ak_store_query(store, AK_QUERY_USAGE_CLEAR);
    akssl_status rc =
        s ? ak_store_run(store, s, "what people have used cannot be stored") : AKSSL_ERR_IO;

    for (size_t i = 0; i < usage->count && rc == AKSSL_OK; i++) {
        if (usage->rows[i].core_s <= 0)
            continue;
        s = ak_store_query(store, AK_QUERY_USAGE_ADD);
        if (!s)
            return AKSSL_ERR_IO;
        sqlite3_bind_text(s, 1, usage->rows[i].user, -1, SQLITE_TRANSIENT);
        sqlite3_bind_double(s, 2, usage->rows[i].core_s);
        sqlite3_bind_int64(s, 3, now_ms);
        rc = ak_store_run(store, s, "what people have used cannot be stored");
    }
    return rc;
}

akssl_status ak_store_write_usage(ak_store *store, const ak_usage *usage, int64_t now_ms)
{
    akssl_status rc = ak_store_begin(store);

    if (rc < 0)
        return rc;
    rc = write_rows(store, usage, now_ms);
    if (rc == AKSSL_OK)
        return ak_store_commit(store);
    ak_store_rollback(store);
    return rc;
}
