// worker/train/estimate.c -- what a job will take, before it runs.

#include "worker/train/estimate.h"

#include <inttypes.h>
#include <string.h>

#include "worker/train/classify.h"
#include "worker/train/commit.h"
#include "worker/train/loader.h"
#include "worker/train/machine.h"
#include "worker/train/trainer.h"

enum { FEW = 4 }; // images of a graph that is built to be measured

typedef struct size {
    int64_t images, bytes, parameters; // of one shard's graph; of the network
    int64_t kept;                      // bytes of rank 0, for commits
} size;

// The state as the coordinator has it, and as it was at a commit.
static int64_t state_size(const ak_trainer *trainer)
{
    int64_t values = 0;

    for (int i = 0; i < trainer->state_count; i++)
        values += trainer->states[i]->length * trainer->states[i]->width;
    return 2 * values * (int64_t)sizeof(float);
}

// A shard's graph of so many images, recorded and planned but never run.
static akssl_status measure(size *out, const ak_spec *spec, int64_t images, ak_comm *comm)
{
    ak_trainer *trainer;
    ak_spec one;
    akssl_status rc = ak_machine_sample(&one, spec, images);

    if (rc == AKSSL_OK)
        rc = ak_trainer_new(&trainer, &one, comm);
    if (rc == AKSSL_OK) {
        *out = (size){ .images = one.batch,
                       .bytes = ak_graph_bytes(trainer->graph),
                       .parameters = trainer->model.trained_size,
                       .kept = ak_commit_size(trainer) + state_size(trainer) };
        ak_trainer_free(trainer);
    }
    ak_spec_fini(&one);
    return rc;
}

// The whole shard's, by two small graphs: memory grows by as much with each image.
static akssl_status extrapolate(size *out, const ak_spec *spec, ak_comm *comm)
{
    int64_t images = spec->batch / spec->shards;
    size few;
    akssl_status rc = measure(&few, spec, FEW, comm);

    if (rc == AKSSL_OK)
        rc = measure(out, spec, 2 * FEW, comm);
    if (rc == AKSSL_OK && images > out->images)
        out->bytes +=
            (out->bytes - few.bytes) / (out->images - few.images) * (images - out->images);
    return rc;
}

akssl_status ak_estimate(const ak_spec *spec, const ak_train_set *train, ak_str *text)
{
    int64_t steps = train->images / spec->batch * spec->epochs;
    akssl_status rc;
    ak_comm *comm;
    size shard;

    if (strcmp(spec->kind, "pretrain") != 0) {
        ak_str_format(text, "%s of %" PRId64 " images", spec->kind, train->images);
        if (ak_classify_is(spec->kind))
            ak_str_format(text, ", %" PRId64 " steps", steps);
        return AKSSL_OK;
    }
    rc = ak_comm_open(&comm);
    if (rc < 0)
        return rc;
    rc = extrapolate(&shard, spec, comm);
    if (rc == AKSSL_OK)
        ak_str_format(text,
                      "%" PRId64 " steps, %.1f million parameters, about %.2f GiB of memory over "
                      "all ranks",
                      steps, (double)shard.parameters * 1e-6,
                      (double)(shard.bytes * spec->shards + shard.parameters * 28 + shard.kept) /
                          (1 << 30));
    if (rc == AKSSL_OK && train->decoded)
        ak_str_format(text, " and up to %.2f GiB for decoded images",
                      (double)AK_LOADER_KEPT / (1 << 30));
    ak_comm_close(comm);
    return rc;
}
