// daemon/http/state.c -- /api/jobs/ID/state: the tensors that akssld holds for a job, in numbers:
// of a run as it is now, else of the last commit.

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/control.h"
#include "daemon/files.h"
#include "daemon/http/describe.h"
#include "daemon/http/route.h"
#include "daemon/run.h"
#include "daemon/state/insight.h"
#include "proto/base/error.h"

enum { BATCH }; // of ask->numbers

static akssl_status look(ak_ask *ask)
{
    const ak_job *job;
    ak_job *stored;
    char *folder;
    akssl_status rc;

    if (ask->d->inquiries >= AK_INQUIRIES)
        return ak_fail(AKSSL_ERR_LIMIT,
                       "akssld looks at %d states of jobs already: try again later", AK_INQUIRIES);
    rc = ak_control_find(ask->d, ask->job, &job, &stored);
    if (rc < 0)
        return rc;
    ask->inquires = true;
    ask->d->inquiries++;
    ask->numbers[BATCH] = job->spec.batch;
    if (job->run && job->run->state) {
        ask->tensors = ak_state_freeze(job->run->state);
    } else if (job->committed_step >= 0) {
        folder = ak_control_folder(ask->d, job->id);
        ask->path = ak_path("%s/commits/step-%" PRId64 "/%s", folder, job->committed_step,
                            AK_COMMIT_STATE_FILE);
        free(folder);
    }
    ak_job_free(stored);
    return AKSSL_OK;
}

static json_t *describe(const ak_state_tensor *tensor, const ak_insight *insight)
{
    json_t *object = json_object(), *shape = json_array();

    for (int i = 0; i < tensor->info.dims; i++)
        json_array_append_new(shape, json_integer(tensor->info.shape[i]));
    json_object_set_new(object, "name", ak_describe_text(tensor->info.name));
    json_object_set_new(object, "shape", shape);
    json_object_set_new(object, "version", json_integer(tensor->info.version));
    json_object_set_new(object, "mean_norm", ak_describe_real(insight->mean_norm));
    json_object_set_new(object, "std", ak_describe_real(insight->std));
    json_object_set_new(object, "effective_rank", ak_describe_real(insight->effective_rank));
    json_object_set_new(object, "occupancy", ak_describe_real(insight->occupancy));
    json_object_set_new(object, "key_age_mean", ak_describe_real(insight->age_mean));
    json_object_set_new(object, "key_age_max", ak_describe_real(insight->age_max));
    return object;
}

// A queue gets a key of each image of the batch in a step.
static int64_t pushed(const ak_ask *ask, const char *name)
{
    const char *end = strrchr(name, '.');

    return end && strcmp(end, ".queue") == 0 ? ask->numbers[BATCH] : 0;
}

static akssl_status work(ak_ask *ask)
{
    json_t *object = json_object(), *list = json_array();
    akssl_status rc = ask->path ? ak_state_read(&ask->tensors, ask->path) : AKSSL_OK;

    json_object_set_new(object, "tensors", list);
    for (int i = 0; rc == AKSSL_OK && ask->tensors && i < ask->tensors->count; i++) {
        const ak_state_tensor *tensor = &ask->tensors->tensors[i];
        ak_insight insight;

        rc = ak_insight_make(&insight, tensor, pushed(ask, tensor->info.name));
        if (rc == AKSSL_OK)
            json_array_append_new(list, describe(tensor, &insight));
    }
    if (rc == AKSSL_OK)
        return ak_describe_put(object, &ask->body);
    json_decref(object);
    return rc;
}

const ak_route ak_route_state = {
    .path = "/api/jobs/#/state",
    .type = "application/json",
    .access = AK_ACCESS_READ,
    .look = look,
    .work = work,
};
