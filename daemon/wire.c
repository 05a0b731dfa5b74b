// daemon/wire.c -- a job as the wire has it.

#include "daemon/wire.h"

#include <inttypes.h>
#include <stdlib.h>

#include "daemon/files.h"
#include "daemon/queue.h"
#include "proto/rpc/server.h"

static void set_brief(ak_wire *wire, const ak_spec *spec)
{
    akssl__v1__job_spec__init(&wire->brief);
    wire->brief.kind = spec->kind;
    wire->brief.name = spec->name;
    wire->brief.method = spec->method;
    wire->brief.backbone = spec->backbone;
    wire->brief.dataset = spec->dataset;
    wire->brief.has_priority = 1;
    wire->brief.priority = spec->priority;
    wire->job.spec = &wire->brief;
}

static void set_number(protobuf_c_boolean *has, int64_t *field, int64_t value)
{
    *has = 1;
    *field = value;
}

static void set_times(Akssl__V1__Job *m, const ak_job *job)
{
    set_number(&m->has_submitted_ms, &m->submitted_ms, job->submitted_ms);
    if (job->started_ms)
        set_number(&m->has_started_ms, &m->started_ms, job->started_ms);
    if (job->ended_ms && ak_job_shown(job) == job->state)
        set_number(&m->has_ended_ms, &m->ended_ms, job->ended_ms);
}

void ak_wire_job(ak_wire *wire, const ak_job *job, const char *state_dir, ak_wire_spec spec)
{
    Akssl__V1__Job *m = &wire->job;

    *wire = (ak_wire){ 0 };
    akssl__v1__job__init(m);
    set_number(&m->has_id, &m->id, job->id);
    m->state = (char *)ak_job_state_text(ak_job_shown(job));
    m->reason = job->reason;
    m->owner = job->owner;
    if (ak_job_shown(job) != job->state)
        m->reason = wire->reason = ak_path("is %s as soon as that can be stored (akssld's log "
                                           "says what is wrong with the disk)",
                                           ak_job_state_text(job->state));
    else if (job->state == AK_JOB_QUEUED && (wire->reason = ak_queue_reason(job)) != NULL)
        m->reason = wire->reason;
    m->has_held = 1;
    m->held = job->held;
    m->has_elapsed_s = 1;
    m->elapsed_s = (double)job->elapsed_ms / 1000;
    set_times(m, job);
    set_number(&m->has_restarts, &m->restarts, job->restarts);
    set_number(&m->has_committed_step, &m->committed_step, job->committed_step);
    set_number(&m->has_ranks, &m->ranks, job->ranks);
    set_number(&m->has_asked_ranks, &m->asked_ranks, ak_job_asked(job));
    m->has_resizing = 1;
    m->resizing = job->resize;
    wire->folder = ak_path("%s/jobs/%" PRId64, state_dir, job->id);
    m->folder = wire->folder;
    m->weights = job->weights;
    if (job->figures.report) {
        m->progress = job->figures.report->progress;
        m->results = job->figures.report->results;
        m->n_results = job->figures.report->n_results;
    }
    if (spec == AK_WIRE_BRIEF_SPEC)
        set_brief(wire, &job->spec);
    else if (spec == AK_WIRE_WHOLE_SPEC)
        m->spec = wire->whole = ak_rpc_spec_encode(&job->spec);
}

void ak_wire_fini(ak_wire *wire)
{
    if (wire->whole)
        akssl__v1__job_spec__free_unpacked(wire->whole, NULL);
    free(wire->folder);
    free(wire->reason);
    *wire = (ak_wire){ 0 };
}

void ak_wire_reply(ak_call *call, const ak_job *job, const char *state_dir)
{
    ak_wire wire;

    ak_wire_job(&wire, job, state_dir, AK_WIRE_WHOLE_SPEC);
    ak_call_reply(call, &wire.job.base);
    ak_wire_fini(&wire);
}
