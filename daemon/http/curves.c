// daemon/http/curves.c -- /api/jobs/ID/curves: what a job has reported over its steps
// (?points=300).

#include <stdlib.h>

#include "daemon/control.h"
#include "daemon/files.h"
#include "daemon/http/describe.h"
#include "daemon/http/route.h"
#include "daemon/http/series.h"

enum { DEFAULT_POINTS = 300 };

static akssl_status look(ak_ask *ask)
{
    const ak_job *job;
    ak_job *stored;
    akssl_status rc =
        ak_ask_number(ask, "points", DEFAULT_POINTS, 2, AK_SERIES_POINTS, &ask->numbers[0]);

    if (rc == AKSSL_OK)
        rc = ak_control_find(ask->d, ask->job, &job, &stored);
    if (rc < 0)
        return rc;
    ask->path = ak_control_folder(ask->d, ask->job);
    ak_job_free(stored);
    return AKSSL_OK;
}

static akssl_status work(ak_ask *ask)
{
    char *metrics = ak_path("%s/metrics.jsonl", ask->path);
    char *evaluations = ak_path("%s/evaluations.jsonl", ask->path);
    json_t *series = json_object(), *object = json_object();
    akssl_status rc = ak_series_read(metrics, ask->numbers[0], series);

    json_object_set_new(object, "series", series);
    if (rc == AKSSL_OK)
        rc = ak_series_read(evaluations, ask->numbers[0], series);
    free(evaluations);
    free(metrics);
    if (rc == AKSSL_OK)
        return ak_describe_put(object, &ask->body);
    json_decref(object);
    return rc;
}

const ak_route ak_route_curves = {
    .path = "/api/jobs/#/curves",
    .type = "application/json",
    .access = AK_ACCESS_READ,
    .look = look,
    .work = work,
};
