// daemon/guard.c -- the parent of mpirun, which outlives the daemon just long enough.

#include "daemon/guard.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/process.h"
#include "proto/base/clock.h"

enum { GRACE_MS = 4000, LEFTOVER_MS = 1500 };

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

static int wait_for(pid_t child, const sigset_t *signals)
{
    const struct timespec pause = { .tv_nsec = 200 * 1000000L };
    int64_t kill_at = 0;
    int status = 0;

    while (!reap(child, &status)) {
        int signal = sigtimedwait(signals, NULL, &pause);

        if (signal > 0 && signal != SIGCHLD && !kill_at) {
            kill(child, SIGTERM);
            kill_at = ak_clock_ns() + GRACE_MS * INT64_C(1000000);
        }
        if (kill_at && ak_clock_ns() > kill_at)
            kill(child, SIGKILL);
    }
    return status;
}

int ak_guard(char **argv)
{
    pid_t parent = argv[0] ? (pid_t)strtol(argv[0], NULL, 10) : 0, child;
    const char *mark = getenv("AKSSL_RUN");
    sigset_t signals;
    int status;

    if (parent <= 1 || !argv[1] || !mark) {
        fprintf(stderr, "akssld: --guard is for akssld alone\n");
        return 2;
    }
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        return 1; // it died before the kernel knew
    child = start(argv + 1, &signals);
    if (child < 0) {
        fprintf(stderr, "akssld: no process for the run: %s\n", strerror(errno));
        return 126;
    }
    status = wait_for(child, &signals);
    if (getppid() != parent) // else the daemon looks after what is left
        ak_process_end_marked(mark, LEFTOVER_MS);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
