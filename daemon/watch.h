// daemon/watch.h -- the calls of Watch: a first event at once, then one for every change.
//
// A new state is sent at once; progress at most four times a second; nothing while the caller is
// behind, and then the newest.  A watch ends with the event of the state that ends the job.
// Loop thread only.

#ifndef AK_DAEMON_WATCH_H
#define AK_DAEMON_WATCH_H

#include <uv.h>

#include "daemon/job.h"
#include "proto/rpc/server.h"

enum { AK_WATCH_PERIOD_MS = 250 };

typedef struct ak_watches ak_watches;

// find gives the job with an id while it has not ended, or NULL.
ak_watches *ak_watches_new(uv_loop_t *loop, const char *state_dir,
                           ak_job *(*find)(void *ctx, int64_t id), void *ctx);

// ak_watches_free ends every watch (ERR_UNAVAILABLE); NULL-safe.
void ak_watches_free(ak_watches *watches);

// ak_watches_add answers call with events of job; a job that has ended has just one.
void ak_watches_add(ak_watches *watches, ak_call *call, const ak_job *job);

// ak_watches_drained and ak_watches_ended pass on what the transport says of a call.
void ak_watches_drained(ak_watches *watches, ak_call *call);
void ak_watches_ended(ak_watches *watches, ak_call *call);

// ak_watches_changed tells the watches of job; moved: its state or reason, not only its progress.
void ak_watches_changed(ak_watches *watches, const ak_job *job, bool moved);

#endif
