// daemon/queue.h -- the jobs that wait: their turn, what keeps them, how people change it.
//
// Who waits is who is QUEUED; there is no other list.  ak_control_schedule asks the scheduler
// (scheduler.h) after everything that may change its answer, and carries it out.  Loop thread only.

#ifndef AK_DAEMON_QUEUE_H
#define AK_DAEMON_QUEUE_H

#include "daemon/control.h"

// ak_queue_hold keeps a QUEUED job from starting (hold), or lets it go; a PAUSED one is held, or
// not, once it is resumed.  ERR_STATE for others.
akssl_status ak_queue_hold(ak_daemon *d, int64_t id, bool hold,
                           void (*seen)(void *ctx, const ak_job *job), void *ctx) AKSSL_MUST_CHECK;

// ak_queue_requeue has a job that runs commit, and wait for its turn again.  ERR_STATE for others.
akssl_status ak_queue_requeue(ak_daemon *d, int64_t id, void (*seen)(void *ctx, const ak_job *job),
                              void *ctx) AKSSL_MUST_CHECK;

// ak_queue_check_after says whether a job may wait for these: they are there, and older than id
// (0: a new one), so that none waits for itself.
akssl_status ak_queue_check_after(ak_daemon *d, const ak_terms *terms, int64_t id) AKSSL_MUST_CHECK;

// ak_queue_reason says why a QUEUED job waits, in a sentence that starts with one of Resources,
// Priority, Dependency and Held; what its own reason says comes after it.  Yours to free; NULL
// when there is nothing to add to the reason.
char *ak_queue_reason(const ak_job *job);

// ak_queue_forecast says in how many milliseconds a job like this one would start if it were
// submitted now; AK_SCHEDULE_NEVER when nobody knows.
int64_t ak_queue_forecast(ak_daemon *d, const ak_job *job);

#endif
