// worker/data/ahead.h -- decodes images before they are asked for, in a thread of its own.
//
//     who computes      read step N's images, want(later steps') | compute step N | read N+1's
//     ... this thread                                              | decode those, in turn
//
// The thread is as nice as can be: it takes cores that nobody computes on, and of busy ones next to
// nothing, since what it took there all threads of a step would wait for.  What was not reached in
// time is decoded by who reads it, so that nothing waits for this thread, and no number depends on
// it.  Threads that read and have no image left, while others still have, do the same meanwhile
// (worker/train/loader.c).

#ifndef AK_DATA_AHEAD_H
#define AK_DATA_AHEAD_H

#include "worker/data/dataset.h"

typedef struct ak_ahead ak_ahead;

// ak_ahead_new begins with nothing to do; NULL: the set keeps no images (ak_dataset_keep), or no
// thread is to be had, and all is decoded when it is read.  set outlives it.
ak_ahead *ak_ahead_new(const ak_dataset *set);
void ak_ahead_free(ak_ahead *ahead); // NULL-safe; waits for the image that is being decoded

// ak_ahead_want has these images decoded, in this order, instead of those wanted before that are
// not yet.  They are copied.  One thread; NULL-safe.
void ak_ahead_want(ak_ahead *ahead, const uint32_t *images, int64_t count);

#endif
