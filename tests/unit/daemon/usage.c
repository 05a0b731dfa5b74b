// tests/unit/daemon/usage.c -- tests daemon/usage.c and daemon/store/usage.c.

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/files.h"
#include "daemon/launcher/follow.h"
#include "daemon/meter.h"
#include "daemon/store/store.h"
#include "proto/base/alloc.h"
#include "tests/check.h"
#include "tests/unit/daemon/folder.h"

static double of(ak_usage *u, const char *user)
{
    return u->rows[ak_usage_find(u, user)].core_s;
}

START_TEST(it_adds_and_fades)
{
    ak_usage u = { 0 };

    ak_usage_add(&u, "bo", 100);
    ak_usage_add(&u, "al", 40);
    ak_usage_add(&u, "bo", 100);
    ck_assert_str_eq(u.rows[0].user, "al");
    ak_usage_fade(&u, 60, 60);
    ck_assert_double_eq_tol(of(&u, "bo"), 100, 1e-9);
    ck_assert_double_eq_tol(of(&u, "al"), 20, 1e-9);
    ak_usage_fade(&u, 60 * 100, 60);
    ck_assert(of(&u, "bo") == 0);
    ak_usage_fini(&u);
}
END_TEST

START_TEST(it_knows_what_jobs_take_lately)
{
    ak_usage u = { 0 };

    ak_usage_end(&u, 0); // cancelled before it ran
    ck_assert_int_eq(u.ended, 0);
    ak_usage_end(&u, 1000);
    ck_assert_int_eq(u.job_ms, 1000);
    ak_usage_end(&u, 3000);
    ck_assert_int_eq(u.job_ms, 2000);
    for (int i = 0; i < 100; i++)
        ak_usage_end(&u, 3600000);
    ck_assert(u.job_ms > 3500000 && u.job_ms <= 3600000);
    ck_assert_int_eq(u.ended, AK_USAGE_LATELY);
}
END_TEST

START_TEST(there_is_a_bound)
{
    ak_usage u = { 0 };
    char name[16];

    for (int i = 0; i < AK_USAGE_MAX_USERS + 10; i++) {
        snprintf(name, sizeof name, "u%d", i);
        ak_usage_add(&u, name, i == 7 ? 1e6 : i + 1);
    }
    ck_assert_int_eq(u.count, AK_USAGE_MAX_USERS);
    ck_assert(of(&u, "u7") == 1e6); // those who had least were forgotten
    ak_usage_fini(&u);
}
END_TEST

START_TEST(it_is_stored)
{
    char *folder = folder_make(), *path = ak_path("%s/db", folder);
    ak_usage u = { 0 }, back = { 0 };
    ak_store *store;

    ck_assert_int_eq(ak_store_open(&store, path), 0);
    ak_usage_add(&u, "al", 40);
    ak_usage_add(&u, "", 8);
    ck_assert_int_eq(ak_store_write_usage(store, &u, 1000), 0);
    ck_assert_int_eq(ak_store_write_usage(store, &u, 1000), 0); // takes the old one's place
    ck_assert_int_eq(ak_store_read_usage(store, &back), 0);
    ck_assert(of(&back, "al") == 40); // whatever a clock says of the time between
    ck_assert(of(&back, "") == 8);
    ak_store_close(store);
    ak_usage_fini(&u);
    ak_usage_fini(&back);
    free(path);
    folder_remove(folder);
}
END_TEST

static void insert(ak_store *store, int64_t elapsed_ms, int64_t ended_ms)
{
    ak_spec spec;
    ak_job *job;

    ak_spec_init(&spec);
    job = ak_job_new(&spec, "name: a\n");
    ak_spec_fini(&spec);
    job->elapsed_ms = elapsed_ms;
    job->ended_ms = ended_ms;
    ck_assert_int_eq(ak_store_insert(store, job), 0);
    ck_assert_int_eq(ak_store_update(store, job), 0);
    ak_job_free(job);
}

START_TEST(what_jobs_take_is_read_from_the_newest_that_have_ended)
{
    char *folder = folder_make(), *path = ak_path("%s/db", folder);
    ak_usage u = { 0 };
    ak_store *store;

    ck_assert_int_eq(ak_store_open(&store, path), 0);
    ck_assert_int_eq(ak_store_read_lately(store, &u), 0);
    ck_assert_int_eq(u.ended, 0);
    insert(store, 999000, 1); // too long ago
    for (int i = 0; i < AK_USAGE_LATELY; i++)
        insert(store, i < AK_USAGE_LATELY / 2 ? 1000 : 3000, 1);
    insert(store, 999000, 0); // still runs
    insert(store, 0, 1);      // never has
    ck_assert_int_eq(ak_store_read_lately(store, &u), 0);
    ck_assert_int_eq(u.ended, AK_USAGE_LATELY);
    ck_assert_int_ge(u.job_ms, 1999); // each division rounds down
    ck_assert_int_le(u.job_ms, 2001);
    ak_store_close(store);
    ak_usage_fini(&u);
    free(path);
    folder_remove(folder);
}
END_TEST

// A run that has joined, and that its launcher's queue suspends and lets go on again.
START_TEST(who_is_suspended_is_not_charged)
{
    char *folder = folder_make(), *path = ak_path("%s/run/r.status", folder);
    char *runs = ak_path("%s/run", folder);
    ak_daemon d = { 0 };
    ak_spec spec;
    ak_job *job;
    ak_run run = { .d = &d, .folder = folder, .id = "r", .phase = AK_RUN_JOINED, .cores = 2 };
    int64_t before;

    ck_assert_int_eq(mkdir(runs, 0700), 0);
    ak_spec_init(&spec);
    free(spec.launcher);
    spec.launcher = ak_strdup("slurm");
    run.job = job = ak_job_new(&spec, "kind: pretrain\n");
    for (int i = 0; i < 3; i++) {
        bool on = i != 1;

        ck_assert_int_eq(ak_follow_tell(path, on, "as it stands"), 0);
        ak_meter_charge(&run);
        ak_run_follow(&run);
        ak_meter_charge(&run);
        before = job->elapsed_ms;
        usleep(30000);
        ak_meter_charge(&run);
        ck_assert_int_eq(job->elapsed_ms - before >= 30, on);
        ck_assert(on || job->elapsed_ms == before);
        ck_assert_str_eq(job->reason, ""); // that is for runs that have not joined
    }
    ak_usage_fini(&d.usage);
    ak_job_free(job);
    ak_spec_fini(&spec);
    free(path);
    free(runs);
    folder_remove(folder);
}
END_TEST

AK_TEST_MAIN(AK_CASE(it_adds_and_fades), AK_CASE(it_knows_what_jobs_take_lately),
             AK_CASE(there_is_a_bound), AK_CASE(it_is_stored),
             AK_CASE(what_jobs_take_is_read_from_the_newest_that_have_ended),
             AK_CASE(who_is_suspended_is_not_charged))
