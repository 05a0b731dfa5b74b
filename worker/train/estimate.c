// worker/train/estimate.c -- what a job will take, before it runs.

#include "worker/train/estimate.h"

#include <inttypes.h>
#include <string.h>

#include "worker/train/classify.h"
#include "worker/train/machine.h"
#include "worker/train/trainer.h"

// One shard's graph, recorded and planned but never run: its memory counts for every shard.
akssl_status ak_estimate(const ak_spec *spec, int64_t images, ak_str *text)
{
    int64_t steps = images / spec->batch * spec->epochs, bytes, parameters;
    ak_trainer *trainer;
    akssl_status rc;
    ak_comm *comm;
    ak_spec one;

    if (strcmp(spec->kind, "pretrain") != 0) {
        ak_str_format(text, "%s of %" PRId64 " images", spec->kind, images);
        if (ak_classify_is(spec->kind))
            ak_str_format(text, ", %" PRId64 " steps", steps);
        return AKSSL_OK;
    }
    rc = ak_comm_open(&comm);
    if (rc < 0)
        return rc;
    rc = ak_machine_sample(&one, spec);
    if (rc == AKSSL_OK)
        rc = ak_trainer_new(&trainer, &one, comm);
    if (rc == AKSSL_OK) {
        parameters = trainer->model.trained_size;
        bytes = ak_graph_bytes(trainer->graph) * spec->shards + parameters * 28;
        ak_str_format(text,
                      "%" PRId64 " steps, %.1f million parameters, about %.2f GiB of memory over "
                      "all ranks",
                      steps, (double)parameters * 1e-6, (double)bytes / (1 << 30));
        ak_trainer_free(trainer);
    }
    ak_spec_fini(&one);
    ak_comm_close(comm);
    return rc;
}
