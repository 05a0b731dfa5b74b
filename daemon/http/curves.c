// daemon/http/curves.c -- /api/jobs/ID/curves: what a job has reported over its steps
// (?points=300).

#include <stdlib.h>

#include "daemon/control.h"
#include "daemon/http/describe.h"
#include "daemon/http/route.h"
#include "daemon/series.h"

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

static json_t *reals(const double *values, int64_t count)
{
    json_t *list = json_array();

    for (int64_t i = 0; i < count; i++)
        json_array_append_new(list, json_real(values[i]));
    return list;
}

// {"step": [...], "mean": [...], "min": [...], "max": [...]}: step is the last of a point's; min
// and max are there where a point has several steps.
static json_t *describe(const ak_series *series)
{
    json_t *object = json_object(), *step = json_array();

    for (int64_t i = 0; i < series->count; i++)
        json_array_append_new(step, json_integer(series->step[i]));
    json_object_set_new(object, "step", step);
    json_object_set_new(object, "mean", reals(series->mean, series->count));
    if (series->several) {
        json_object_set_new(object, "min", reals(series->least, series->count));
        json_object_set_new(object, "max", reals(series->greatest, series->count));
    }
    return object;
}

static akssl_status work(ak_ask *ask)
{
    ak_series_list list = { 0 };
    akssl_status rc = ak_series_of_job(ask->path, ask->numbers[0], &list);
    json_t *series, *object;

    if (rc == AKSSL_OK) {
        series = json_object();
        object = json_object();
        for (int i = 0; i < list.count; i++)
            json_object_set_new(series, list.at[i].name, describe(&list.at[i]));
        json_object_set_new(object, "series", series);
        rc = ak_describe_put(object, &ask->body);
    }
    ak_series_list_fini(&list);
    return rc;
}

const ak_route ak_route_curves = {
    .path = "/api/jobs/#/curves",
    .type = "application/json",
    .access = AK_ACCESS_READ,
    .look = look,
    .work = work,
};
