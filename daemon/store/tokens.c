// daemon/store/tokens.c -- tokens as rows: of a token the hash alone.

#include "daemon/store/sqlite.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/error.h"

enum { ID, USER, ACCESS, HASH, CREATED, EXPIRES, REVOKED }; // as in TOKEN of sqlite.c

static akssl_status read_token(ak_store *store, sqlite3_stmt *s, ak_token *token)
{
    const char *user = (const char *)sqlite3_column_text(s, USER);
    const void *hash = sqlite3_column_blob(s, HASH);

    *token =
        (ak_token){ .id = sqlite3_column_int64(s, ID),
                    .access = ak_access_parse((const char *)sqlite3_column_text(s, ACCESS)
                                                  ? (const char *)sqlite3_column_text(s, ACCESS)
                                                  : ""),
                    .created_ms = sqlite3_column_int64(s, CREATED),
                    .expires_ms = sqlite3_column_int64(s, EXPIRES),
                    .revoked_ms = sqlite3_column_int64(s, REVOKED) };
    if (!token->access || !user || ak_token_check_user(user) < 0 || !hash ||
        sqlite3_column_bytes(s, HASH) != AK_TOKEN_HASH)
        return ak_fail(AKSSL_ERR_CORRUPT, "database '%s': token %" PRId64 " is damaged: revoke it",
                       store->path, token->id);
    snprintf(token->user, sizeof token->user, "%s", user);
    memcpy(token->hash, hash, AK_TOKEN_HASH);
    return AKSSL_OK;
}

akssl_status ak_store_add_token(ak_store *store, ak_token *token)
{
    sqlite3_stmt *s = ak_store_query(store, AK_QUERY_ADD_TOKEN);
    akssl_status rc;

    if (!s)
        return AKSSL_ERR_IO;
    sqlite3_bind_text(s, USER, token->user, -1, SQLITE_TRANSIENT);
    sqlite3_bind_text(s, ACCESS, ak_access_text(token->access), -1, SQLITE_STATIC);
    sqlite3_bind_blob(s, HASH, token->hash, AK_TOKEN_HASH, SQLITE_TRANSIENT);
    sqlite3_bind_int64(s, CREATED, token->created_ms);
    sqlite3_bind_int64(s, EXPIRES, token->expires_ms);
    rc = ak_store_run(store, s, "a token cannot be stored");
    if (rc == AKSSL_OK)
        token->id = sqlite3_last_insert_rowid(store->db);
    return rc;
}

akssl_status ak_store_find_token(ak_store *store, const unsigned char hash[AK_TOKEN_HASH],
                                 ak_token *token)
{
    sqlite3_stmt *s = ak_store_query(store, AK_QUERY_FIND_TOKEN);
    akssl_status rc;

    if (!s)
        return AKSSL_ERR_IO;
    sqlite3_bind_blob(s, 1, hash, AK_TOKEN_HASH, SQLITE_TRANSIENT);
    switch (sqlite3_step(s)) {
    case SQLITE_ROW:
        rc = read_token(store, s, token);
        break;
    case SQLITE_DONE:
        rc = ak_fail(AKSSL_ERR_NOT_FOUND, "there is no such token");
        break;
    default:
        rc = ak_store_fail(store, "a token cannot be read");
    }
    sqlite3_reset(s);
    return rc;
}

akssl_status ak_store_tokens(ak_store *store, void (*see)(void *ctx, const ak_token *token),
                             void *ctx)
{
    sqlite3_stmt *s = ak_store_query(store, AK_QUERY_TOKENS);
    akssl_status rc = AKSSL_OK;
    int step;

    if (!s)
        return AKSSL_ERR_IO;
    while ((step = sqlite3_step(s)) == SQLITE_ROW) {
        ak_token token;

        if (read_token(store, s, &token) == AKSSL_OK)
            see(ctx, &token);
    }
    if (step != SQLITE_DONE)
        rc = ak_store_fail(store, "tokens cannot be read");
    sqlite3_reset(s);
    return rc;
}

akssl_status ak_store_revoke_token(ak_store *store, int64_t id, int64_t now_ms)
{
    sqlite3_stmt *s = ak_store_query(store, AK_QUERY_REVOKE_TOKEN);
    akssl_status rc;

    if (!s)
        return AKSSL_ERR_IO;
    sqlite3_bind_int64(s, 1, id);
    sqlite3_bind_int64(s, 2, now_ms);
    rc = ak_store_run(store, s, "a token cannot be revoked");
    if (rc == AKSSL_OK && sqlite3_changes(store->db) == 0)
        rc = ak_fail(AKSSL_ERR_NOT_FOUND,
                     "token %" PRId64 ": there is none; `akssl-client token list` shows them", id);
    return rc;
}
