// daemon/http/describe.c -- a job as JSON, by the names of client/output.schema.json.

#include "daemon/http/describe.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/wire.h"
#include "proto/base/alloc.h"
#include "proto/base/error.h"

json_t *ak_describe_text(const char *text)
{
    char *clean = ak_str_clean(ak_strdup(text));
    json_t *string = json_string(clean);

    free(clean);
    return string;
}

json_t *ak_describe_real(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

akssl_status ak_describe_put(json_t *object, ak_str *body)
{
    char *text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(9));

    json_decref(object);
    if (!text)
        return ak_fail(AKSSL_ERR_NO_MEMORY, "the answer cannot be written as JSON");
    ak_str_append(body, text);
    ak_str_append(body, "\n");
    free(text);
    return AKSSL_OK;
}

static json_t *values_of(size_t count, Akssl__V1__Metric *const *list)
{
    json_t *object = json_object();

    for (size_t i = 0; i < count; i++)
        json_object_set_new(object, list[i]->name, ak_describe_real(list[i]->value));
    return object;
}

static json_t *progress_of(const Akssl__V1__Progress *p)
{
    json_t *object = json_object(), *warnings = json_array();

    json_object_set_new(object, "step", json_integer(p->step));
    json_object_set_new(object, "total_steps", json_integer(p->total_steps));
    json_object_set_new(object, "epoch", ak_describe_real(p->epoch));
    json_object_set_new(object, "loss", ak_describe_real(p->loss));
    json_object_set_new(object, "lr", ak_describe_real(p->lr));
    json_object_set_new(object, "images_per_s", ak_describe_real(p->images_per_s));
    json_object_set_new(object, "eta_s", ak_describe_real(p->eta_s));
    json_object_set_new(object, "gauges", values_of(p->n_gauges, p->gauges));
    for (size_t i = 0; i < p->n_warnings; i++)
        json_array_append_new(warnings, ak_describe_text(p->warnings[i]));
    json_object_set_new(object, "warnings", warnings);
    return object;
}

static json_t *spec_of(const Akssl__V1__JobSpec *spec)
{
    json_t *object = json_object();

    json_object_set_new(object, "kind", ak_describe_text(spec->kind));
    json_object_set_new(object, "name", ak_describe_text(spec->name));
    json_object_set_new(object, "method", ak_describe_text(spec->method));
    json_object_set_new(object, "backbone", ak_describe_text(spec->backbone));
    json_object_set_new(object, "dataset", ak_describe_text(spec->dataset));
    json_object_set_new(object, "priority", json_integer(spec->priority));
    return object;
}

static json_t *time_of(int has, int64_t ms)
{
    return has ? json_integer(ms) : json_null();
}

json_t *ak_describe_job(const ak_daemon *d, const ak_job *job)
{
    json_t *object = json_object();
    const Akssl__V1__Job *m;
    ak_wire wire;

    ak_wire_job(&wire, job, d->config->state_dir, AK_WIRE_BRIEF_SPEC);
    m = &wire.job;
    json_object_set_new(object, "id", json_integer(m->id));
    json_object_set_new(object, "state", json_string(m->state));
    json_object_set_new(object, "reason", ak_describe_text(m->reason));
    json_object_set_new(object, "owner", ak_describe_text(m->owner));
    json_object_set_new(object, "spec", spec_of(m->spec));
    json_object_set_new(object, "progress", m->progress ? progress_of(m->progress) : json_null());
    json_object_set_new(object, "submitted_ms", time_of(m->has_submitted_ms, m->submitted_ms));
    json_object_set_new(object, "started_ms", time_of(m->has_started_ms, m->started_ms));
    json_object_set_new(object, "ended_ms", time_of(m->has_ended_ms, m->ended_ms));
    json_object_set_new(object, "restarts", json_integer(m->restarts));
    json_object_set_new(object, "committed_step",
                        time_of(m->committed_step >= 0, m->committed_step));
    json_object_set_new(object, "ranks", json_integer(m->ranks));
    json_object_set_new(object, "held", json_boolean(m->held));
    json_object_set_new(object, "elapsed_s", ak_describe_real(m->elapsed_s));
    json_object_set_new(object, "results", values_of(m->n_results, m->results));
    ak_wire_fini(&wire);
    return object;
}
