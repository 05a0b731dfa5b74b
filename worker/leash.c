// worker/leash.c -- a rank dies with the mpirun that started it.

#include "worker/leash.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LOOK_MS = 250 };

static void *watch(void *arg)
{
    pid_t parent = (pid_t)(intptr_t)arg;
    struct pollfd end = { .fd = (int)syscall(SYS_pidfd_open, parent, 0), .events = POLLIN };

    // poll's time-out serves a kernel without pidfd.
    while (getppid() == parent && poll(&end, 1, end.fd < 0 ? LOOK_MS : LOOK_MS * 40) <= 0)
        continue;
    kill(getpid(), SIGKILL);
    return NULL;
}

void ak_leash_start(void)
{
    pthread_t thread;
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before); // signals are for the others
    if (pthread_create(&thread, NULL, watch, (void *)(intptr_t)getppid()) == 0)
        pthread_detach(thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}
