// tests/unit/daemon/process.c -- tests daemon/process.c and guard.c.

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/guard.h"
#include "daemon/process.h"
#include "proto/base/clock.h"
#include "tests/check.h"

static void mark_of(char mark[40])
{
    snprintf(mark, 40, "akssl-mark-%ld-%lld", (long)getpid(), (long long)ak_clock_ns());
}

static void pause_ms(int ms)
{
    usleep((useconds_t)ms * 1000);
}

static pid_t sleeper(const char *mark, const char *script)
{
    pid_t pid = fork();

    if (pid == 0) {
        if (mark)
            setenv("AKSSL_RUN", mark, 1);
        execl("/bin/sh", "sh", "-c", script, (char *)NULL);
        _exit(127);
    }
    return pid;
}

static void wait_count(const char *mark, int count)
{
    for (int i = 0; i < 500 && ak_process_signal(mark, 0) != count; i++)
        pause_ms(10);
    ck_assert_int_eq(ak_process_signal(mark, 0), count);
}

START_TEST(found_by_mark)
{
    char mark[40];
    pid_t a, b;

    mark_of(mark);
    setenv("AKSSL_RUN", "something else, of another run", 1);
    ck_assert_int_eq(ak_process_signal(mark, 0), 0);
    a = sleeper(mark, "exec sleep 60");
    b = sleeper(mark, "trap '' TERM; while :; do sleep 1; done"); // and its sleeps
    for (int i = 0; i < 500 && ak_process_signal(mark, 0) < 3; i++)
        pause_ms(10);
    pause_ms(100); // the trap is set
    ck_assert_int_ge(ak_process_signal(mark, 0), 3);
    ck_assert_int_eq(ak_process_signal("", SIGKILL), 0);
    ck_assert_int_eq(ak_process_signal("short", SIGKILL), 0);
    ck_assert_int_eq(ak_process_end_marked(mark, 300), 0);
    ck_assert_int_eq(waitpid(a, NULL, 0), a);
    ck_assert_int_eq(waitpid(b, NULL, 0), b);
}
END_TEST

static void on_stop(uv_timer_t *timer)
{
    ak_reaper_stop(timer->data);
    uv_close((uv_handle_t *)timer, NULL);
}

START_TEST(orphans_are_reaped)
{
    ak_reaper reaper;
    uv_loop_t loop;
    uv_timer_t timer;
    char mark[40];

    mark_of(mark);
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    ck_assert_int_eq(ak_reaper_start(&reaper, &loop), 0);
    for (int i = 0; i < 20; i++)
        sleeper(mark, "sleep 0.1 & exit 0"); // leaves an orphan
    uv_timer_init(&loop, &timer);
    timer.data = &reaper;
    uv_timer_start(&timer, on_stop, 1000, 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1); // not even a zombie
}
END_TEST

// A guard as the daemon starts it, in a parent of its own that can be killed.
static pid_t guarded(const char *mark, const char *script)
{
    pid_t parent = fork();

    if (parent == 0) {
        char number[24];
        char *argv[] = { number, (char *)"/bin/sh", (char *)"-c", (char *)script, NULL };

        snprintf(number, sizeof number, "%ld", (long)getpid());
        setenv("AKSSL_RUN", mark, 1);
        if (fork() == 0) {
            // what follows is marked by its own exec only: the guard is not, being a fork
            _exit(ak_guard(argv));
        }
        for (;;)
            pause();
    }
    return parent;
}

START_TEST(guarded_dies_with_the_parent)
{
    char mark[40];
    pid_t parent;

    mark_of(mark);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    // The command leaves at once on SIGTERM, as mpirun does on its second: its rank stays.
    parent = guarded(mark, "setsid sleep 60 & trap 'exit 1' TERM; while :; do sleep 0.05; done");
    for (int i = 0; i < 500 && ak_process_signal(mark, 0) < 2; i++)
        pause_ms(10);
    pause_ms(200);
    kill(parent, SIGKILL);
    ck_assert_int_eq(waitpid(parent, NULL, 0), parent);
    wait_count(mark, 0);
}
END_TEST

START_TEST(guard_passes_the_code_on)
{
    char mark[40], number[24];
    char *argv[] = { number, (char *)"/bin/sh", (char *)"-c", NULL, NULL };
    static const struct {
        const char *script;
        int code;
    } rows[] = { { "exit 7", 7 }, { "kill -9 $$", 137 }, { "exit 0", 0 } };
    int status;

    mark_of(mark);
    setenv("AKSSL_RUN", mark, 1);
    snprintf(number, sizeof number, "%ld", (long)getpid());
    for (size_t i = 0; i < 3; i++) {
        pid_t pid = fork();

        argv[3] = (char *)rows[i].script;
        if (pid == 0)
            _exit(ak_guard(argv));
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFEXITED(status));
        ck_assert_int_eq(WEXITSTATUS(status), rows[i].code);
    }
}
END_TEST

AK_TEST_MAIN(AK_CASE(found_by_mark), AK_CASE(orphans_are_reaped),
             AK_CASE(guarded_dies_with_the_parent), AK_CASE(guard_passes_the_code_on))
