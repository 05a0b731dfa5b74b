// tests/unit/worker/uplink.c -- tests worker/uplink.{h,c} against a coordinator that is there.

#include "proto/base/clock.h"
#include "tests/unit/worker/coordinator.h"

START_TEST(a_run_from_the_start)
{
    const ak_uplink_metric result = { "after.knn.top1", 0.75 };
    ak_uplink_tensor tensor = { .name = "moco.queue", .dims = 2, .shape = { BIG_ROWS, ROW } };
    const ak_uplink_welcome *welcome;
    fixture f;

    begin(&f, FRESH);
    welcome = ak_uplink_state(f.uplink);
    ck_assert_str_eq(welcome->spec_yaml, "method: mocov2\n");
    ck_assert_str_eq(welcome->folder, "/state/jobs/7");
    ck_assert_str_eq(welcome->commit, "");
    ck_assert(welcome->resume_step == 0 && !welcome->restored);
    ck_assert_int_eq(ak_uplink_tensor_count(f.uplink), 0);

    tensor.size = BIG_ROWS * ROW_BYTES;
    tensor.data = malloc(tensor.size);
    for (size_t i = 0; i < tensor.size / sizeof(float); i++)
        tensor.data[i] = value_at(i);
    ck_assert_int_eq(ak_uplink_declare(f.uplink, &tensor), 0);
    for (int64_t version = 1; version <= 5; version++)
        ck_assert_int_eq(push_rows(f.uplink, version, 4 * ROW_BYTES), 0);
    report(f.uplink, 5);
    ck_assert_int_eq(commit(f.uplink, 5), 0);
    ck_assert(!ak_uplink_stop_requested(f.uplink) && !ak_uplink_lost(f.uplink));
    ck_assert_str_eq(ak_uplink_stop_reason(f.uplink), "");
    ck_assert_int_eq(ak_uplink_finish(f.uplink, "succeeded", "", &result, 1, "/w"), 0);
    finish(&f);

    ck_assert_str_eq(f.c.run, "r1/2/akssl-worker " AKSSL_VERSION);
    ck_assert(f.c.shape[0] == BIG_ROWS && f.c.shape[1] == ROW);
    ck_assert_uint_eq(f.c.declared, tensor.size);
    ck_assert(f.c.version == 5 && f.c.files == 2 && f.c.held == 20 * ROW_BYTES);
    ck_assert(f.c.reported_step == 5 && f.c.gauge == 0.25);
    ck_assert(f.c.finishes == 1 && f.c.result == 0.75 && f.c.cancelled == 0);
    ck_assert_str_eq(f.c.outcome, "succeeded");
    ck_assert_str_eq(f.c.weights, "/w");
    free(tensor.data);
}
END_TEST

START_TEST(what_was_declared_is_what_arrives)
{
    ak_uplink_tensor tensor = { .name = "moco.queue", .dims = 2, .shape = { BIG_ROWS, ROW } };
    coordinator *c;
    fixture f;

    begin(&f, FRESH);
    c = &f.c;
    tensor.size = BIG_ROWS * ROW_BYTES;
    tensor.data = malloc(tensor.size);
    for (size_t i = 0; i < tensor.size / sizeof(float); i++)
        tensor.data[i] = value_at(i);
    ck_assert_int_eq(ak_uplink_declare(f.uplink, &tensor), 0);
    ck_assert_int_eq(push_rows(f.uplink, 1, ROW_BYTES), 0);
    ck_assert_int_eq(commit(f.uplink, 1), 0);
    ak_uplink_close(f.uplink);
    serve_stop(&f.serve, 3000);
    serve_remove(&f.serve);
    ck_assert_int_eq(memcmp(c->data, tensor.data, tensor.size), 0);
    ck_assert_int_eq(c->cancelled, 1); // closed without Finish
    free(c->data);

    tensor.size -= 4;
    begin(&f, FRESH);
    ck_assert_int_eq(ak_uplink_declare(f.uplink, &tensor), AKSSL_ERR_INVALID);
    finish(&f);
    free(tensor.data);
}
END_TEST

START_TEST(a_run_that_goes_on)
{
    const ak_uplink_tensor *tensor;
    int wrong = 0;
    fixture f;

    begin(&f, RESTORED);
    ck_assert(ak_uplink_state(f.uplink)->restored);
    ck_assert_int_eq(ak_uplink_state(f.uplink)->resume_step, 17);
    ck_assert_str_eq(ak_uplink_state(f.uplink)->commit, "/state/jobs/7/commits/step-17");
    ck_assert_int_eq(ak_uplink_tensor_count(f.uplink), 2);
    ck_assert_str_eq(ak_uplink_tensor_at(f.uplink, 1)->name, "dino.center");
    ck_assert_ptr_null(ak_uplink_tensor_find(f.uplink, "swav.queue"));
    tensor = ak_uplink_tensor_find(f.uplink, "moco.queue");
    ck_assert(tensor->dims == 2 && tensor->shape[0] == BIG_ROWS && tensor->shape[1] == ROW);
    ck_assert(tensor->version == 17 && tensor->filled == 9 && tensor->position == 3);
    for (size_t i = 0; i < tensor->size / sizeof(float); i++)
        wrong += tensor->data[i] != value_at(i);
    ck_assert_int_eq(wrong, 0);
    finish(&f);
}
END_TEST

START_TEST(joins_that_fail)
{
    ak_uplink *uplink;
    fixture f;

    ck_assert_int_eq(open_uplink(&uplink, "/nonexistent/socket", "right", 1),
                     AKSSL_ERR_UNAVAILABLE);
    ck_assert_int_eq(open_uplink(&uplink, "localhost:port", "right", 1), AKSSL_ERR_INVALID);
    memset(&f, 0, sizeof f);
    serve_start(&f.serve, &events, &f.c);
    ck_assert_int_eq(open_uplink(&uplink, f.serve.address, "wrong", 1), AKSSL_ERR_PERMISSION);
    ck_assert_ptr_nonnull(strstr(ak_error_text(), "this secret is not the run's"));
    for (int i = 0; i < BAD_STARTS; i++) {
        akssl_status rc = open_uplink(&uplink, f.serve.address, "right", BAD_START + i);

        ck_assert_msg(rc == (i < 9 ? AKSSL_ERR_CORRUPT : AKSSL_ERR_CANCELLED), "%d: %d %s", i, rc,
                      ak_error_text());
        ck_assert_ptr_nonnull(strstr(ak_error_text(), "run 'r1'"));
    }
    serve_stop(&f.serve, 3000);
    serve_remove(&f.serve);
    ak_uplink_close(NULL);
}
END_TEST

START_TEST(a_stop_lets_the_run_commit)
{
    fixture f;

    begin(&f, STOPS);
    ck_assert_int_eq(push_rows(f.uplink, 1, ROW_BYTES), 0);
    ck_assert(wait_true(ak_uplink_stop_requested, f.uplink));
    ck_assert_str_eq(ak_uplink_stop_reason(f.uplink), "job 7 was cancelled");
    ck_assert(!ak_uplink_lost(f.uplink));
    ck_assert_int_eq(push_rows(f.uplink, 2, ROW_BYTES), 0);
    ck_assert_int_eq(commit(f.uplink, 2), 0);
    ck_assert_int_eq(ak_uplink_finish(f.uplink, "stopped", "", NULL, 0, ""), 0);
    finish(&f);
    ck_assert_str_eq(f.c.outcome, "stopped");
    ck_assert_int_eq(f.c.cancelled, 0);

    begin(&f, REPORT_STOPS);
    report(f.uplink, 1);
    ck_assert(wait_true(ak_uplink_stop_requested, f.uplink));
    ck_assert(!ak_uplink_lost(f.uplink));
    finish(&f);
}
END_TEST

START_TEST(a_broken_stream_is_told_ever_after)
{
    akssl_status rc = AKSSL_OK;
    fixture f;

    begin(&f, BREAKS);
    for (int64_t version = 1; version <= 3; version++)
        ck_assert_int_eq(push_rows(f.uplink, version, ROW_BYTES), 0);
    ck_assert(wait_true(ak_uplink_lost, f.uplink));
    ck_assert(wait_true(ak_uplink_stop_requested, f.uplink));
    ck_assert_ptr_nonnull(strstr(ak_uplink_stop_reason(f.uplink), "the digests differ"));
    for (int i = 0; i < 3; i++) {
        rc = push_rows(f.uplink, 4, ROW_BYTES);
        ck_assert_int_eq(rc, AKSSL_ERR_CORRUPT);
        ck_assert_ptr_nonnull(strstr(ak_error_text(), "the digests differ at step 3"));
    }
    ck_assert_int_eq(commit(f.uplink, 3), AKSSL_ERR_CORRUPT);
    ck_assert_int_eq(ak_uplink_finish(f.uplink, "failed", "why", NULL, 0, ""), 0);
    finish(&f);
    ck_assert_str_eq(f.c.reason, "why");
}
END_TEST

START_TEST(a_failed_commit_keeps_the_sentence)
{
    fixture f;

    begin(&f, COMMIT_FAILS);
    ck_assert(!ak_uplink_unstored(f.uplink));
    ck_assert_int_eq(commit(f.uplink, 0), AKSSL_ERR_NO_SPACE);
    ck_assert_str_eq(ak_error_text(), "commit of step 0: the disk is full");
    ck_assert(ak_uplink_unstored(f.uplink)); // which is no fault of the run's
    ck_assert(!ak_uplink_lost(f.uplink));
    finish(&f);
}
END_TEST

START_TEST(pushes_wait_only_when_the_queue_is_full)
{
    enum { LARGE = 4 * MB - 4096, COUNT = 40 };
    fixture f;

    begin(&f, SLOW);
    for (int64_t version = 1; version <= 10; version++)
        ck_assert_int_eq(push_rows(f.uplink, version, LARGE), 0);
    ck_assert_int_lt(f.c.pushes, 10); // 10 ms each over there: they have not all been taken
    for (int64_t version = 11; version <= COUNT; version++)
        ck_assert_int_eq(push_rows(f.uplink, version, LARGE), 0);
    // 160 MB went in, 64 MB may wait here, some more is on the wire: the rest has been taken.
    ck_assert_int_ge(f.c.pushes, 10);
    ck_assert_int_eq(commit(f.uplink, COUNT), 0);
    ck_assert_int_eq(f.c.pushes, COUNT);
    finish(&f);
}
END_TEST

START_TEST(a_long_push_comes_in_pieces)
{
    const ak_uplink_rows long_one = { .bytes = ((size_t)2 << 30) + 4 }, none = { 0 };
    const float last[2] = { 2, 2 };
    const ak_uplink_rows cut = { .rows = last, .bytes = sizeof last, .skipped = 11 };
    fixture f;

    begin(&f, FRESH);
    ck_assert_int_eq(push_rows(f.uplink, 1, 10 * MB + 12), 0);
    ck_assert_int_eq(ak_uplink_push(f.uplink, "moco.queue", 2, &cut), 0);
    ck_assert_int_eq(push_rows(f.uplink, 3, 4 * MB - 1024), 0);
    ck_assert_int_eq(commit(f.uplink, 3), 0);
    ck_assert(f.c.pushes == 3 && f.c.pieces == 11 + 1 + 1 && f.c.skipped == 11);
    ck_assert(f.c.held == 14 * MB - 1024 + 12 + 8 && f.c.wrong == 0);
    ck_assert_int_eq(ak_uplink_push(f.uplink, "moco.queue", 4, &long_one), AKSSL_ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(ak_error_text(), "use a smaller batch or projection"));
    ck_assert_int_eq(ak_uplink_push(f.uplink, "", 4, &none), AKSSL_ERR_INVALID);
    finish(&f);
}
END_TEST

START_TEST(a_whole_is_replaced)
{
    ak_uplink_tensor tensor = { .name = "dino.center", .dims = 2, .shape = { BIG_ROWS, ROW } };
    fixture f;

    begin(&f, FRESH);
    tensor.size = BIG_ROWS * ROW_BYTES;
    tensor.data = malloc(tensor.size);
    for (int64_t version = 0; version < 60; version++) { // more than the queue takes at once
        for (size_t i = 0; i < tensor.size / sizeof(float); i++)
            tensor.data[i] = value_at(i) + (float)version;
        tensor.version = version;
        if (version == 0)
            ck_assert_int_eq(ak_uplink_declare(f.uplink, &tensor), 0);
        else
            ck_assert_int_eq(ak_uplink_replace(f.uplink, &tensor), 0);
    }
    ck_assert_int_eq(push_rows(f.uplink, 1, ROW_BYTES), 0);
    ck_assert_int_eq(commit(f.uplink, 1), 0);
    ck_assert(f.c.heads == 60 && f.c.head_version == 59 && f.c.declared == tensor.size);
    ck_assert(f.c.shape[0] == BIG_ROWS && f.c.shape[1] == ROW);
    ak_uplink_close(f.uplink);
    serve_stop(&f.serve, 3000);
    serve_remove(&f.serve);
    ck_assert_int_eq(memcmp(f.c.data, tensor.data, tensor.size), 0); // it was copied
    free(f.c.data);
    tensor.size -= 4;
    begin(&f, FRESH);
    ck_assert_int_eq(ak_uplink_replace(f.uplink, &tensor), AKSSL_ERR_INVALID);
    finish(&f);
    free(tensor.data);
}
END_TEST

START_TEST(warnings_travel)
{
    const char *warnings[AK_UPLINK_WARNINGS + 2];
    ak_uplink_progress progress = { .step = 3, .warnings = warnings, .warning_count = 2 };
    char longest[2 * AK_UPLINK_WARNING];
    fixture f;

    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    for (int i = 0; i < AK_UPLINK_WARNINGS + 2; i++)
        warnings[i] = i ? longest : "collapse: std 0.001";
    begin(&f, FRESH);
    ak_uplink_report(f.uplink, &progress, NULL, 0);
    for (int i = 0; i < 5000 && f.c.reports < 1; i++)
        usleep(1000);
    ck_assert_int_eq(f.c.warning_count, 2);
    ck_assert_str_eq(f.c.warning[0], "collapse: std 0.001");
    ck_assert_uint_eq(strlen(f.c.warning[1]), AK_UPLINK_WARNING - 1);
    progress.warning_count = AK_UPLINK_WARNINGS + 2;
    ak_uplink_report(f.uplink, &progress, NULL, 0);
    ck_assert_int_eq(ak_uplink_finish(f.uplink, "paused", "collapse: std 0.001", NULL, 0, ""), 0);
    finish(&f);
    ck_assert_int_eq(f.c.warning_count, AK_UPLINK_WARNINGS);
    ck_assert_str_eq(f.c.outcome, "paused");
    ck_assert_str_eq(f.c.reason, "collapse: std 0.001");
}
END_TEST

START_TEST(what_waits_is_dropped_at_close)
{
    int64_t before;
    fixture f;

    begin(&f, SLOW);
    for (int64_t version = 1; version <= 14; version++)
        ck_assert_int_eq(push_rows(f.uplink, version, 4 * MB - 4096), 0);
    before = ak_clock_ns();
    ak_uplink_close(f.uplink);
    ck_assert_int_lt(ak_clock_ns() - before, 10 * 1000000000LL);
    f.uplink = NULL;
    finish(&f); // gRPC itself, cut off in a write, may take the 10 s of its poller to end
    ck_assert_int_lt(ak_clock_ns() - before, 20 * 1000000000LL);
}
END_TEST

START_TEST(the_latest_report_wins)
{
    int64_t before = ak_clock_ns(), seconds;
    fixture f;

    begin(&f, FRESH);
    for (int64_t step = 1; step <= 1500; step++) {
        report(f.uplink, step);
        usleep(1000);
    }
    ck_assert_int_eq(ak_uplink_finish(f.uplink, "succeeded", "", NULL, 0, ""), 0);
    seconds = (ak_clock_ns() - before) / 1000000000;
    finish(&f);
    ck_assert_int_ge(f.c.reports, 2);
    ck_assert_int_le(f.c.reports, seconds + 3);
    ck_assert_int_eq(f.c.reported_step, 1500);
}
END_TEST

AK_TEST_MAIN(AK_CASE(a_run_from_the_start), AK_CASE(what_was_declared_is_what_arrives),
             AK_CASE(a_run_that_goes_on), AK_CASE(joins_that_fail),
             AK_CASE(a_stop_lets_the_run_commit), AK_CASE(a_broken_stream_is_told_ever_after),
             AK_CASE(a_failed_commit_keeps_the_sentence),
             AK_CASE(pushes_wait_only_when_the_queue_is_full), AK_CASE(a_long_push_comes_in_pieces),
             AK_CASE(a_whole_is_replaced), AK_CASE(warnings_travel),
             AK_CASE(what_waits_is_dropped_at_close), AK_CASE(the_latest_report_wins))
