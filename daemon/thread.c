// daemon/thread.c -- a thread that nobody waits for.

#include "daemon/thread.h"

#include <pthread.h>
#include <signal.h>

#include "proto/base/error.h"

enum { STACK = 1 << 19 };

akssl_status ak_thread_start(void *(*run)(void *ctx), void *ctx)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, before;
    int rc;

    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&thread, &attributes, run, ctx);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return rc ? ak_fail(AKSSL_ERR_LIMIT, "akssld can start no thread: raise its limit of tasks")
              : AKSSL_OK;
}
