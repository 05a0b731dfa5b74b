// daemon/tail.h -- the calls of Logs: a job's log in pieces, to its end or on and on.
//
// Loop thread only; a log is read a few pieces at a time, so that a long one holds nobody up.

#ifndef AK_DAEMON_TAIL_H
#define AK_DAEMON_TAIL_H

#include <uv.h>

#include "daemon/job.h"
#include "proto/rpc/server.h"

enum { AK_TAIL_PIECE = 64 << 10, AK_TAIL_PERIOD_MS = 200, AK_TAIL_PIECES = 16 };

typedef struct ak_tails ak_tails;

// active says whether a job has not ended.
ak_tails *ak_tails_new(uv_loop_t *loop, bool (*active)(void *ctx, int64_t id), void *ctx);

// ak_tails_free ends every call (ERR_UNAVAILABLE); NULL-safe.
void ak_tails_free(ak_tails *tails);

// ak_tails_add answers call with the file at path, which may not be there yet; follow: until job
// has ended.
void ak_tails_add(ak_tails *tails, ak_call *call, const char *path, int64_t job, bool follow);

void ak_tails_drained(ak_tails *tails, ak_call *call);
void ak_tails_ended(ak_tails *tails, ak_call *call);

#endif
