// worker/train/slices.h -- which floats of the model's flat vector are whose.
//
// The vector is cut in buckets, the last of which may be short; each bucket is shared out among the
// ranks, at multiples of a block.  A rank's slice is its stretch of each bucket, one behind the
// other.  So all ranks have work with every bucket, and what happens to one (summed over ranks in
// exchange.h) need not wait for others.  No number depends on where the cuts are.

#ifndef AK_TRAIN_SLICES_H
#define AK_TRAIN_SLICES_H

#include "worker/comm/comm.h"

typedef struct ak_slices {
    int rank, ranks, buckets;
    int64_t bucket; // floats of each but the last
    int64_t *cut;   // [buckets * ranks + 1]: rank r has [cut[i], cut[i + 1]) with i = b * ranks + r
    int64_t *at;    // [buckets + 1]: where the stretch of bucket b begins in this rank's slice
} ak_slices;

// A stretch of this rank's slice, in the flat vector and in the slice.
typedef struct ak_stretch {
    int64_t from, to, at;
} ak_stretch;

// ak_slices_init shares out `size` floats; bucket is a multiple of block.
void ak_slices_init(ak_slices *slices, int64_t size, int rank, int ranks, int64_t bucket,
                    int64_t block);
void ak_slices_fini(ak_slices *slices); // fine on zeros

int64_t ak_slices_own(const ak_slices *slices); // floats of this rank's slice

ak_stretch ak_slices_stretch(const ak_slices *slices, int bucket);

// ak_slices_gather hands the whole vector to rank 0 in its order, from every rank's slice, as
// ak_comm_gather_to_0 does.  Collective.
akssl_status ak_slices_gather(const ak_slices *slices, ak_comm *comm, const float *mine,
                              ak_comm_take take, void *ctx) AKSSL_MUST_CHECK;

#endif
