// daemon/guard.c -- the parent of mpirun, which outlives the daemon.

#include "daemon/guard.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/files.h"
#include "daemon/process.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"

enum { GRACE_S = 4, MAX_GRACE_S = 600, LEAVE_MS = 1000, LEFTOVER_MS = 1500, MAX_EXIT = 64 };

// ---- the scratch folder: OpenMPI 4.1's names, then 5.0's

static char *scratch_of(const char *run)
{
    return ak_path("/dev/shm/akssl-%s", run);
}

static void make_scratch(const char *run)
{
    static const char *const names[] = { "OMPI_MCA_btl_vader_backing_directory",
                                         "OMPI_MCA_btl_sm_backing_directory",
                                         "OMPI_MCA_osc_sm_backing_directory",
                                         "OMPI_MCA_orte_tmpdir_base", "PRTE_MCA_prte_tmpdir_base" };
    char *folder = scratch_of(run);

    if (mkdir(folder, 0700) == 0) // else OpenMPI's own places do
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            setenv(names[i], folder, 0);
    free(folder);
}

void ak_guard_clean(const char *run)
{
    char *folder = scratch_of(run);

    if (access(folder, F_OK) == 0 && ak_files_remove(folder) < 0)
        fprintf(stderr, "akssld: %s\n", ak_error_text());
    free(folder);
}

// ---- how it ended

static akssl_status write_exit(const char *path, int status)
{
    char text[MAX_EXIT];
    int n = snprintf(text, sizeof text, "code %d signal %d\n",
                     WIFEXITED(status) ? WEXITSTATUS(status) : 0,
                     WIFSIGNALED(status) ? WTERMSIG(status) : 0);

    return ak_files_write(path, text, (size_t)n);
}

akssl_status ak_guard_read_exit(const char *path, int *code, int *signal)
{
    ak_str text = AK_STR_INIT;
    int used = 0;
    akssl_status rc;

    if (access(path, F_OK) < 0 && errno == ENOENT)
        return AKSSL_ERR_NOT_FOUND;
    rc = ak_files_read(path, MAX_EXIT, &text);
    if (rc == AKSSL_OK &&
        (!text.length || sscanf(text.text, "code %d signal %d\n%n", code, signal, &used) != 2 ||
         !used))
        rc = ak_fail(AKSSL_ERR_CORRUPT, "'%s' does not say how a run ended", path);
    ak_str_fini(&text);
    return rc;
}

// ---- the command

static pid_t start(char **command, const sigset_t *signals)
{
    pid_t guard = getpid(), child = fork();

    if (child)
        return child;
    prctl(PR_SET_PDEATHSIG, SIGTERM); // one thread, one signal
    if (getppid() != guard)
        _exit(1);
    sigprocmask(SIG_UNBLOCK, signals, NULL);
    execv(command[0], command);
    fprintf(stderr, "akssld: '%s' cannot be started: %s\n", command[0], strerror(errno));
    _exit(127);
}

// reap takes what has ended, orphaned ranks too; true when child is among it.
static bool reap(pid_t child, int *status)
{
    bool found = false;
    pid_t pid;
    int any;

    while ((pid = waitpid(-1, &any, WNOHANG)) > 0) {
        if (pid != child)
            continue;
        *status = any;
        found = true;
    }
    return found;
}

static int64_t grace_ns(void)
{
    const char *text = getenv("AKSSL_GRACE");
    long seconds = text ? strtol(text, NULL, 10) : 0;

    if (seconds < 1 || seconds > MAX_GRACE_S)
        seconds = GRACE_S;
    return seconds * INT64_C(1000000000);
}

// *told: somebody wanted it to end, as a machine that is shut down does with every process.
static int wait_for(pid_t child, const sigset_t *signals, bool *told)
{
    static const struct timespec now = { 0 };
    const struct timespec pause = { .tv_nsec = 200 * 1000000L };
    int64_t kill_at = 0;
    int status = 0, signal;

    while (!reap(child, &status)) {
        signal = sigtimedwait(signals, NULL, &pause);
        if (signal > 0 && signal != SIGCHLD && !kill_at) {
            kill(child, SIGTERM);
            kill_at = ak_clock_ns() + grace_ns();
        }
        if (kill_at && ak_clock_ns() > kill_at)
            kill(child, SIGKILL);
    }
    *told = kill_at;
    while (!*told && (signal = sigtimedwait(signals, NULL, &now)) > 0)
        *told = signal != SIGCHLD; // mpirun got it, too, and was faster
    return status;
}

// let_leave waits for ranks, whose leash ends them: they take along what mpirun leaves.
static void let_leave(const char *mark)
{
    const struct timespec pause = { .tv_nsec = 20 * 1000000L };
    int64_t end = ak_clock_ns() + LEAVE_MS * INT64_C(1000000);

    while (ak_process_signal(mark, 0) > 0 && ak_clock_ns() < end)
        nanosleep(&pause, NULL);
}

static void block_signals(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGHUP);
    sigaddset(signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, signals, NULL);
}

int ak_guard(char **argv)
{
    const char *mark = getenv("AKSSL_RUN");
    sigset_t signals;
    bool told;
    int status;
    pid_t child;

    if (!argv[0] || !argv[1] || !mark || !mark[0] || strchr(mark, '/')) {
        fprintf(stderr, "akssld: --guard is for akssld alone\n");
        return 2;
    }
    block_signals(&signals);
    setsid(); // fails when it leads a group already, as akssld starts it
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    make_scratch(mark);
    child = start(argv + 1, &signals);
    if (child < 0) {
        fprintf(stderr, "akssld: no process for the run: %s\n", strerror(errno));
        ak_guard_clean(mark);
        return 126;
    }
    status = wait_for(child, &signals, &told);
    let_leave(mark);
    ak_process_end_marked(mark, LEFTOVER_MS);
    ak_guard_clean(mark);
    if (write_exit(argv[0], told ? 0 : status) < 0)
        fprintf(stderr, "akssld: %s\n", ak_error_text());
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
