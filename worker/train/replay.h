// worker/train/replay.h -- training steps on given views from given weights: proof of parity.

#ifndef AK_TRAIN_REPLAY_H
#define AK_TRAIN_REPLAY_H

#include <stdint.h>

#include "proto/spec/spec.h"
#include "worker/comm/comm.h"

typedef struct ak_replay {
    const char *init;  // safetensors with the weights, or "" for seeded ones
    const char *views; // safetensors with stepT.view0, stepT.view1: [B,3,S,S]; "" if steps is 0
    const char *out;   // safetensors to write
    int64_t steps;
} ak_replay;

// ak_replay_run takes the steps of a checked spec, at its constant learning-rate schedule's rates,
// the method's own schedules (momentum, temperature) standing at their start,
// and has rank 0 write `loss` [steps], `grad.NAME` of the last step, every parameter after it, and
// the method's state.  Image size and batch must be the views'.  Collective.
akssl_status ak_replay_run(const ak_replay *replay, const ak_spec *spec,
                           ak_comm *comm) AKSSL_MUST_CHECK;

#endif
