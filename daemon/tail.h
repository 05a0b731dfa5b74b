// daemon/tail.h -- the calls of Logs: a job's log in pieces, to its end or on and on.
//
// Loop thread only.  However many calls there are, and however long their logs: of all of them
// together a mebibyte is read in a turn of the loop, so that nobody is held up, and so many bytes
// wait for callers that are slower, in equal shares (each may have one piece).

#ifndef AK_DAEMON_TAIL_H
#define AK_DAEMON_TAIL_H

#include <uv.h>

#include "daemon/job.h"
#include "proto/rpc/server.h"

enum {
    AK_TAIL_PIECE = 64 << 10, // or a share, if that is less
    AK_TAIL_PIECES = 16,      // in a turn
    AK_TAIL_WAITING = 64 << 20,
    AK_TAIL_PERIOD_MS = 200, // between looks for something new
    AK_TAIL_HELD_MS = 20,    // and at whether a caller has taken something
};

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
