// daemon/result.c -- result.json: how a job ended.

#include "daemon/result.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "daemon/files.h"
#include "proto/base/error.h"

// A metric's name is flat, as it was reported: "after.knn.top1".
static json_t *results(const ak_figures *figures)
{
    json_t *object = json_object();

    for (size_t i = 0; figures->report && i < figures->report->n_results; i++) {
        const Akssl__V1__Metric *m = figures->report->results[i];

        json_object_set_new(object, m->name,
                            isfinite(m->value) ? json_real(m->value) : json_null());
    }
    return object;
}

static json_t *describe(const ak_job *job)
{
    json_t *object = json_object();
    int64_t start = job->started_ms ? job->started_ms : job->ended_ms;

    json_object_set_new(object, "id", json_integer(job->id));
    json_object_set_new(object, "state", json_string(ak_job_state_text(job->state)));
    json_object_set_new(object, "reason", json_string(job->reason));
    json_object_set_new(object, "results", results(&job->figures));
    json_object_set_new(object, "steps", json_integer(ak_figures_step(&job->figures)));
    json_object_set_new(object, "restarts", json_integer(job->restarts));
    json_object_set_new(object, "seconds", json_real((double)(job->ended_ms - start) / 1000));
    json_object_set_new(object, "weights", json_string(job->weights));
    return object;
}

akssl_status ak_result_write(const ak_job *job, const char *folder)
{
    json_t *object = describe(job);
    char *text = json_dumps(object, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    char *path = ak_path("%s/result.json", folder);
    akssl_status rc;

    json_decref(object);
    if (text) {
        text = realloc(text, strlen(text) + 2);
        strcat(text, "\n");
        rc = ak_files_write(path, text, strlen(text));
    } else {
        rc = ak_fail(AKSSL_ERR_NO_MEMORY, "file '%s': no memory to write it", path);
    }
    free(text);
    free(path);
    return rc;
}
