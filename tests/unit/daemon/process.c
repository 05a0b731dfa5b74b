// tests/unit/daemon/process.c -- tests daemon/process.c and guard.c.

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/files.h"
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

START_TEST(what_cannot_be_looked_at_may_be_there)
{
    struct rlimit limit, none;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = 3;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    ck_assert_int_eq(ak_process_signal("a mark that nothing has", 0), 1);
    none.rlim_cur = 6; // enough for the list
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    ck_assert_int_ge(ak_process_signal("a mark that nothing has", 0), 0);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_int_eq(ak_process_signal("a mark that nothing has", 0), 0);
}
END_TEST

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

// A guard as the daemon starts it, in a parent of its own that can be killed; *guard is its id.
static pid_t guarded(const char *mark, const char *exit_file, const char *script, pid_t *guard)
{
    int ends[2];
    pid_t parent;

    ck_assert_int_eq(pipe(ends), 0);
    parent = fork();
    if (parent == 0) {
        char *argv[] = { (char *)exit_file, (char *)"/bin/sh", (char *)"-c", (char *)script, NULL };
        pid_t child;

        setenv("AKSSL_RUN", mark, 1);
        child = fork();
        if (child == 0) // marked by its own exec only: the guard is not, being a fork
            _exit(ak_guard(argv));
        if (write(ends[1], &child, sizeof child) != sizeof child)
            _exit(1);
        for (;;)
            pause();
    }
    ck_assert_int_eq(read(ends[0], guard, sizeof *guard), sizeof *guard);
    close(ends[0]);
    close(ends[1]);
    return parent;
}

// The command leaves at once on SIGTERM, as mpirun does on its second: its rank stays.
static const char stubborn[] = "setsid sleep 60 & trap 'exit 5' TERM; while :; do sleep 0.05; done";

static void wait_running(const char *mark)
{
    for (int i = 0; i < 500 && ak_process_signal(mark, 0) < 2; i++)
        pause_ms(10);
    pause_ms(200); // the trap is set
    ck_assert_int_ge(ak_process_signal(mark, 0), 2);
}

static void exit_file_of(char path[96])
{
    snprintf(path, 96, "/tmp/akssl-exit-%ld-%lld", (long)getpid(), (long long)ak_clock_ns());
}

static void expect_exit(const char *path, int code, int signal)
{
    int c = -1, s = -1;

    ck_assert_int_eq(ak_guard_read_exit(path, &c, &s), 0);
    ck_assert(c == code && s == signal);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(ak_guard_read_exit(path, &c, &s), AKSSL_ERR_NOT_FOUND);
}

START_TEST(a_guard_outlives_its_parent)
{
    char mark[40], path[96], scratch[96];
    pid_t parent, guard;

    mark_of(mark);
    exit_file_of(path);
    snprintf(scratch, sizeof scratch, "/dev/shm/akssl-%s", mark);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    parent = guarded(mark, path, stubborn, &guard);
    wait_running(mark);
    kill(parent, SIGKILL);
    ck_assert_int_eq(waitpid(parent, NULL, 0), parent);
    pause_ms(500);
    ck_assert_int_ge(ak_process_signal(mark, 0), 2);
    ck_assert_int_eq(access("/dev/shm", W_OK) == 0, access(scratch, F_OK) == 0);
    for (int i = 0; i < 3; i++)
        kill(guard, SIGTERM);
    ck_assert_int_eq(waitpid(guard, NULL, 0), guard);
    ck_assert_int_eq(ak_process_signal(mark, 0), 0);
    ck_assert_int_ne(access(scratch, F_OK), 0);
    expect_exit(path, 0, 0); // it was told to end: no crash
}
END_TEST

START_TEST(a_command_dies_with_its_guard)
{
    char mark[40], path[96];
    pid_t parent, guard;
    int code, signal;

    mark_of(mark);
    exit_file_of(path);
    parent = guarded(mark, path, "trap 'exit 5' TERM; while :; do sleep 0.05; done", &guard);
    for (int i = 0; i < 500 && !ak_process_signal(mark, 0); i++)
        pause_ms(10);
    pause_ms(200);
    kill(guard, SIGKILL);
    wait_count(mark, 0);
    ck_assert_int_eq(ak_guard_read_exit(path, &code, &signal), AKSSL_ERR_NOT_FOUND);
    kill(parent, SIGKILL);
    ck_assert_int_eq(waitpid(parent, NULL, 0), parent);
    ak_guard_clean(mark);
}
END_TEST

START_TEST(guard_passes_the_code_on)
{
    char mark[40], path[96];
    char *argv[] = { path, (char *)"/bin/sh", (char *)"-c", NULL, NULL };
    static const struct {
        const char *script;
        int code, written, signal;
    } rows[] = { { "exit 7", 7, 7, 0 }, { "kill -9 $$", 137, 0, 9 }, { "exit 0", 0, 0, 0 } };
    int status;

    mark_of(mark);
    exit_file_of(path);
    setenv("AKSSL_RUN", mark, 1);
    for (size_t i = 0; i < 3; i++) {
        pid_t pid = fork();

        argv[3] = (char *)rows[i].script;
        if (pid == 0)
            _exit(ak_guard(argv));
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFEXITED(status));
        ck_assert_int_eq(WEXITSTATUS(status), rows[i].code);
        expect_exit(path, rows[i].written, rows[i].signal);
    }
}
END_TEST

START_TEST(an_exit_that_says_nothing)
{
    static const char *const texts[] = { "", "code 1", "code x signal 0\n", "signal 9 code 0\n" };
    char path[96];
    int code, signal;

    exit_file_of(path);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        ck_assert_int_eq(ak_files_write(path, texts[i], strlen(texts[i])), 0);
        ck_assert_int_eq(ak_guard_read_exit(path, &code, &signal), AKSSL_ERR_CORRUPT);
    }
    ck_assert_int_eq(unlink(path), 0);
}
END_TEST

AK_TEST_MAIN(AK_CASE(found_by_mark), AK_CASE(what_cannot_be_looked_at_may_be_there),
             AK_CASE(orphans_are_reaped), AK_CASE(a_guard_outlives_its_parent),
             AK_CASE(a_command_dies_with_its_guard), AK_CASE(guard_passes_the_code_on),
             AK_CASE(an_exit_that_says_nothing))
