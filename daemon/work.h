// daemon/work.h -- a piece of work on libuv's thread pool, with its failure's sentence.

#ifndef AK_DAEMON_WORK_H
#define AK_DAEMON_WORK_H

#include <uv.h>

#include "akssl/status.h"

// run is called on a pool thread, then done on the loop thread with what run returned and the
// sentence that it left (the stored sentence is per thread).  done is always called, once.
typedef akssl_status (*ak_work_run)(void *ctx);
typedef void (*ak_work_done)(void *ctx, akssl_status rc, const char *error);

// ak_work_start queues it; a loop that cannot take it calls done at once.  Loop thread only.
void ak_work_start(uv_loop_t *loop, ak_work_run run, ak_work_done done, void *ctx);

#endif
