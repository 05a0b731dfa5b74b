// tests/unit/daemon/tool.c -- tests daemon/tool.c.

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/process.h"
#include "daemon/tool.h"
#include "proto/base/clock.h"
#include "tests/check.h"

static bool deaf; // a process waits in the kernel: signals end none

int kill(pid_t pid, int signal) // akssld's calls of it come here
{
    return deaf ? 0 : (int)syscall(SYS_kill, pid, signal);
}

typedef struct outcome {
    int calls;
    int64_t exit_code;
    int signal;
    bool timed_out, overflowed;
    size_t out_length, err_length;
    char out[64], complaint[128];
} outcome;

static void on_done(void *ctx, ak_tool_result *r)
{
    outcome *o = ctx;

    o->calls++;
    o->exit_code = r->exit_code;
    o->signal = r->signal;
    o->timed_out = r->timed_out;
    o->overflowed = r->overflowed;
    o->out_length = r->out.length;
    o->err_length = r->err.length;
    snprintf(o->out, sizeof o->out, "%s", r->out.text ? r->out.text : "");
    snprintf(o->complaint, sizeof o->complaint, "%s", ak_tool_complaint(r));
}

static outcome run_shell(const char *script, uint64_t timeout_ms)
{
    char *argv[] = { (char *)"/bin/sh", (char *)"-c", (char *)script, NULL };
    outcome o = { 0 };
    uv_loop_t loop;
    ak_tool *tool;

    ck_assert_int_eq(uv_loop_init(&loop), 0);
    ck_assert_int_eq(ak_tool_start(&tool, &loop, argv, timeout_ms, on_done, &o), 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    ck_assert_int_eq(o.calls, 1);
    return o;
}

START_TEST(output_and_complaint)
{
    outcome o =
        run_shell("echo out; echo first >&2; echo 'the last word' >&2; echo >&2; exit 3", 9000);

    ck_assert_int_eq(o.exit_code, 3);
    ck_assert_str_eq(o.out, "out\n");
    ck_assert_str_eq(o.complaint, "the last word");
    o = run_shell("echo '2026-01-31T12:00:00.123Z error akssl-worker: lr 9: too high' >&2", 9000);
    ck_assert_str_eq(o.complaint, "lr 9: too high");
    o = run_shell("echo 'akssl-worker: no data' >&2", 9000);
    ck_assert_str_eq(o.complaint, "no data");
    o = run_shell("cat; kill -9 $$", 9000); // nothing is on stdin
    ck_assert_int_eq(o.signal, 9);
    ck_assert_str_eq(o.complaint, "");
}
END_TEST

START_TEST(killed_when_late)
{
    double start = ak_clock_seconds();
    outcome o = run_shell("trap '' TERM; sleep 30 & wait", 200);

    ck_assert(o.timed_out && o.signal == 9);
    ck_assert(ak_clock_seconds() - start < 10); // the child holds the pipes, and went along
}
END_TEST

START_TEST(killed_when_too_loud)
{
    outcome o = run_shell("yes", 20000);

    ck_assert(o.overflowed && o.signal == 9);
    ck_assert_uint_le(o.out_length, AK_TOOL_MAX_OUTPUT);
    o = run_shell("i=0; while [ $i -lt 3000 ]; do i=$((i+1)); "
                  "echo 'a line of forty characters or thereabouts' >&2; done; echo end >&2",
                  20000);
    ck_assert(!o.overflowed && o.exit_code == 0);
    ck_assert_uint_le(o.err_length, 64 << 10);
    ck_assert_str_eq(o.complaint, "end");
}
END_TEST

START_TEST(cancelled_says_nothing)
{
    char *argv[] = { (char *)"/bin/sleep", (char *)"30", NULL };
    char *none[] = { (char *)"/nonexistent/program", NULL };
    outcome o = { 0 };
    uv_loop_t loop;
    ak_tool *tool;

    ck_assert_int_eq(uv_loop_init(&loop), 0);
    ck_assert_int_eq(ak_tool_start(&tool, &loop, none, 1000, on_done, &o), AKSSL_ERR_NOT_FOUND);
    ck_assert_int_eq(ak_tool_start(&tool, &loop, argv, 60000, on_done, &o), 0);
    ak_tool_cancel(tool);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    ck_assert_int_eq(o.calls, 0);
}
END_TEST

static void on_time(uv_timer_t *timer)
{
    uv_close((uv_handle_t *)timer, NULL);
}

START_TEST(one_that_no_signal_ends_is_given_up)
{
    char *argv[] = { (char *)"/bin/sh", (char *)"-c", (char *)"echo out; exec sleep 6", NULL };
    double start = ak_clock_seconds();
    outcome o = { 0 };
    uv_timer_t timer;
    uv_loop_t loop;
    ak_tool *tool;

    deaf = true;
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    ck_assert_int_eq(ak_tool_start(&tool, &loop, argv, 300, on_done, &o), 0);
    uv_run(&loop, UV_RUN_DEFAULT); // which does not wait for its end
    ck_assert_int_eq(o.calls, 1);
    ck_assert(o.timed_out && o.signal == SIGKILL);
    ck_assert_str_eq(o.out, "out\n");
    ck_assert_int_eq(ak_tool_start(&tool, &loop, argv, 60000, on_done, &o), 0);
    ak_tool_cancel(tool);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert(ak_clock_seconds() - start < 6);

    uv_timer_init(&loop, &timer);
    uv_timer_start(&timer, on_time, 9000, 0);
    uv_run(&loop, UV_RUN_DEFAULT); // both end by themselves
    ck_assert_int_eq(o.calls, 1);
    deaf = false;
    ck_assert_int_eq(uv_loop_close(&loop), 0);
}
END_TEST

AK_TEST_MAIN(AK_CASE(output_and_complaint), AK_CASE(killed_when_late),
             AK_CASE(killed_when_too_loud), AK_CASE(cancelled_says_nothing),
             AK_CASE(one_that_no_signal_ends_is_given_up))
