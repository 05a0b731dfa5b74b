// worker/train/seed.h -- a run whose state (queue, prototypes, centre) starts from another job's.
//
// Names must agree, and shapes but for the length of a ring: the newest rows that fit enter, the
// oldest of them first, at the start of the ring; the rest of a longer ring is as in any fresh run.
// What is taken is of step 0 here, and goes on from there as any state.

#ifndef AK_TRAIN_SEED_H
#define AK_TRAIN_SEED_H

#include "proto/spec/spec.h"
#include "worker/method/state.h"

enum { AK_SEED_DIMS = 8 };

// A tensor of the other job; borrowed.
typedef struct ak_seed {
    const char *name;
    int dims;
    int64_t shape[AK_SEED_DIMS];
    int64_t filled, position;
    const float *rows;
} ak_seed;

// ak_seed_find gives the index of the seed called name among count, or -1.
int ak_seed_find(const ak_seed *seeds, int count, const char *name);

// ak_seed_take gives state the seed of its name among count.  ERR_INVALID, naming the tensor and
// both shapes, when there is none or it does not fit; then nothing has changed.
akssl_status ak_seed_take(ak_state *state, const ak_seed *seeds, int count) AKSSL_MUST_CHECK;

// ak_seed_check says whether the file at path, a job's state.safetensors, would serve a run of
// spec: each tensor that its method holds is there and fits, and there is none besides.
akssl_status ak_seed_check(const ak_spec *spec, const char *path) AKSSL_MUST_CHECK;

#endif
