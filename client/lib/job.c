// client/lib/job.c -- the wire's job as the library's.

#include <math.h>
#include <stdlib.h>
#include <strings.h>

#include "client/lib/lib.h"
#include "proto/base/alloc.h"

// The message stays with the job: the job's texts point into it.
typedef struct box {
    akssl_job job; // first, so that an akssl_job * is a box *
    akssl_progress progress;
    Akssl__V1__Job *message;
    akssl_value *results, *gauges;
} box;

const char *akssl_job_state_text(akssl_job_state state)
{
    switch (state) {
#define TEXT(name, number)                                                                         \
    case AKSSL_JOB_##name:                                                                         \
        return #name;
        AKSSL_JOB_STATE_MAP(TEXT)
#undef TEXT
    case AKSSL_JOB_UNKNOWN:
        break;
    }
    return "UNKNOWN";
}

akssl_job_state akssl_job_state_parse(const char *text)
{
#define PARSE(name, number)                                                                        \
    if (strcasecmp(text, #name) == 0)                                                              \
        return AKSSL_JOB_##name;
    AKSSL_JOB_STATE_MAP(PARSE)
#undef PARSE
    return AKSSL_JOB_UNKNOWN;
}

// Slurm's names, long and short.  STARTING is what it calls CONFIGURING.
static const struct {
    akssl_job_state state;
    const char *name, *code;
} slurm[] = {
    { AKSSL_JOB_QUEUED, "PENDING", "PD" },      { AKSSL_JOB_STARTING, "CONFIGURING", "CF" },
    { AKSSL_JOB_RUNNING, "RUNNING", "R" },      { AKSSL_JOB_PAUSED, "SUSPENDED", "S" },
    { AKSSL_JOB_SUCCEEDED, "COMPLETED", "CD" }, { AKSSL_JOB_FAILED, "FAILED", "F" },
    { AKSSL_JOB_CANCELLED, "CANCELLED", "CA" }, { AKSSL_JOB_TIMEOUT, "TIMEOUT", "TO" },
};

enum { SLURM_STATES = sizeof slurm / sizeof *slurm };

akssl_job_state akssl_job_state_parse_any(const char *text)
{
    for (size_t i = 0; i < SLURM_STATES; i++)
        if (strcasecmp(text, slurm[i].name) == 0 || strcasecmp(text, slurm[i].code) == 0)
            return slurm[i].state;
    return akssl_job_state_parse(text);
}

const char *akssl_job_state_slurm(akssl_job_state state)
{
    for (size_t i = 0; i < SLURM_STATES; i++)
        if (slurm[i].state == state)
            return slurm[i].name;
    return "UNKNOWN";
}

int akssl_job_state_final(akssl_job_state state)
{
    return state == AKSSL_JOB_SUCCEEDED || state == AKSSL_JOB_FAILED ||
           state == AKSSL_JOB_CANCELLED || state == AKSSL_JOB_TIMEOUT;
}

static akssl_value *values(Akssl__V1__Metric *const *from, size_t count)
{
    akssl_value *to = ak_alloc(count ? count : 1, sizeof *to);

    for (size_t i = 0; i < count; i++) {
        to[i].name = from[i]->name ? from[i]->name : "";
        to[i].value = from[i]->has_value ? from[i]->value : NAN;
    }
    return to;
}

#define TEXT_OF(field) ((field) ? (field) : "")
#define INT_OF(from, field) ((from)->has_##field ? (from)->field : -1)
#define FLOAT_OF(from, field) ((from)->has_##field ? (from)->field : (double)NAN)

static void take_progress(box *b, const Akssl__V1__Progress *from)
{
    b->gauges = values(from->gauges, from->n_gauges);
    b->progress = (akssl_progress){
        .step = INT_OF(from, step),
        .total_steps = INT_OF(from, total_steps),
        .epoch = FLOAT_OF(from, epoch),
        .loss = FLOAT_OF(from, loss),
        .lr = FLOAT_OF(from, lr),
        .images_per_s = FLOAT_OF(from, images_per_s),
        .eta_s = FLOAT_OF(from, eta_s),
        .gauge_count = from->n_gauges,
        .gauges = b->gauges,
        .warning_count = from->n_warnings,
        .warnings = (const char *const *)from->warnings,
    };
    b->job.progress = &b->progress;
}

akssl_job *ak_job_take(Akssl__V1__Job *message)
{
    box *b = ak_alloc(1, sizeof *b);

    b->message = message;
    b->results = values(message->results, message->n_results);
    b->job = (akssl_job){
        .id = INT_OF(message, id),
        .state = akssl_job_state_parse(TEXT_OF(message->state)),
        .reason = TEXT_OF(message->reason),
        .spec = ak_job_spec_decode(message->spec),
        .submitted_ms = INT_OF(message, submitted_ms),
        .started_ms = INT_OF(message, started_ms),
        .ended_ms = INT_OF(message, ended_ms),
        .restarts = message->has_restarts ? message->restarts : 0,
        .committed_step = INT_OF(message, committed_step),
        .ranks = INT_OF(message, ranks),
        .folder = TEXT_OF(message->folder),
        .result_count = message->n_results,
        .results = b->results,
        .weights = TEXT_OF(message->weights),
        .owner = TEXT_OF(message->owner),
        .asked_ranks = INT_OF(message, asked_ranks),
        .resizing = message->has_resizing && message->resizing,
        .held = message->has_held && message->held,
        .elapsed_s = FLOAT_OF(message, elapsed_s),
    };
    if (message->progress)
        take_progress(b, message->progress);
    return &b->job;
}

void ak_job_inherit(akssl_job *job, akssl_job *older)
{
    if (!older || job->spec)
        return;
    job->spec = older->spec;
    older->spec = NULL;
}

void akssl_job_free(akssl_job *job)
{
    box *b = (box *)job;

    if (!b)
        return;
    akssl_job_spec_free(job->spec);
    free(b->results);
    free(b->gauges);
    akssl__v1__job__free_unpacked(b->message, NULL);
    free(b);
}

void akssl_job_list_free(akssl_job_list *list)
{
    if (!list)
        return;
    for (size_t i = 0; i < list->count; i++)
        akssl_job_free(list->jobs[i]);
    free(list->jobs);
    free(list);
}
