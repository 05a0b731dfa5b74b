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
           strcmp(a->dataset, b->dataset) == 0 && strcmp(a->precision, b->precision) == 0 &&
           strcmp(a->recompute, b->recompute) == 0;
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

static void note(ak_prediction *p, const char *name, double value)
{
    p->values[p->count].name = name;
    p->values[p->count++].value = value;
}

static char *start_text(ak_daemon *d, const ak_job *job, ak_prediction *p)
{
    int64_t when = ak_queue_forecast(d, job);
    char time[32];

    if (when == AK_SCHEDULE_NEVER)
        return ak_path(
            "when it would start depends on jobs that it waits for, that have no time limit, "
            "or that are too many to tell");
    note(p, "start_in_s", (double)when / 1000);
    if (when == 0)
        return ak_path("would start at once");
    ak_terms_time_text(when, time);
    return ak_path("would start in %s at the latest, as things stand", time);
}

static char *speed_text(const record *r, int64_t images, ak_prediction *p)
{
    double seconds;
    char time[32];

    if (!r->job || r->images_per_s <= 0)
        return ak_path("no recorded run to tell its speed by");
    seconds = (double)images / r->images_per_s;
    note(p, "images_per_s", r->images_per_s);
    note(p, "training_s", seconds);
    note(p, "by_job", (double)r->job);
    note(p, "same_shape", r->same);
    ak_terms_time_text((int64_t)(seconds * 1000), time);
    return ak_path("about %.4g images/s and %s of training (%s job %" PRId64 ")", r->images_per_s,
                   time, r->same ? "as" : "by the pixels and cores of", r->job);
}

// note_estimate reads the worker's own figures; returns the steps, 0 when it does not say them.
static int64_t note_estimate(ak_prediction *p, const char *estimate)
{
    double millions, memory, decoded;
    int64_t steps;
    int read = sscanf(estimate,
                      "%" SCNd64 " steps, %lf million parameters, about %lf GiB of memory over all "
                      "ranks and up to %lf GiB",
                      &steps, &millions, &memory, &decoded);

    if (read < 1)
        return 0;
    note(p, "steps", (double)steps);
    if (read < 3)
        return steps;
    note(p, "parameters", millions * 1e6);
    note(p, "memory_gib", memory);
    if (read == 4)
        note(p, "decoded_images_gib", decoded);
    return steps;
}

void ak_predict(ak_daemon *d, const ak_spec *spec, const char *owner, const char *estimate,
                ak_prediction *out)
{
    ak_job *job = ak_job_new(spec, "");
    char *speed, *start;
    int64_t steps;
    record r;

    *out = (ak_prediction){ 0 };
    ak_text_set(&job->owner, owner);
    steps = note_estimate(out, estimate);
    if (ak_terms_parse(&job->terms, spec->time, spec->after) < 0)
        steps = 0;
    r = find_record(d, job);
    speed = speed_text(&r, steps * spec->batch, out);
    start = start_text(d, job, out);
    out->sentence = ak_path("%s; %s; %s", estimate, speed, start);
    free(start);
    free(speed);
    ak_job_free(job);
}

void ak_prediction_fini(ak_prediction *prediction)
{
    if (prediction)
        free(prediction->sentence);
}
