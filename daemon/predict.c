// daemon/predict.c -- how fast, for how long and from when a job would run.

#include "daemon/predict.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/files.h"
#include "daemon/queue.h"
#include "proto/base/error.h"

enum { LOOK_BACK = 2000, CANDIDATES = 32 };

typedef struct search {
    const ak_spec *spec;
    int64_t ids[CANDIDATES];
    int count;
} search;

// What a run has been like; job 0: none was found.
typedef struct record {
    int64_t job;
    double images_per_s;
    bool same; // the shape; else it is scaled
} record;

static bool see(void *ctx, const ak_job *row)
{
    search *s = ctx;

    if (strcmp(row->spec.kind, s->spec->kind) == 0 &&
        strcmp(row->spec.method, s->spec->method) == 0 &&
        strcmp(row->spec.backbone, s->spec->backbone) == 0)
        s->ids[s->count++] = row->id;
    return s->count < CANDIDATES;
}

static double speed_of(const ak_job *job)
{
    const Akssl__V1__ReportRequest *report = job->figures.report;

    return report && report->progress && report->progress->has_images_per_s &&
                   report->progress->images_per_s > 0
               ? report->progress->images_per_s
               : 0;
}

static bool is_same(const ak_spec *a, int64_t a_ranks, const ak_spec *b, int64_t b_ranks)
{
    return a->image_size == b->image_size && a->batch == b->batch && a->shards == b->shards &&
           a->threads_per_shard == b->threads_per_shard && a_ranks == b_ranks &&
           strcmp(a->dataset, b->dataset) == 0 && strcmp(a->precision, b->precision) == 0;
}

// Work goes by the pixels of a view; cores by their number, as if they did not hold each other up.
static double scaled(double speed, const ak_job *run, const ak_job *job, int64_t slots)
{
    double side = (double)run->spec.image_size / (double)job->spec.image_size;
    double had = (double)(run->ranks * run->spec.threads_per_shard);

    return had > 0 ? speed * side * side * (double)ak_job_cores(job, slots) / had : 0;
}

static void look_at(ak_daemon *d, int64_t id, const ak_job *job, record *best)
{
    int64_t slots = ak_launcher_slots(d, job);
    ak_job *stored = NULL;
    const ak_job *run;

    if (ak_control_find(d, id, &run, &stored) < 0)
        return;
    if (speed_of(run) > 0 && is_same(&run->spec, run->ranks, &job->spec, ak_job_ranks(job, slots)))
        *best = (record){ id, speed_of(run), true };
    else if (speed_of(run) > 0 && !best->job)
        *best = (record){ id, scaled(speed_of(run), run, job, slots), false };
    ak_job_free(stored);
}

static record find_record(ak_daemon *d, const ak_job *job)
{
    const ak_filter filter = { .limit = LOOK_BACK };
    search s = { .spec = &job->spec };
    record best = { 0 };

    if (ak_store_list(d->store, &filter, see, &s) < 0)
        return best;
    for (int i = 0; i < s.count && !best.same; i++)
        look_at(d, s.ids[i], job, &best);
    return best;
}

static char *start_text(ak_daemon *d, const ak_job *job)
{
    int64_t when = ak_queue_forecast(d, job);
    char time[32];

    if (when == 0)
        return ak_path("would start at once");
    if (when == AK_SCHEDULE_NEVER)
        return ak_path("when it would start depends on jobs without a time limit");
    ak_terms_time_text(when, time);
    return ak_path("would start in %s at the latest, as things stand", time);
}

static char *speed_text(const record *r, int64_t images)
{
    char time[32];

    if (!r->job || r->images_per_s <= 0)
        return ak_path("no recorded run to tell its speed by");
    ak_terms_time_text((int64_t)((double)images / r->images_per_s * 1000), time);
    return ak_path("about %.4g images/s and %s of training (%s job %" PRId64 ")", r->images_per_s,
                   time, r->same ? "as" : "by the pixels and cores of", r->job);
}

char *ak_predict(ak_daemon *d, const ak_spec *spec, const char *owner, const char *estimate)
{
    ak_job *job = ak_job_new(spec, "");
    char *speed, *start, *text;
    int64_t steps = 0;
    record r;

    ak_text_set(&job->owner, owner);
    if (ak_terms_parse(&job->terms, spec->time, spec->after) < 0 ||
        sscanf(estimate, "%" SCNd64 " steps", &steps) != 1)
        steps = 0;
    r = find_record(d, job);
    speed = speed_text(&r, steps * spec->batch);
    start = start_text(d, job);
    text = ak_path("%s; %s; %s", estimate, speed, start);
    free(start);
    free(speed);
    ak_job_free(job);
    return text;
}
