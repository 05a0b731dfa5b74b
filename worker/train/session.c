// worker/train/session.c -- a job from its spec to its end, on every rank.
//
//     evaluate "before"? -> [ begin, views, compute, update, push, metrics, commit? ]* -> commit
//     -> evaluate "after"? -> export
//
// A run that resumes starts behind its commit; "before" was measured then, and its figures came
// along in the commit.  Rank 0 alone knows when to stop; each step ends with an agreement.

#include "worker/train/session.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/clock.h"
#include "proto/base/error.h"
#include "worker/train/evaluate.h"
#include "worker/train/loader.h"
#include "worker/train/metrics.h"

enum { WHOLE_BYTES = 1 << 20 };

typedef struct run {
    const ak_session *session;
    const ak_spec *spec;
    ak_outcome *outcome;
    ak_trainer *trainer;
    ak_loader *loader;
    const ak_schedule *schedule;
    ak_metrics *metrics; // rank 0
    int64_t total, warmup, commit_every;
    int64_t committed; // step of the last commit, -1: none
    double pace;       // seconds a step, smoothed
    ak_progress last;  // as reported; its gauges live in `gauges`
    ak_gauge gauges[AK_METHOD_GAUGES];
} run;

// Each rank's outcome becomes everybody's, so that none waits for one that has failed.
static akssl_status agree(const run *r, akssl_status rc)
{
    if (!ak_comm_agree(r->session->comm, rc < 0))
        return AKSSL_OK;
    return rc < 0 ? rc : ak_fail(AKSSL_ERR_CANCELLED, "another rank has failed");
}

// ---- state

// A replica from what the coordinator holds: rank 0 asks, all receive.
static akssl_status restore_state(run *r, ak_state *state)
{
    akssl_status rc = AKSSL_OK;
    int64_t numbers[3];

    if (r->session->link)
        rc = r->session->link->restore(r->session->link->ctx, state);
    if (rc == AKSSL_OK && r->session->link && state->version != r->session->resume_step)
        rc = ak_fail(AKSSL_ERR_CORRUPT,
                     "%s is of step %" PRId64 ", the commit of step %" PRId64
                     ": they do not belong together",
                     state->name, state->version, r->session->resume_step);
    rc = agree(r, rc);
    if (rc < 0)
        return rc;
    numbers[0] = state->version;
    numbers[1] = state->filled;
    numbers[2] = state->position;
    ak_comm_broadcast(r->session->comm, numbers, sizeof numbers);
    state->version = numbers[0];
    state->filled = numbers[1];
    state->position = numbers[2];
    state->sent = state->version;
    ak_comm_broadcast(r->session->comm, state->rows,
                      (size_t)(state->length * state->width) * sizeof(float));
    return AKSSL_OK;
}

static akssl_status restore_states(run *r)
{
    akssl_status rc = AKSSL_OK;

    for (int i = 0; i < r->trainer->state_count && rc == AKSSL_OK; i++)
        rc = restore_state(r, r->trainer->states[i]);
    return rc;
}

static akssl_status start_states(run *r)
{
    const ak_link *link = r->session->link;
    akssl_status rc = AKSSL_OK;

    for (int i = 0; link && i < r->trainer->state_count && rc == AKSSL_OK; i++)
        rc = link->declare(link->ctx, r->trainer->states[i]);
    return rc;
}

// ---- one step

static akssl_status replace(run *r, ak_state *state)
{
    const ak_link *link = r->session->link;

    state->sent = state->version;
    return link->replace(link->ctx, state);
}

// A large whole goes to the coordinator every so many steps, so that it takes WHOLE_BYTES a step
// at most, and before a commit.
static bool due(const ak_state *state)
{
    int64_t bytes = state->length * state->width * (int64_t)sizeof(float);

    return state->version % ((bytes + WHOLE_BYTES - 1) / WHOLE_BYTES) == 0;
}

static akssl_status send_wholes(run *r)
{
    akssl_status rc = AKSSL_OK;

    for (int i = 0; r->session->link && i < r->trainer->state_count && rc == AKSSL_OK; i++)
        if (r->trainer->states[i]->whole && r->trainer->states[i]->sent !=
            r->trainer->states[i]->version)
            rc = replace(r, r->trainer->states[i]);
    return rc;
}

static akssl_status push(run *r)
{
    const ak_link *link = r->session->link;
    akssl_status rc = AKSSL_OK;

    for (int i = 0; link && i < r->trainer->state_count && rc == AKSSL_OK; i++) {
        ak_state *state = r->trainer->states[i];

        if (!state->whole)
            rc = link->push(link->ctx, state, state->pushed, state->pushed_count);
        else if (due(state))
            rc = replace(r, state);
    }
    return rc;
}

static akssl_status tell(run *r, double loss, double lr, double seconds)
{
    const ak_link *link = r->session->link;
    int64_t step = r->trainer->step;
    ak_progress *p = &r->last;
    akssl_status rc;

    if (!link)
        return AKSSL_OK;
    r->pace = r->pace > 0 ? 0.9 * r->pace + 0.1 * seconds : seconds;
    *p = (ak_progress){
        .step = step,
        .total_steps = r->total,
        .epoch = (double)step / (double)ak_loader_steps(r->loader),
        .loss = loss,
        .lr = lr,
        .images_per_s = (double)r->trainer->batch / r->pace,
        .eta_s = (double)(r->total - step) * r->pace,
        .gauges = r->gauges,
        .gauge_count = ak_trainer_gauges(r->trainer, r->gauges),
    };
    rc = ak_metrics_write(r->metrics, p);
    if (rc == AKSSL_OK)
        link->report(link->ctx, p, &r->outcome->results);
    return rc;
}

static akssl_status step(run *r)
{
    ak_trainer *t = r->trainer;
    int64_t start = ak_clock_ns();
    double lr = ak_schedule_lr(r->schedule, r->spec->lr, t->step, r->warmup, r->total), loss;
    akssl_status rc;

    ak_trainer_begin(t);
    ak_loader_fill(r->loader, t, t->step);
    rc = ak_trainer_compute(t, &loss); // the same loss, so the same outcome, on every rank
    if (rc < 0)
        return rc;
    ak_trainer_update(t, lr);
    rc = push(r);
    if (rc == AKSSL_OK)
        rc = tell(r, loss, lr, (double)(ak_clock_ns() - start) * 1e-9);
    return rc;
}

static akssl_status commit(run *r)
{
    const ak_link *link = r->session->link;
    ak_commit_file files[AK_COMMIT_FILES];
    akssl_status rc;

    if (r->committed == r->trainer->step)
        return AKSSL_OK;
    rc = ak_commit_write(r->trainer, &r->outcome->results, r->session->folder, files);
    if (rc == AKSSL_OK && r->metrics)
        rc = ak_metrics_sync(r->metrics);
    if (rc == AKSSL_OK)
        rc = send_wholes(r);
    if (rc == AKSSL_OK && link)
        rc = link->commit(link->ctx, r->trainer->step, files, AK_COMMIT_FILES);
    r->committed = r->trainer->step;
    return agree(r, rc);
}

static akssl_status train(run *r)
{
    const ak_link *link = r->session->link;
    akssl_status rc = AKSSL_OK;

    while (r->trainer->step < r->total && rc == AKSSL_OK && !r->outcome->stopped) {
        rc = agree(r, step(r));
        if (rc == AKSSL_OK)
            r->outcome->stopped = ak_comm_agree(r->session->comm, link && link->stop(link->ctx));
        if (rc == AKSSL_OK && (r->outcome->stopped || r->trainer->step % r->commit_every == 0))
            rc = commit(r);
    }
    return rc;
}

// ---- the run

static akssl_status evaluate(run *r, const char *prefix)
{
    const ak_link *link = r->session->link;
    akssl_status rc;

    if (!r->spec->eval[0])
        return AKSSL_OK;
    rc = ak_evaluate(&r->trainer->world, ak_trainer_encoder(r->trainer), r->spec,
                     r->spec->eval, prefix, &r->outcome->results);
    rc = agree(r, rc);
    r->last.step = r->trainer->step;
    r->last.total_steps = r->total;
    if (rc == AKSSL_OK && link)
        link->report(link->ctx, &r->last, &r->outcome->results);
    return rc;
}

static akssl_status prepare(run *r)
{
    const ak_session *s = r->session;
    akssl_status rc = ak_schedule_find(&r->schedule, r->spec->schedule);
    int64_t steps;

    if (rc == AKSSL_OK)
        rc = ak_trainer_new(&r->trainer, r->spec, s->comm);
    if (rc == AKSSL_OK)
        rc = ak_loader_open(&r->loader, r->spec, r->trainer->world.threads);
    if (rc == AKSSL_OK && s->link)
        rc = ak_metrics_open(&r->metrics, s->folder, s->resume_step);
    if (rc == AKSSL_OK && s->resume_step)
        rc = ak_commit_read(r->trainer, &r->outcome->results, s->commit, s->resume_step);
    rc = agree(r, rc);
    if (rc < 0)
        return rc;
    steps = ak_loader_steps(r->loader);
    r->total = steps * r->spec->epochs;
    r->warmup = llround(r->spec->warmup_epochs * (double)steps);
    r->trainer->total = r->total;
    r->trainer->epoch_steps = steps;
    r->commit_every = r->spec->commit_every ? r->spec->commit_every : steps;
    r->committed = s->resume_step ? s->resume_step : -1;
    return s->resume_step ? restore_states(r) : agree(r, start_states(r));
}

static akssl_status pretrain(run *r)
{
    akssl_status rc = prepare(r);

    if (rc == AKSSL_OK && r->trainer->step == 0)
        rc = evaluate(r, "before.");
    if (rc == AKSSL_OK)
        rc = train(r);
    if (rc < 0 || r->outcome->stopped)
        return rc;
    rc = commit(r);
    if (rc == AKSSL_OK)
        rc = evaluate(r, "after.");
    if (rc == AKSSL_OK)
        rc = ak_export_backbone(r->trainer, r->spec, r->session->folder, &r->outcome->weights);
    return rc;
}

akssl_status ak_session_run(const ak_session *session, ak_outcome *outcome)
{
    run r = { .session = session, .spec = session->spec, .outcome = outcome };
    akssl_status rc;

    if (strcmp(r.spec->kind, "pretrain") != 0)
        return ak_evaluate_weights(r.spec, session->comm, &outcome->results);
    rc = pretrain(&r);
    ak_metrics_close(r.metrics);
    ak_loader_close(r.loader);
    ak_trainer_free(r.trainer);
    return rc;
}
