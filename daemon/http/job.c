// daemon/http/job.c -- /api/jobs/ID: one job, with its whole spec as YAML.

#include "daemon/control.h"
#include "daemon/http/describe.h"
#include "daemon/http/route.h"

static akssl_status look(ak_ask *ask)
{
    const ak_job *job;
    ak_job *stored;
    json_t *object;
    akssl_status rc = ak_control_find(ask->d, ask->job, &job, &stored);

    if (rc < 0)
        return rc;
    object = ak_describe_job(ask->d, job);
    json_object_set_new(object, "yaml", ak_describe_text(job->yaml ? job->yaml : ""));
    ak_job_free(stored);
    return ak_describe_put(object, &ask->body);
}

const ak_route ak_route_job = {
    .path = "/api/jobs/#",
    .type = "application/json",
    .access = AK_ACCESS_READ,
    .look = look,
};
