// daemon/handler/state.c -- State: the tensors that the coordinator holds for a job, in numbers.
//
// A job that runs is told from a frozen view of what it is now, any other from its last commit.
// The numbers are made on the thread pool: a queue may hold a gigabyte.

#include <inttypes.h>
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

enum { MAX_UNDER_WAY = 8, METRICS = 7 };

typedef struct inquiry {
    ak_daemon *d;
    ak_call *call;   // NULL: it has ended
    char *path;      // of a commit's state, else NULL
    ak_state *state; // frozen, or read from path; NULL: there is none
    ak_insight insights[AK_STATE_MAX_TENSORS];
} inquiry;

static akssl_status look(void *ctx)
{
    inquiry *q = ctx;
    akssl_status rc = AKSSL_OK;

    if (q->path)
        rc = ak_state_read(&q->state, q->path);
    for (int i = 0; q->state && i < q->state->count && rc == AKSSL_OK; i++)
        rc = ak_insight_make(&q->insights[i], &q->state->tensors[i]);
    return rc;
}

// What one TensorInfo points to.
typedef struct description {
    Akssl__V1__TensorInfo info;
    Akssl__V1__Metric metrics[METRICS], *list[METRICS];
} description;

// add_metrics gives the figures that mean something for a tensor of that name: the rows of
// prototypes should be of one length, those of queues and centres need not.
static void add_metrics(description *out, const char *name, const ak_insight *insight)
{
    const struct {
        const char *name;
        double value;
    } all[METRICS] = {
        { "mean_norm", insight->mean_norm },
        { "std", insight->std },
        { "std_min", insight->std_min },
        { "std_max", insight->std_max },
        { "effective_rank", insight->effective_rank },
        { "min_norm", insight->min_norm },
        { "max_norm", insight->max_norm },
    };
    const char *end = strrchr(name, '.');
    size_t count = end && strcmp(end, ".prototypes") == 0 ? METRICS : METRICS - 2;

    for (size_t i = 0; i < count; i++) {
        akssl__v1__metric__init(&out->metrics[i]);
        out->metrics[i].name = (char *)all[i].name;
        out->metrics[i].has_value = 1;
        out->metrics[i].value = all[i].value;
        out->list[i] = &out->metrics[i];
    }
    out->info.insight = out->list;
    out->info.n_insight = count;
}

static void describe(description *out, const ak_state_info *info, ak_insight *insight)
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
    add_metrics(out, info->name, insight);
}

static void reply(inquiry *q)
{
    Akssl__V1__StateReply message = AKSSL__V1__STATE_REPLY__INIT;
    Akssl__V1__TensorInfo *list[AK_STATE_MAX_TENSORS];
    description *descriptions = ak_alloc(AK_STATE_MAX_TENSORS, sizeof *descriptions);

    message.tensors = list;
    for (int i = 0; q->state && i < q->state->count; i++) {
        describe(&descriptions[i], &q->state->tensors[i].info, &q->insights[i]);
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

static akssl_status find_state(ak_daemon *d, const ak_job *job, inquiry *q)
{
    char *folder;

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

    if (d->inquiries == MAX_UNDER_WAY)
        return ak_fail(AKSSL_ERR_LIMIT, "%d calls of State are under way: try again later",
                       MAX_UNDER_WAY);
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

const ak_handler ak_handler_state = { .started = started, .ended = ended };
