// daemon/handler/curves.c -- Curves: what a job has reported over its steps, in few points.
//
// The files may be long: they are read on the thread pool, in bounded pieces (daemon/series.h).

#include <inttypes.h>
#include <stdlib.h>

#include "daemon/control.h"
#include "daemon/handler/handler.h"
#include "daemon/series.h"
#include "daemon/work.h"
#include "proto/base/alloc.h"
#include "proto/base/error.h"

// Two files of AK_SERIES_NAMES series of MOST_POINTS points are 2 MB, below AK_RPC_MAX_MESSAGE.
enum { MAX_UNDER_WAY = 8, FEWEST_POINTS = 2, DEFAULT_POINTS = 300, MOST_POINTS = 500 };

typedef struct reading {
    ak_daemon *d;
    ak_call *call; // NULL: it has ended
    char *folder;
    int64_t points;
    ak_series_list list;
} reading;

static akssl_status look(void *ctx)
{
    reading *r = ctx;

    return ak_series_of_job(r->folder, r->points, &r->list);
}

static void describe(Akssl__V1__Curve *to, ak_series *from)
{
    akssl__v1__curve__init(to);
    to->name = from->name;
    to->n_step = to->n_mean = (size_t)from->count;
    to->step = from->step;
    to->mean = from->mean;
    if (!from->several)
        return;
    to->n_least = to->n_greatest = (size_t)from->count;
    to->least = from->least;
    to->greatest = from->greatest;
}

static void reply(reading *r)
{
    Akssl__V1__CurvesReply message = AKSSL__V1__CURVES_REPLY__INIT;
    size_t count = (size_t)r->list.count;
    Akssl__V1__Curve *curves = ak_alloc(count + 1, sizeof *curves);
    Akssl__V1__Curve **list = ak_alloc(count + 1, sizeof *list);

    for (size_t i = 0; i < count; i++) {
        describe(&curves[i], &r->list.at[i]);
        list[i] = &curves[i];
    }
    message.n_curves = count;
    message.curves = list;
    ak_call_reply(r->call, &message.base);
    free(list);
    free(curves);
}

static void on_looked(void *ctx, akssl_status rc, const char *error)
{
    reading *r = ctx;

    r->d->curve_reads--;
    if (r->call) {
        ak_call_set_user(r->call, NULL);
        if (rc < 0)
            ak_call_fail(r->call, rc, error);
        else
            reply(r);
    }
    ak_series_list_fini(&r->list);
    free(r->folder);
    free(r);
}

static akssl_status check(ak_daemon *d, int64_t id, int64_t points)
{
    const ak_job *job;
    ak_job *stored;
    akssl_status rc;

    if (points < FEWEST_POINTS || points > MOST_POINTS)
        return ak_fail(AKSSL_ERR_INVALID, "points %" PRId64 ": give %d to %d", points,
                       FEWEST_POINTS, MOST_POINTS);
    if (d->curve_reads == MAX_UNDER_WAY)
        return ak_fail(AKSSL_ERR_LIMIT, "%d calls of Curves are under way: try again later",
                       MAX_UNDER_WAY);
    rc = ak_control_find(d, id, &job, &stored);
    if (rc == AKSSL_OK)
        ak_job_free(stored);
    return rc;
}

static akssl_status started(ak_daemon *d, ak_call *call, const ProtobufCMessage *request)
{
    const Akssl__V1__CurvesRequest *message = (const Akssl__V1__CurvesRequest *)request;
    int64_t points = message->has_points ? message->points : DEFAULT_POINTS;
    akssl_status rc = check(d, message->id, points);
    reading *r;

    if (rc < 0)
        return rc;
    r = ak_alloc(1, sizeof *r);
    r->d = d;
    r->call = call;
    r->folder = ak_control_folder(d, message->id);
    r->points = points;
    ak_call_set_user(call, r);
    d->curve_reads++;
    ak_work_start(&d->loop, look, on_looked, r);
    return AKSSL_OK;
}

static void ended(ak_daemon *d, ak_call *call)
{
    reading *r = ak_call_user(call);

    (void)d;
    if (r)
        r->call = NULL;
}

const ak_handler ak_handler_curves = {
    .access = AK_ACCESS_READ,
    .started = started,
    .ended = ended,
};
