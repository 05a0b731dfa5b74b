// daemon/handler/state.c -- State: the tensors that the coordinator holds for a job, in numbers.
//
// A job that runs is told from a frozen view of what it is now, any other from its last commit.
// The numbers are made on the thread pool: a queue may hold a gigabyte.

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/control.h"
#include "daemon/files.h"
#include "daemon/handler/handler.h"
#include "daemon/run.h"
#include "daemon/state/insight.h"
#include "daemon/work.h"
#include "proto/base/alloc.h"
#include "proto/base/error.h"

enum { METRICS = 13 };

typedef struct inquiry {
    ak_daemon *d;
    ak_call *call;   // NULL: it has ended
    char *path;      // of a commit's state, else NULL
    ak_state *state; // frozen, or read from path; NULL: there is none
    ak_insight insights[AK_STATE_MAX_TENSORS];
    int64_t batch;
    double usage, entropy; // of the prototypes, as the run reported last; NAN
} inquiry;

static bool ends_in(const char *name, const char *word)
{
    const char *end = strrchr(name, '.');

    return end && strcmp(end, word) == 0;
}

// A queue gets a key of each image of the batch in a step.
static int64_t pushed(const inquiry *q, int tensor)
{
    return ends_in(q->state->tensors[tensor].info.name, ".queue") ? q->batch : 0;
}

static akssl_status look(void *ctx)
{
    inquiry *q = ctx;
    akssl_status rc = AKSSL_OK;

    if (q->path)
        rc = ak_state_read(&q->state, q->path);
    for (int i = 0; q->state && i < q->state->count && rc == AKSSL_OK; i++)
        rc = ak_insight_make(&q->insights[i], &q->state->tensors[i], pushed(q, i));
    return rc;
}

// What one TensorInfo points to.
typedef struct description {
    Akssl__V1__TensorInfo info;
    Akssl__V1__Metric metrics[METRICS], *list[METRICS];
} description;

static void add_metric(description *out, const char *name, double value)
{
    Akssl__V1__Metric *metric = &out->metrics[out->info.n_insight];

    akssl__v1__metric__init(metric);
    metric->name = (char *)name;
    metric->has_value = 1;
    metric->value = value;
    out->list[out->info.n_insight++] = metric;
}

static void add_known(description *out, const char *name, double value)
{
    if (!isnan(value))
        add_metric(out, name, value);
}

// add_metrics gives the figures that mean something for a tensor of that name: the rows of
// prototypes should be of one length, those of queues and centres need not.
static void add_metrics(description *out, const char *name, const ak_insight *insight,
                        const inquiry *q)
{
    out->info.insight = out->list;
    add_metric(out, "mean_norm", insight->mean_norm);
    add_metric(out, "std", insight->std);
    add_metric(out, "std_min", insight->std_min);
    add_metric(out, "std_max", insight->std_max);
    add_metric(out, "effective_rank", insight->effective_rank);
    add_metric(out, "occupancy", insight->occupancy);
    add_known(out, "key_age_mean", insight->age_mean);
    add_known(out, "key_age_max", insight->age_max);
    if (ends_in(name, ".center"))
        add_metric(out, "center_norm", insight->mean_norm);
    if (!ends_in(name, ".prototypes"))
        return;
    add_metric(out, "min_norm", insight->min_norm);
    add_metric(out, "max_norm", insight->max_norm);
    add_known(out, "prototype_usage", q->usage);
    add_known(out, "prototype_entropy", q->entropy);
}

static void describe(description *out, const ak_state_info *info, ak_insight *insight,
                     const inquiry *q)
{
    akssl__v1__tensor_info__init(&out->info);
    out->info.name = (char *)info->name;
    out->info.n_shape = (size_t)info->dims;
    out->info.shape = (int64_t *)info->shape;
    out->info.has_version = out->info.has_filled = out->info.has_position = 1;
    out->info.version = info->version;
    out->info.filled = info->filled;
    out->info.position = info->position;
    out->info.digest = insight->digest;
    add_metrics(out, info->name, insight, q);
}

static void reply(inquiry *q)
{
    Akssl__V1__StateReply message = AKSSL__V1__STATE_REPLY__INIT;
    Akssl__V1__TensorInfo *list[AK_STATE_MAX_TENSORS];
    description *descriptions = ak_alloc(AK_STATE_MAX_TENSORS, sizeof *descriptions);

    message.tensors = list;
    for (int i = 0; q->state && i < q->state->count; i++) {
        describe(&descriptions[i], &q->state->tensors[i].info, &q->insights[i], q);
        list[message.n_tensors++] = &descriptions[i].info;
    }
    ak_call_reply(q->call, &message.base);
    free(descriptions);
}

static void inquiry_free(inquiry *q)
{
    ak_state_free(q->state);
    free(q->path);
    free(q);
}

static void on_looked(void *ctx, akssl_status rc, const char *error)
{
    inquiry *q = ctx;

    q->d->inquiries--;
    if (q->call) {
        ak_call_set_user(q->call, NULL);
        if (rc < 0)
            ak_call_fail(q->call, rc, error);
        else
            reply(q);
    }
    inquiry_free(q);
}

static double gauge_of(const ak_figures *figures, const char *name)
{
    const Akssl__V1__Progress *progress = figures->report ? figures->report->progress : NULL;

    for (size_t i = 0; progress && i < progress->n_gauges; i++)
        if (strcmp(progress->gauges[i]->name, name) == 0)
            return progress->gauges[i]->value;
    return (double)NAN;
}

static akssl_status find_state(ak_daemon *d, const ak_job *job, inquiry *q)
{
    char *folder;

    q->batch = job->spec.batch;
    q->usage = gauge_of(&job->figures, "prototype_usage");
    q->entropy = gauge_of(&job->figures, "teacher_entropy");
    if (job->run && job->run->state) {
        q->state = ak_state_freeze(job->run->state);
    } else if (job->committed_step >= 0) {
        folder = ak_control_folder(d, job->id);
        q->path = ak_path("%s/commits/step-%" PRId64 "/%s", folder, job->committed_step,
                          AK_COMMIT_STATE_FILE);
        free(folder);
    }
    return AKSSL_OK;
}

static akssl_status started(ak_daemon *d, ak_call *call, const ProtobufCMessage *request)
{
    const Akssl__V1__StateRequest *message = (const Akssl__V1__StateRequest *)request;
    const ak_job *job;
    ak_job *stored;
    inquiry *q;
    akssl_status rc;

    if (d->inquiries >= AK_INQUIRIES)
        return ak_fail(AKSSL_ERR_LIMIT,
                       "akssld looks at %d states of jobs already: try again later", AK_INQUIRIES);
    rc = ak_control_find(d, message->id, &job, &stored);
    if (rc < 0)
        return rc;
    q = ak_alloc(1, sizeof *q);
    q->d = d;
    q->call = call;
    rc = find_state(d, job, q);
    ak_job_free(stored);
    if (rc < 0) {
        inquiry_free(q);
        return rc;
    }
    ak_call_set_user(call, q);
    d->inquiries++;
    ak_work_start(&d->loop, look, on_looked, q);
    return AKSSL_OK;
}

static void ended(ak_daemon *d, ak_call *call)
{
    inquiry *q = ak_call_user(call);

    (void)d;
    if (q)
        q->call = NULL;
}

const ak_handler ak_handler_state = {
    .access = AK_ACCESS_READ,
    .started = started,
    .ended = ended,
};
