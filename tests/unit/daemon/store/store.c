// tests/unit/daemon/store/store.c -- tests daemon/store/.

#include <inttypes.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/store/sqlite.h"
#include "proto/base/error.h"
#include "tests/unit/daemon/folder.h"

static ak_store *open_store(const char *path)
{
    ak_store *store = NULL;

    ck_assert_msg(ak_store_open(&store, path) == 0, "%s", ak_error_text());
    return store;
}

static ak_job *make_job(const char *name)
{
    ak_str yaml = AK_STR_INIT;
    ak_spec spec;
    ak_job *job;

    ak_spec_init(&spec);
    ck_assert_int_eq(ak_spec_set(&spec, "name", name), 0);
    ck_assert_int_eq(ak_spec_set(&spec, "option", "temperature=0.5"), 0);
    ck_assert_int_eq(ak_spec_set(&spec, "priority", "3"), 0);
    ck_assert_int_eq(ak_spec_write_yaml(&spec, &yaml), 0);
    job = ak_job_new(&spec, yaml.text);
    ak_str_fini(&yaml);
    ak_spec_fini(&spec);
    return job;
}

static void fill(ak_job *job)
{
    Akssl__V1__Progress progress = AKSSL__V1__PROGRESS__INIT;
    Akssl__V1__Metric metric = AKSSL__V1__METRIC__INIT;
    Akssl__V1__Metric *metrics[] = { &metric };

    progress.has_step = 1;
    progress.step = 42;
    metric.name = (char *)"after.knn.top1";
    metric.has_value = 1;
    metric.value = 79.3;
    ck_assert_int_eq(ak_figures_merge(&job->figures, &progress, 1, metrics), 0);
    job->state = AK_JOB_RUNNING;
    ak_text_set(&job->reason, "because");
    ak_text_set(&job->run_id, "0123456789abcdef0123456789abcdef");
    ak_text_set(&job->weights, "/w");
    job->started_ms = 11;
    job->restarts = 2;
    job->restarts_since_commit = 1;
    job->committed_step = 40;
    job->ranks = 4;
    job->cancel = job->pause = true;
    job->outcome = AK_JOB_FAILED;
}

START_TEST(rows_survive_reopening)
{
    char *folder = folder_make();
    char *path = ak_path("%s/db", folder);
    ak_store *store = open_store(path);
    ak_job *job = make_job("one"), *found = NULL;

    ck_assert_int_eq(ak_store_insert(store, job), 0);
    ck_assert_int_eq(job->id, 1);
    fill(job);
    ck_assert_int_eq(ak_store_update(store, job), 0);
    ak_store_close(store);
    store = open_store(path);
    ck_assert_int_eq(ak_store_find(store, 1, &found), 0);
    ck_assert_int_eq(found->state, AK_JOB_RUNNING);
    ck_assert_str_eq(found->reason, "because");
    ck_assert_str_eq(found->run_id, job->run_id);
    ck_assert_str_eq(found->weights, "/w");
    ck_assert_str_eq(found->yaml, job->yaml);
    ck_assert_str_eq(found->spec.name, "one");
    ck_assert_str_eq(ak_spec_pair_find(&found->spec.option, "temperature"), "0.5");
    ck_assert(found->submitted_ms == job->submitted_ms && found->started_ms == 11 &&
              found->ended_ms == 0 && found->restarts == 2 && found->restarts_since_commit == 1 &&
              found->committed_step == 40 && found->ranks == 4 && found->cancel && found->pause &&
              found->outcome == AK_JOB_FAILED);
    ck_assert_int_eq(ak_figures_step(&found->figures), 42);
    ck_assert(found->figures.report->results[0]->value == 79.3);
    ak_job_free(found);
    ck_assert_int_eq(ak_store_find(store, 2, &found), AKSSL_ERR_NOT_FOUND);
    ck_assert_str_eq(ak_error_text(), "job 2: there is none; `akssl-client list` shows the jobs");
    ak_job_free(job);
    ak_store_close(store);
    free(path);
    folder_remove(folder);
}
END_TEST

START_TEST(rolled_back_is_not_there)
{
    char *folder = folder_make();
    char *path = ak_path("%s/db", folder);
    ak_store *store = open_store(path);
    ak_job *job = make_job("gone"), *found;

    ck_assert_int_eq(ak_store_begin(store), 0);
    ck_assert_int_eq(ak_store_insert(store, job), 0);
    ak_store_rollback(store);
    ck_assert_int_eq(ak_store_find(store, job->id, &found), AKSSL_ERR_NOT_FOUND);
    ck_assert_int_eq(ak_store_insert(store, job), 0);
    ck_assert_int_eq(ak_store_find(store, job->id, &found), 0);
    ak_job_free(found);
    ak_job_free(job);
    ak_store_close(store);
    free(path);
    folder_remove(folder);
}
END_TEST

static ak_commit make_commit(int64_t job, int64_t step)
{
    ak_commit commit = { .job = job, .step = step, .made_ms = 5 };

    ck_assert_int_eq(
        ak_commit_add_file(&commit, "model.safetensors", 10, "00000000000000000000000000000001"),
        0);
    ck_assert_int_eq(ak_commit_add_file(&commit, "optimizer.safetensors", 1ull << 40,
                                        "0000000000000000000000000000000f"),
                     0);
    commit.tensor_count = 1;
    snprintf(commit.tensors[0].name, sizeof commit.tensors[0].name, "moco.queue");
    commit.tensors[0].version = step;
    commit.tensors[0].filled = 7;
    commit.tensors[0].position = 3;
    return commit;
}

START_TEST(a_write_that_failed_is_doubtful_until_one_succeeds)
{
    char *folder = folder_make(), *path = ak_path("%s/akssld.db", folder);
    ak_store *store = open_store(path);
    ak_job *job = make_job("a");
    struct rlimit limit, none;

    ck_assert_int_eq(ak_store_insert(store, job), 0);
    ck_assert(!ak_store_is_doubtful(store));
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    none = limit;
    none.rlim_cur = 1;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
    fill(job);
    ck_assert_int_lt(ak_store_update(store, job), 0);
    ck_assert(ak_store_is_doubtful(store));
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_int_eq(ak_store_begin(store), 0);
    ck_assert_int_eq(ak_store_commit(store), 0);
    ck_assert(ak_store_is_doubtful(store)); // nothing was written over it
    ck_assert_int_eq(ak_store_update(store, job), 0);
    ck_assert(!ak_store_is_doubtful(store));
    ak_job_free(job);
    ak_store_close(store);
    free(path);
    folder_remove(folder);
}
END_TEST

START_TEST(commits_are_kept_and_pruned)
{
    char *folder = folder_make();
    char *path = ak_path("%s/db", folder);
    ak_store *store = open_store(path);
    ak_job *job = make_job("c");
    ak_commit commit, found;
    int64_t *steps;
    int count;

    ck_assert_int_eq(ak_store_insert(store, job), 0);
    ck_assert_int_eq(ak_store_find_commit(store, 1, &found), AKSSL_ERR_NOT_FOUND);
    for (int64_t step = 10; step <= 50; step += 10) {
        commit = make_commit(1, step);
        ck_assert_int_eq(ak_store_add_commit(store, &commit), 0);
    }
    ck_assert_int_lt(ak_store_add_commit(store, &commit), 0); // twice
    commit = make_commit(9, 1);
    ck_assert_int_lt(ak_store_add_commit(store, &commit), 0); // no such job
    ck_assert_int_eq(ak_store_prune(store, 1, 2), 0);
    ck_assert_int_eq(ak_store_commit_steps(store, 1, &steps, &count), 0);
    ck_assert(count == 2 && steps[0] == 50 && steps[1] == 40);
    free(steps);
    ak_store_close(store);
    store = open_store(path);
    ck_assert_int_eq(ak_store_find_commit(store, 1, &found), 0);
    ck_assert(found.step == 50 && found.file_count == 2 && found.tensor_count == 1);
    ck_assert_str_eq(found.files[1].name, "optimizer.safetensors");
    ck_assert(found.files[1].size == 1ull << 40);
    ck_assert_str_eq(found.files[1].digest, "0000000000000000000000000000000f");
    ck_assert_str_eq(found.tensors[0].name, "moco.queue");
    ck_assert(found.tensors[0].version == 50 && found.tensors[0].filled == 7);
    ak_job_free(job);
    ak_store_close(store);
    free(path);
    folder_remove(folder);
}
END_TEST

static void execute(const char *path, const char *sql)
{
    sqlite3 *db;

    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

START_TEST(an_old_version_is_brought_up_to_date)
{
    char *folder = folder_make();
    char *path = ak_path("%s/db", folder);
    char *backup = ak_path("%s.v1.backup", path);
    ak_store *store;
    ak_job *found;
    ak_commit commit;
    struct stat st;

    execute(path, ak_store_step_sql(1));
    execute(path, "PRAGMA user_version = 1; PRAGMA application_id = 1634431859;"
                  "INSERT INTO jobs VALUES (5, 1, 'r', 1, 0, 0, 0, 0, -1, 0, '', 0, 0, '', NULL,"
                  " 'seed: 3', 'pretrain', 'old', 'simclr', 'resnet18', 'd', 0)");
    store = open_store(path);
    ck_assert_int_eq(ak_store_find(store, 5, &found), 0);
    ck_assert_int_eq(found->spec.seed, 3);
    ck_assert(!found->pause);                                         // a column of version 3
    ck_assert(!found->held && !found->requeue && !found->elapsed_ms); // of 6
    ck_assert_str_eq(found->spec.on_collapse, "warn"); // a key that specs did not have
    ck_assert(found->spec.topk == 5 && found->spec.weight_decay_end == -1);
    found->pause = true;
    ck_assert_int_eq(ak_store_update(store, found), 0);
    ak_job_free(found);
    commit = make_commit(5, 1); // has a tensor: a table of version 2
    ck_assert_int_eq(ak_store_add_commit(store, &commit), 0);
    ak_store_close(store);
    ck_assert_int_eq(stat(backup, &st), 0);
    execute(backup, "SELECT reason FROM jobs WHERE id = 5"); // is a database, of version 1
    store = open_store(path);                                // once more changes nothing
    ck_assert_int_eq(ak_store_find_commit(store, 5, &commit), 0);
    ak_store_close(store);
    free(backup);
    free(path);
    folder_remove(folder);
}
END_TEST

START_TEST(every_older_version_is_brought_up_to_date)
{
    for (int version = 1; version < ak_store_versions(); version++) {
        char *folder = folder_make(), *path = ak_path("%s/db", folder);
        char *pragma =
            ak_path("PRAGMA user_version = %d; PRAGMA application_id = 1634431859", version);
        ak_store *store;
        ak_job *found;

        for (int i = 1; i <= version; i++)
            execute(path, ak_store_step_sql(i));
        execute(path, pragma);
        execute(path, "INSERT INTO jobs (id, state, reason, submitted_ms, started_ms, ended_ms, "
                      "restarts, restarts_since_commit, committed_step, ranks, run_id, cancel, "
                      "outcome, weights, spec, kind, name, method, backbone, dataset, priority) "
                      "VALUES (5, 1, 'r', 1, 0, 0, 0, 0, -1, 0, '', 0, 0, '', 'seed: 3', "
                      "'pretrain', 'old', 'simclr', 'resnet18', 'd', 0)");
        store = open_store(path);
        ck_assert_int_eq(ak_store_find(store, 5, &found), 0);
        ck_assert(found->spec.seed == 3 && found->state == AK_JOB_QUEUED && !found->held);
        ck_assert_int_eq(ak_store_update(store, found), 0);
        ak_job_free(found);
        ak_store_close(store);
        free(pragma);
        free(path);
        folder_remove(folder);
    }
}
END_TEST

START_TEST(others_are_refused)
{
    char *folder = folder_make();
    char *newer = ak_path("%s/newer", folder), *foreign = ak_path("%s/foreign", folder);
    char *noise = ak_path("%s/noise", folder);
    ak_store *store = NULL;

    ak_store_close(open_store(newer));
    execute(newer, "PRAGMA user_version = 99");
    ck_assert_int_eq(ak_store_open(&store, newer), AKSSL_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(ak_error_text(), "has version 99"));
    execute(newer, "PRAGMA user_version = -3");
    ck_assert_int_eq(ak_store_open(&store, newer), AKSSL_ERR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(ak_error_text(), "has version -3"));
    execute(foreign, "CREATE TABLE t (x)");
    ck_assert_int_eq(ak_store_open(&store, foreign), AKSSL_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(ak_error_text(), "is not akssld's"));
    ck_assert_int_eq(ak_files_write(noise, "this is no database, not at all, by no means", 44), 0);
    ck_assert_int_eq(ak_store_open(&store, noise), AKSSL_ERR_CORRUPT);
    ck_assert_ptr_null(store);
    free(noise);
    free(newer);
    free(foreign);
    folder_remove(folder);
}
END_TEST

typedef struct seen {
    int64_t last;
    int count, limit;
} seen;

static bool see(void *ctx, const ak_job *job)
{
    seen *s = ctx;

    ck_assert(!s->last || job->id < s->last);
    ck_assert_str_eq(job->spec.name, "many");
    ck_assert_int_eq(job->spec.priority, 3);
    s->last = job->id;
    return ++s->count != s->limit;
}

static void take(void *ctx, ak_job *job)
{
    int *count = ctx;

    ++*count;
    ak_job_free(job);
}

START_TEST(ten_thousand_rows)
{
    char *folder = folder_make();
    char *path = ak_path("%s/db", folder);
    ak_store *store = open_store(path);
    ak_job *job = make_job("many");
    int active = 0, skipped;
    seen s;

    ck_assert_int_eq(ak_store_begin(store), 0);
    for (int i = 0; i < 10000; i++) {
        job->state = i % 100 ? AK_JOB_SUCCEEDED : AK_JOB_QUEUED;
        job->ended_ms = i % 100 ? 9 : 0;
        ck_assert_int_eq(ak_store_insert(store, job), 0);
    }
    ck_assert_int_eq(ak_store_commit(store), 0);
    s = (seen){ .limit = -1 };
    ck_assert_int_eq(ak_store_list(store, &(ak_filter){ .limit = 100000 }, see, &s), 0);
    ck_assert_int_eq(s.count, 10000);
    s = (seen){ .limit = -1 };
    ck_assert_int_eq(
        ak_store_list(store, &(ak_filter){ .states = 1u << AK_JOB_QUEUED, .limit = 30 }, see, &s),
        0);
    ck_assert_int_eq(s.count, 30);
    s = (seen){ .limit = 5 };
    ck_assert_int_eq(ak_store_list(store, &(ak_filter){ .limit = 1000 }, see, &s), 0);
    ck_assert_int_eq(s.count, 5);
    ck_assert_int_eq(ak_store_active(store, take, &active, &skipped), 0);
    ck_assert(active == 100 && skipped == 0);
    ak_job_free(job);
    ak_store_close(store);
    free(path);
    folder_remove(folder);
}
END_TEST

START_TEST(a_damaged_row_hides_no_other)
{
    char *folder = folder_make();
    char *path = ak_path("%s/db", folder);
    ak_store *store = open_store(path);
    ak_job *job = make_job("many"), *found;
    int active = 0, skipped = 0;
    seen s = { .limit = -1 };

    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(ak_store_insert(store, job), 0);
    execute(path, "UPDATE jobs SET spec = '[', figures = x'ff' WHERE id = 2");
    ck_assert_int_eq(ak_store_find(store, 2, &found), AKSSL_ERR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(ak_error_text(), "job 2"));
    ck_assert_int_eq(ak_store_active(store, take, &active, &skipped), 0);
    ck_assert(active == 2 && skipped == 1);
    ck_assert_int_eq(ak_store_list(store, &(ak_filter){ .limit = 10 }, see, &s), 0);
    ck_assert_int_eq(s.count, 2);
    ak_job_free(job);
    ak_store_close(store);
    free(path);
    folder_remove(folder);
}
END_TEST

// Values that the schema lets in, and that would overflow, or name files elsewhere.
START_TEST(values_that_cannot_be_are_refused)
{
    static const char *const sets[] = {
        "ranks = -1",
        "ranks = 9223372036854775807",
        "asked_ranks = -2",
        "asked_ranks = 1000000",
        "ended_ms = -9223372036854775808",
        "committed_step = -2",
        "committed_step = 9223372036854775807",
        "restarts = -1",
        "outcome = 99",
        "state = 0",
        "run_id = '../../../../tmp/x'",
        "run_id = '0123456789ABCDEF0123456789abcdef'",
    };
    char *folder = folder_make();
    char *path = ak_path("%s/db", folder);
    ak_store *store = open_store(path);
    ak_job *job = make_job("odd"), *found;

    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        char *sql;

        ck_assert_int_eq(ak_store_insert(store, job), 0);
        sql = ak_path("UPDATE jobs SET %s WHERE id = %" PRId64, sets[i], job->id);
        execute(path, sql);
        free(sql);
        ck_assert_msg(ak_store_find(store, job->id, &found) == AKSSL_ERR_CORRUPT, "%s", sets[i]);
    }
    ak_job_free(job);
    ak_store_close(store);
    free(path);
    folder_remove(folder);
}
END_TEST

AK_TEST_MAIN(AK_CASE(rows_survive_reopening), AK_CASE(rolled_back_is_not_there),
             AK_CASE(a_write_that_failed_is_doubtful_until_one_succeeds),
             AK_CASE(commits_are_kept_and_pruned), AK_CASE(an_old_version_is_brought_up_to_date),
             AK_CASE(every_older_version_is_brought_up_to_date), AK_CASE(others_are_refused),
             AK_CASE(ten_thousand_rows), AK_CASE(a_damaged_row_hides_no_other),
             AK_CASE(values_that_cannot_be_are_refused))
