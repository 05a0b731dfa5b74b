// daemon/thread.h -- a thread that nobody waits for.

#ifndef AK_DAEMON_THREAD_H
#define AK_DAEMON_THREAD_H

#include "akssl/status.h"

// ak_thread_start runs run(ctx) on a thread of its own, which hears no signals; akssld's end does
// not wait for it.  ERR_LIMIT when the system gives none.
akssl_status ak_thread_start(void *(*run)(void *ctx), void *ctx) AKSSL_MUST_CHECK;

#endif
