// tests/fuzz/database.c -- any bytes as the daemon's database: opened, read and written to.

#include <math.h>

#include "daemon/store/store.h"
#include "proto/base/error.h"
#include "tests/fuzz/fuzz.h"

static void take(void *ctx, ak_job *job)
{
    (void)ctx;
    ak_job_free(job);
}

static bool see(void *ctx, const ak_job *job)
{
    (void)job;
    return ++*(int *)ctx < 100;
}

static void see_token(void *ctx, const ak_token *token)
{
    FUZZ_CHECK(ak_access_text(token->access)[0] && ak_token_check_user(token->user) == AKSSL_OK);
    ++*(int *)ctx;
}

static void use_tokens(ak_store *store)
{
    ak_token token = { .user = "alice", .access = AK_ACCESS_READ, .hash = { 7 } };
    int count = 0;

    (void)!ak_store_tokens(store, see_token, &count);
    (void)!ak_store_add_token(store, &token);
    (void)!ak_store_find_token(store, token.hash, &token);
    (void)!ak_store_revoke_token(store, 1, 9);
}

static void use_usage(ak_store *store)
{
    ak_usage usage = { 0 };

    (void)!ak_store_read_lately(store, &usage);
    if (ak_store_read_usage(store, &usage) == AKSSL_OK) {
        for (size_t i = 0; i < usage.count; i++)
            FUZZ_CHECK(isfinite(usage.rows[i].core_s) && usage.rows[i].core_s >= 0);
        ak_usage_add(&usage, "alice", 1);
        (void)!ak_store_write_usage(store, &usage, 1795886484317);
    }
    ak_usage_fini(&usage);
}

static void use(ak_store *store)
{
    ak_commit commit = { .job = 1, .step = 9 };
    int64_t *steps = NULL;
    int count = 0, skipped;
    ak_job *job;

    (void)!ak_store_active(store, take, NULL, &skipped);
    (void)!ak_store_list(store, &(ak_filter){ .limit = 100 }, see, &count);
    use_tokens(store);
    use_usage(store);
    for (int64_t id = 1; id < 4; id++) {
        if (ak_store_find(store, id, &job) == AKSSL_OK) {
            ak_text_set(&job->reason, "changed");
            (void)!ak_store_update(store, job);
            if (ak_store_insert(store, job) == AKSSL_OK)
                FUZZ_CHECK(job->id != 0);
            ak_job_free(job);
        }
        if (ak_store_find_commit(store, id, &commit) == AKSSL_OK) {
            commit.step = commit.step < INT64_MAX ? commit.step + 1 : 0;
            (void)!ak_store_add_commit(store, &commit);
        }
        if (ak_store_commit_steps(store, id, &steps, &count) == AKSSL_OK)
            free(steps);
        (void)!ak_store_prune(store, id, 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[300];
    ak_store *store;

    snprintf(path, sizeof path, "%s/akssld.db", fuzz_folder());
    fuzz_empty(fuzz_folder());
    fuzz_write(path, data, size);
    if (ak_store_open(&store, path) < 0) {
        FUZZ_CHECK(ak_error_text()[0]);
        return 0;
    }
    use(store);
    ak_store_close(store);
    return 0;
}
