// worker/train/slices.c -- which floats of the model's flat vector are whose.

#include "worker/train/slices.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"

void ak_slices_init(ak_slices *s, int64_t size, int rank, int ranks, int64_t bucket, int64_t block)
{
    int buckets = (int)((size + bucket - 1) / bucket);

    *s = (ak_slices){ .rank = rank, .ranks = ranks, .buckets = buckets, .bucket = bucket };
    s->cut = ak_alloc((size_t)(buckets * ranks) + 1, sizeof *s->cut);
    s->at = ak_alloc((size_t)buckets + 1, sizeof *s->at);
    for (int b = 0; b < buckets; b++) {
        int64_t first = b * bucket, end = first + bucket < size ? first + bucket : size;
        int64_t blocks = (end - first + block - 1) / block;

        for (int r = 1; r <= ranks; r++) {
            int64_t to = first + blocks * r / ranks * block;

            s->cut[b * ranks + r] = to < end ? to : end;
        }
        s->at[b + 1] = s->at[b] + s->cut[b * ranks + rank + 1] - s->cut[b * ranks + rank];
    }
}

void ak_slices_fini(ak_slices *s)
{
    free(s->cut);
    free(s->at);
    memset(s, 0, sizeof *s);
}

int64_t ak_slices_own(const ak_slices *s)
{
    return s->at[s->buckets];
}

ak_stretch ak_slices_stretch(const ak_slices *s, int bucket)
{
    const int64_t *cut = s->cut + bucket * s->ranks + s->rank;

    return (ak_stretch){ .from = cut[0], .to = cut[1], .at = s->at[bucket] };
}

akssl_status ak_slices_gather(const ak_slices *s, ak_comm *comm, const float *mine,
                              ak_comm_take take, void *ctx)
{
    akssl_status rc = AKSSL_OK;

    // After a failure the rest is still sent and received, so that no rank waits for ever.
    for (int b = 0; b < s->buckets; b++) {
        akssl_status some =
            ak_comm_gather_to_0(comm, mine + s->at[b], s->cut + b * s->ranks, take, ctx);

        rc = rc < 0 ? rc : some;
    }
    return rc;
}
