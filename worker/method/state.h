// worker/method/state.h -- a rank's replica of a tensor that the coordinator holds.
//
// Either a ring of rows, which every step's rows enter at `position`, or a whole that is replaced
// at once (a centre, learned prototypes).  All ranks change theirs in the same way in the same
// order, so that replicas stay equal; rank 0 sends the changes to the coordinator as well.

#ifndef AK_METHOD_STATE_H
#define AK_METHOD_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "worker/tensor/param.h"

typedef struct ak_state {
    const char *name; // "moco.queue"
    bool whole;       // replaced at once, else a ring
    int64_t length, width;
    float *rows;           // [length][width]
    const ak_param *param; // not NULL: the rows are this parameter's
    int64_t version;       // the step that it is the result of
    int64_t filled;        // rows that came from this run, up to length
    int64_t position;
    int64_t sent;        // version that the coordinator was sent; the session's
    const float *pushed; // the rows of the last push, and how many; the pusher's
    int64_t pushed_count;
} ak_state;

// ak_state_push puts count rows into the ring and counts the version on.  Of more rows than the
// ring has, the last stay.  rows must stay valid until the next step.
void ak_state_push(ak_state *state, const float *rows, int64_t count);

// ak_state_replaced counts the version of a whole on: its rows are those of the step now.
void ak_state_replaced(ak_state *state);

#endif
