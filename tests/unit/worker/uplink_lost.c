// tests/unit/worker/uplink_lost.c -- tests worker/uplink.{h,c} against a coordinator that goes, and
// comes again or not.

#include "proto/base/clock.h"
#include "proto/format/manifest.h"
#include "proto/format/safetensors.h"
#include "tests/unit/worker/coordinator.h"

enum { RING = 4 };

static void declare_ring(ak_uplink *uplink)
{
    float rows[RING * ROW] = { 0 };
    const ak_uplink_tensor tensor = {
        .name = "moco.queue", .dims = 2, .shape = { RING, ROW }, .data = rows, .size = sizeof rows
    };

    ck_assert_int_eq(ak_uplink_declare(uplink, &tensor), 0);
}

static void go(fixture *f)
{
    serve_stop(&f->serve, 0);
    free(f->c.data);
    memset(&f->c, 0, sizeof f->c); // the next one knows nothing
}

static void come(fixture *f, bool holds)
{
    f->c.holds = holds; // the answer to the first Commit, for 300 ms
    serve_start(&f->serve, &events, &f->c);
}

static void wait_heads(const fixture *f, int count)
{
    for (int i = 0; i < 20000 && f->c.heads < count; i++)
        usleep(1000);
    ck_assert_int_eq(f->c.heads, count);
}

// ring_is compares what came whole with what the pushes up to `version` have made.
static void ring_is(const fixture *f, int64_t version)
{
    ck_assert_uint_eq(f->c.declared, RING * ROW_BYTES);
    for (int64_t v = version; v > 0 && v > version - RING; v--)
        ck_assert(f->c.data[(v - 1) % RING * ROW] == (float)v);
}

typedef struct joining {
    fixture *f;
    akssl_status rc;
} joining;

static void *join_slowly(void *arg)
{
    joining *j = arg;
    fixture *f = j->f;
    ak_uplink_target target = target_of(f->serve.address, "right", FRESH);

    target.join_ms = 2800;
    j->rc = ak_uplink_open(&f->uplink, &target);
    return NULL;
}

// A run that has been started and has not joined yet is as much a run as one that has.
START_TEST(a_first_join_waits_for_a_coordinator)
{
    fixture f = { 0 };
    joining j = { &f, AKSSL_OK };
    pthread_t thread;

    serve_start(&f.serve, &events, &f.c);
    go(&f);
    ck_assert_int_eq(pthread_create(&thread, NULL, join_slowly, &j), 0);
    usleep(700000); // for tries that fail
    come(&f, false);
    pthread_join(thread, NULL);
    ck_assert_msg(j.rc == 0, "%s", ak_error_text());
    ck_assert_int_eq(ak_uplink_finish(f.uplink, "succeeded", "", NULL, 0, ""), 0);
    finish(&f);
}
END_TEST

START_TEST(a_run_outlives_its_coordinator)
{
    fixture f;

    begin(&f, FRESH);
    declare_ring(f.uplink);
    for (int64_t version = 1; version <= 5; version++)
        ck_assert_int_eq(push_rows(f.uplink, version, ROW_BYTES), 0);
    ck_assert_int_eq(commit(f.uplink, 5), 0);
    go(&f);
    for (int64_t version = 6; version <= 9; version++)
        ck_assert_int_eq(push_rows(f.uplink, version, ROW_BYTES), 0);
    report(f.uplink, 9);
    ck_assert(!ak_uplink_lost(f.uplink) && !ak_uplink_stop_requested(f.uplink));
    come(&f, false);
    wait_heads(&f, 1);
    ck_assert_int_eq(f.c.head_version, 9);
    f.c.version = 9;
    for (int64_t version = 10; version <= 11; version++)
        ck_assert_int_eq(push_rows(f.uplink, version, ROW_BYTES), 0);
    ck_assert_int_eq(commit(f.uplink, 11), 0);
    ring_is(&f, 9);
    ck_assert_int_eq(ak_uplink_finish(f.uplink, "succeeded", "", NULL, 0, ""), 0);
    ck_assert_int_eq(f.c.reported_step, 9); // made while there was none
    ck_assert_int_eq(f.c.rejoins, 1);
    finish(&f);
}
END_TEST

START_TEST(a_commit_waits_for_its_coordinator)
{
    fixture f;

    begin(&f, FRESH);
    declare_ring(f.uplink);
    for (int64_t version = 1; version <= 3; version++)
        ck_assert_int_eq(push_rows(f.uplink, version, ROW_BYTES), 0);
    ck_assert_int_eq(commit(f.uplink, 3), 0);
    go(&f);
    for (int64_t version = 4; version <= 6; version++)
        ck_assert_int_eq(push_rows(f.uplink, version, ROW_BYTES), 0);
    ck_assert_int_eq(commit(f.uplink, 6), 0); // held
    for (int64_t version = 7; version <= 8; version++)
        ck_assert_int_eq(push_rows(f.uplink, version, ROW_BYTES), 0);
    come(&f, true);
    for (int i = 0; i < 20000 && !f.c.commits; i++)
        usleep(1000);
    ck_assert_int_eq(f.c.heads, 1); // the ring of step 6, and nothing newer before the answer
    ck_assert_int_eq(f.c.commit_step, 6);
    ck_assert_int_eq(f.c.head_version, 6);
    ck_assert_int_eq(f.c.tensors, 1);
    ring_is(&f, 6);
    ck_assert_int_eq(commit(f.uplink, 8), 0); // waits for that one, which is let go by then
    ck_assert_int_eq(f.c.heads, 2);
    ck_assert_int_eq(f.c.head_version, 8);
    ck_assert_int_eq(f.c.commit_step, 8);
    ring_is(&f, 8);
    ck_assert_int_eq(ak_uplink_finish(f.uplink, "succeeded", "", NULL, 0, ""), 0);
    finish(&f);
}
END_TEST

static void begin_in(fixture *f, char folder[64], int64_t orphan_ms)
{
    ak_uplink_target target;

    memset(f, 0, sizeof *f);
    serve_start(&f->serve, &events, &f->c);
    snprintf(folder, 64, "%s", f->serve.folder);
    snprintf(f->c.folder, sizeof f->c.folder, "%s", folder);
    target = target_of(f->serve.address, "right", FRESH);
    target.orphan_ms = orphan_ms;
    ck_assert_int_eq(ak_uplink_open(&f->uplink, &target), 0);
}

// Without a coordinator commits fall due as ever: the newest is the one that the next hears of, and
// those that nobody has heard of take up no disk.
static const char *const names[] = { "", "/model.safetensors", "/optimizer" };

static void make_step(const char *folder, int64_t step)
{
    char path[160];

    snprintf(path, sizeof path, "%s/commits", folder);
    (void)mkdir(path, 0700);
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/commits/step-%d%s", folder, (int)step, names[i]);
        ck_assert(i ? mknod(path, S_IFREG | 0600, 0) == 0 : mkdir(path, 0700) == 0);
    }
}

static void remove_steps(const char *folder)
{
    char path[160];

    for (int step = 1; step <= 4; step++)
        for (int i = 2; i >= 0; i--) {
            snprintf(path, sizeof path, "%s/commits/step-%d%s", folder, step, names[i]);
            (void)remove(path);
        }
    snprintf(path, sizeof path, "%s/commits", folder);
    ck_assert_int_eq(rmdir(path), 0);
}

static bool has_step(const char *folder, int64_t step)
{
    char path[160];

    snprintf(path, sizeof path, "%s/commits/step-%d", folder, (int)step);
    return access(path, F_OK) == 0;
}

START_TEST(a_newer_commit_takes_the_place)
{
    char folder[64];
    fixture f;

    begin_in(&f, folder, 60000);
    declare_ring(f.uplink);
    make_step(folder, 1);
    ck_assert_int_eq(push_rows(f.uplink, 1, ROW_BYTES), 0);
    ck_assert_int_eq(commit(f.uplink, 1), 0);
    go(&f);
    for (int64_t version = 2; version <= 4; version++) {
        make_step(folder, version);
        ck_assert_int_eq(push_rows(f.uplink, version, ROW_BYTES), 0);
        ck_assert_int_eq(commit(f.uplink, version), 0); // held, and waits for none
    }
    // of 2 the old coordinator may have been asked
    ck_assert(has_step(folder, 1) && !has_step(folder, 3) && has_step(folder, 4));
    come(&f, false);
    wait_heads(&f, 1);
    for (int i = 0; i < 20000 && !f.c.commits; i++)
        usleep(1000);
    ck_assert_int_eq(f.c.commits, 1);
    ck_assert_int_eq(f.c.commit_step, 4);
    ck_assert_int_eq(f.c.head_version, 4);
    ring_is(&f, 4);
    ck_assert_int_eq(ak_uplink_finish(f.uplink, "succeeded", "", NULL, 0, ""), 0);
    remove_steps(folder);
    finish(&f);
}
END_TEST

// A newer commit is begun, and its files cannot be written: the older one is what the next
// coordinator is asked for, or what the run leaves when none comes.
START_TEST(a_newer_commit_that_fails_leaves_the_older)
{
    for (int alone = 0; alone < 2; alone++) {
        char folder[64], path[160];
        ak_manifest m;
        fixture f;

        begin_in(&f, folder, alone ? 3000 : 60000);
        snprintf(path, sizeof path, "%s/run", folder);
        ck_assert_int_eq(mkdir(path, 0700), 0);
        declare_ring(f.uplink);
        ck_assert_int_eq(push_rows(f.uplink, 1, ROW_BYTES), 0);
        ck_assert_int_eq(commit(f.uplink, 1), 0);
        go(&f);
        for (int64_t version = 2; version <= 3; version++) {
            make_step(folder, version);
            ck_assert_int_eq(push_rows(f.uplink, version, ROW_BYTES), 0);
            ck_assert_int_eq(commit(f.uplink, version), 0);
        }
        for (int64_t version = 4; version <= 5; version++) { // the disk is full for a while
            ck_assert_int_eq(push_rows(f.uplink, version, ROW_BYTES), 0);
            ck_assert_int_eq(ak_uplink_hold(f.uplink, version), 0);
            ak_uplink_release(f.uplink);
        }
        ck_assert(has_step(folder, 3));
        if (alone) {
            ck_assert_int_eq(ak_uplink_finish(f.uplink, "paused", "full", NULL, 0, ""), 0);
            snprintf(path, sizeof path, "%s/run/r1.commit", folder);
            ck_assert_msg(ak_manifest_read(&m, path) == 0, "%s", ak_error_text());
            ck_assert_int_eq(m.step, 3);
            ck_assert_int_eq(unlink(path), 0);
            snprintf(path, sizeof path, "%s/run/r1.state", folder);
            ck_assert_int_eq(unlink(path), 0);
            ak_uplink_close(f.uplink);
            f.uplink = NULL;
        } else {
            come(&f, false);
            wait_heads(&f, 2); // of the commit, and as it is now
            for (int i = 0; i < 20000 && f.c.declared < RING * ROW_BYTES; i++)
                usleep(1000);
            ck_assert(f.c.commits == 1 && f.c.commit_step == 3);
            ck_assert_int_eq(f.c.head_version, 5);
            ring_is(&f, 5);
            ck_assert_int_eq(ak_uplink_finish(f.uplink, "succeeded", "", NULL, 0, ""), 0);
        }
        snprintf(path, sizeof path, "%s/run", folder);
        ck_assert_int_eq(rmdir(path), 0);
        remove_steps(folder);
        if (alone)
            serve_remove(&f.serve);
        else
            finish(&f);
    }
}
END_TEST

START_TEST(an_answer_that_got_lost)
{
    fixture f;

    begin(&f, COMMIT_BREAKS);
    declare_ring(f.uplink);
    ck_assert_int_eq(push_rows(f.uplink, 1, ROW_BYTES), 0);
    ck_assert_int_eq(commit(f.uplink, 1), 0);
    for (int i = 0; i < 20000 && f.c.commits < 2; i++)
        usleep(1000);
    ck_assert_int_eq(f.c.commits, 2); // the same again
    ck_assert_int_eq(f.c.commit_step, 1);
    ck_assert_int_eq(ak_uplink_finish(f.uplink, "succeeded", "", NULL, 0, ""), 0);
    ak_uplink_close(f.uplink);
    serve_stop(&f.serve, 3000);
    serve_remove(&f.serve);
    ck_assert_int_eq(f.c.ended, 2);
    free(f.c.data);
}
END_TEST

// Its tensors came with the new stream already: a coordinator refuses them a second time.
START_TEST(what_was_handed_over_is_not_sent_again)
{
    fixture f;

    begin(&f, COMMIT_LATE);
    declare_ring(f.uplink);
    for (int64_t version = 1; version <= 3; version++)
        ck_assert_int_eq(push_rows(f.uplink, version, ROW_BYTES), 0);
    ck_assert_int_eq(commit(f.uplink, 3), 0);
    for (int i = 0; i < 20000 && f.c.commits < 2; i++)
        usleep(1000);
    ck_assert_int_eq(f.c.commits, 2);
    ck_assert_int_eq(f.c.rejoins, 1);
    ck_assert_int_eq(f.c.heads, 2); // at the start, and with the new stream
    ck_assert_int_eq(f.c.head_version, 3);
    ck_assert_int_eq(ak_uplink_finish(f.uplink, "succeeded", "", NULL, 0, ""), 0);
    ak_uplink_close(f.uplink);
    serve_stop(&f.serve, 3000);
    serve_remove(&f.serve);
    free(f.c.data);
}
END_TEST

START_TEST(a_coordinator_that_does_not_take_it_back)
{
    fixture f;

    begin(&f, NEVER_REJOINS);
    go(&f);
    come(&f, false);
    ck_assert(wait_true(ak_uplink_lost, f.uplink));
    ck_assert_int_eq(push_rows(f.uplink, 1, ROW_BYTES), AKSSL_ERR_CORRUPT);
    ck_assert_int_eq(commit(f.uplink, 1), AKSSL_ERR_CORRUPT);
    ak_uplink_close(f.uplink);
    serve_stop(&f.serve, 3000);
    serve_remove(&f.serve);
}
END_TEST

START_TEST(without_a_coordinator_it_commits_alone)
{
    char folder[64], path[128], state[128], run[80];
    const ak_safetensors_entry *entry;
    ak_safetensors *file;
    ak_manifest m;
    fixture f;

    begin_in(&f, folder, 300);
    snprintf(run, sizeof run, "%s/run", folder);
    ck_assert_int_eq(mkdir(run, 0700), 0);
    declare_ring(f.uplink);
    for (int64_t version = 1; version <= 3; version++)
        ck_assert_int_eq(push_rows(f.uplink, version, ROW_BYTES), 0);
    go(&f);
    ck_assert(wait_true(ak_uplink_stop_requested, f.uplink));
    ck_assert_ptr_nonnull(strstr(ak_uplink_stop_reason(f.uplink), "--orphan-timeout"));
    ck_assert(!ak_uplink_lost(f.uplink));
    ck_assert_int_eq(push_rows(f.uplink, 4, ROW_BYTES), 0);
    ck_assert_int_eq(commit(f.uplink, 4), 0);
    ck_assert_int_eq(ak_uplink_finish(f.uplink, "stopped", "", NULL, 0, ""), 0);
    ak_uplink_close(f.uplink);

    snprintf(path, sizeof path, "%s/r1.commit", run);
    snprintf(state, sizeof state, "%s/r1.state", run);
    ck_assert_msg(ak_manifest_read(&m, path) == 0, "%s", ak_error_text());
    ck_assert(m.job == FRESH && m.step == 4 && m.count == 2 && m.files[0].size == 123);
    ck_assert_str_eq(m.run, "r1");
    ck_assert_str_eq(m.files[1].name, "optimizer");
    ck_assert_int_eq(ak_safetensors_open(&file, state), 0);
    ck_assert_str_eq(ak_safetensors_meta(file, "moco.queue.version"), "4");
    ck_assert_str_eq(ak_safetensors_meta(file, "moco.queue.position"), "0");
    entry = ak_safetensors_find(file, "moco.queue");
    for (int i = 0; i < RING; i++) {
        float first;

        memcpy(&first, (const uint8_t *)ak_safetensors_data(file, entry) + i * ROW_BYTES, 4);
        ck_assert(first == (float)(i + 1));
    }
    ak_safetensors_close(file);
    ck_assert(unlink(path) == 0 && unlink(state) == 0 && rmdir(run) == 0);
    serve_remove(&f.serve);
}
END_TEST

START_TEST(an_end_without_a_coordinator)
{
    char folder[64];
    int64_t before;
    fixture f;

    begin_in(&f, folder, 300);
    go(&f);
    before = ak_clock_ns();
    ck_assert_int_eq(ak_uplink_finish(f.uplink, "failed", "", NULL, 0, ""), 0); // nobody to tell
    ak_uplink_close(f.uplink);
    ck_assert_int_ge(ak_clock_ns() - before, 200 * 1000000LL);
    serve_remove(&f.serve);
}
END_TEST

AK_TEST_MAIN(AK_CASE(a_first_join_waits_for_a_coordinator), AK_CASE(a_run_outlives_its_coordinator),
             AK_CASE(a_commit_waits_for_its_coordinator), AK_CASE(a_newer_commit_takes_the_place),
             AK_CASE(a_newer_commit_that_fails_leaves_the_older), AK_CASE(an_answer_that_got_lost),
             AK_CASE(what_was_handed_over_is_not_sent_again),
             AK_CASE(a_coordinator_that_does_not_take_it_back),
             AK_CASE(without_a_coordinator_it_commits_alone), AK_CASE(an_end_without_a_coordinator))
