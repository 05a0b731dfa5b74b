// worker/method/state.h -- a rank's replica of a tensor that the coordinator holds.
//
// A ring of rows: every step's rows enter at `position`.  All ranks push the same rows in the same
// order, so that replicas stay equal; rank 0 sends them to the coordinator as well.

#ifndef AK_METHOD_STATE_H
#define AK_METHOD_STATE_H

#include <stdint.h>

typedef struct ak_state {
    const char *name; // "moco.queue"
    int64_t length, width;
    float *rows;     // [length][width]
    int64_t version; // the step that it is the result of
    int64_t filled;  // rows that came from this run, up to length
    int64_t position;
} ak_state;

// ak_state_push puts count rows into the ring and counts the version on.
void ak_state_push(ak_state *state, const float *rows, int64_t count);

#endif
