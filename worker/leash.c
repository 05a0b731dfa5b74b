// worker/leash.c -- a rank dies with the mpirun that started it, and with its run.

#include "worker/leash.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proto/base/alloc.h"
#include "worker/leftover.h"

enum { LOOK_MS = 250, RUN_MS = 1000, MISSES = 2 };

typedef struct leash {
    pid_t parent;
    char *secret_file; // a copy: the caller's may go before the process does
    bool had;          // it was there
    int misses;        // looks since then that it was not
} leash;

// Opened, not looked up: NFS asks the server then.
static bool is_over(leash *l)
{
    int fd = l->secret_file[0] ? open(l->secret_file, O_RDONLY | O_CLOEXEC) : -1;

    if (fd >= 0) {
        close(fd);
        l->had = true;
        l->misses = 0;
    } else if (l->had && (errno == ENOENT || errno == ENOTDIR)) {
        l->misses++;
    }
    return l->misses >= MISSES;
}

static void *watch(void *arg)
{
    leash *l = arg;
    struct pollfd end = { .fd = (int)syscall(SYS_pidfd_open, l->parent, 0), .events = POLLIN };

    // getppid serves a kernel without pidfd.
    while (getppid() == l->parent && !is_over(l) &&
           poll(&end, 1, end.fd < 0 ? LOOK_MS : RUN_MS) <= 0)
        continue;
    ak_leftover_remove();
    kill(getpid(), SIGKILL);
    return NULL;
}

void ak_leash_start(const char *secret_file)
{
    leash *l = ak_alloc(1, sizeof *l); // the thread's, which ends with the process
    pthread_t thread;
    sigset_t all, before;

    l->parent = getppid();
    l->secret_file = ak_strdup(secret_file);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before); // signals are for the others
    if (pthread_create(&thread, NULL, watch, l) == 0) {
        pthread_detach(thread);
    } else {
        free(l->secret_file);
        free(l);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}
