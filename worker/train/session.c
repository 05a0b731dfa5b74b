// worker/train/session.c -- a job from its spec to its end, on every rank.
//
//     sheet of views -> evaluate "before"? -> steps (loop.h) -> evaluate "after"? -> export
//         -> map of embeddings?
//
// A run that resumes starts behind its commit; "before" was measured then, and its figures came
// along in the commit.

#include "worker/train/session.h"

#include <string.h>

#include "proto/base/error.h"
#include "worker/train/agree.h"
#include "worker/train/classify.h"
#include "worker/train/data.h"
#include "worker/train/embed.h"
#include "worker/train/evaluate.h"
#include "worker/train/init.h"
#include "worker/train/loader.h"
#include "worker/train/loop.h"
#include "worker/train/pictures.h"

typedef struct run {
    ak_loop loop;
    ak_loader *loader;
    ak_metrics *evaluations; // rank 0
} run;

static akssl_status evaluate(run *r, const char *what, const char *prefix)
{
    const ak_spec *spec = r->loop.session->spec;
    ak_trainer *t = r->loop.trainer;
    akssl_status rc;

    if (!what[0])
        return AKSSL_OK;
    rc = ak_evaluate(&t->world, ak_trainer_encoder(t), spec, what, prefix,
                     &r->loop.outcome->results);
    rc = ak_loop_agree_data(&r->loop, rc);
    if (rc == AKSSL_OK)
        ak_loop_tell(&r->loop);
    return rc;
}

static akssl_status fill(void *ctx, ak_trainer *trainer)
{
    return ak_loader_fill(((run *)ctx)->loader, trainer, trainer->step);
}

// An evaluation while pretraining goes on.
static akssl_status between(void *ctx)
{
    run *r = ctx;
    const char *what = r->loop.session->spec->eval;
    int64_t step = r->loop.trainer->step;
    akssl_status rc = evaluate(r, what[0] ? what : "knn,probe", "now.");

    if (rc == AKSSL_OK && r->evaluations)
        rc = ak_outcome_wrote(r->loop.outcome,
                              ak_metrics_write_results(r->evaluations, step,
                                                       (double)step / (double)r->loop.epoch_steps,
                                                       "now.", &r->loop.outcome->results));
    if (rc == AKSSL_OK && r->evaluations) // the commit of this step may be the next thing
        rc = ak_outcome_wrote(r->loop.outcome, ak_metrics_sync(r->evaluations));
    return ak_loop_agree(&r->loop, rc);
}

static akssl_status prepare(run *r)
{
    const ak_session *s = r->loop.session;
    akssl_status rc = ak_loader_open(&r->loader, s->spec, (int)s->spec->threads_per_shard);

    rc = ak_loop_agree_data(&r->loop, rc);
    if (rc == AKSSL_OK)
        rc = ak_trainer_new_for(&r->loop.trainer, s->spec, s->comm, NULL,
                                s->spec->probe ? ak_loader_classes(r->loader) : 0);
    if (rc == AKSSL_OK && !s->resume_step)
        ak_trainer_seed(r->loop.trainer);
    if (rc == AKSSL_OK && s->spec->init_backbone[0] && !s->resume_step)
        rc = ak_init_backbone(r->loop.trainer, s->spec->init_backbone);
    if (rc == AKSSL_OK && s->spec->probe && s->link)
        rc =
            ak_outcome_wrote(r->loop.outcome, ak_metrics_open(&r->evaluations, s->folder,
                                                              "evaluations.jsonl", s->resume_step));
    if (rc == AKSSL_OK) {
        r->loop.epoch_steps = ak_loader_steps(r->loader);
        r->loop.images = ak_loader_images(r->loader);
        rc = ak_pictures_views(s, ak_loader_set(r->loader), r->loop.trainer, r->loop.outcome);
    }
    r->loop.fill = fill;
    r->loop.ctx = r;
    if (s->spec->probe) {
        r->loop.between = between;
        r->loop.every = s->spec->probe * r->loop.epoch_steps;
    }
    return ak_loop_prepare(&r->loop, rc);
}

// is_owed: a run that was stopped at a step of an evaluation has committed without it.
static bool is_owed(const run *r)
{
    const ak_loop *l = &r->loop;
    int64_t step = l->trainer->step;

    return l->between && step > 0 && step < l->total && step % l->every == 0 &&
           ak_comm_agree(l->session->comm,
                         r->evaluations && ak_metrics_last(r->evaluations) < step);
}

static akssl_status pretrain(run *r)
{
    const ak_session *s = r->loop.session;
    ak_outcome *outcome = r->loop.outcome;
    akssl_status rc = prepare(r);

    if (rc == AKSSL_OK && r->loop.trainer->step == 0)
        rc = evaluate(r, s->spec->eval, "before.");
    if (rc == AKSSL_OK && is_owed(r))
        rc = between(r);
    if (rc == AKSSL_OK)
        rc = ak_loop_train(&r->loop);
    if (rc < 0 || outcome->stopped)
        return rc;
    ak_loop_count_bad(&r->loop, ak_loader_set(r->loader));
    rc = evaluate(r, s->spec->eval, "after.");
    if (rc == AKSSL_OK)
        rc = ak_outcome_wrote(
            outcome, ak_export_backbone(r->loop.trainer, s->spec, s->folder, &outcome->weights));
    return rc;
}

akssl_status ak_outcome_wrote(ak_outcome *outcome, akssl_status rc)
{
    outcome->unwritten |= ak_is_unwritten(rc) || rc == AKSSL_ERR_LIMIT; // of descriptors
    return rc;
}

static akssl_status evaluate_weights(const ak_session *session, ak_outcome *outcome)
{
    akssl_status first, rc;

    rc = ak_evaluate_weights(session->spec, session->comm, &outcome->results);
    rc = ak_agree_first(session->comm, rc, &first);
    outcome->unwritten |= ak_data_is_elsewhere(first);
    return rc;
}

static akssl_status run_kind(const ak_session *session, ak_outcome *outcome)
{
    run r = { .loop = { .session = session, .outcome = outcome } };
    akssl_status rc;

    if (ak_classify_is(session->spec->kind))
        return ak_classify_run(session, outcome);
    if (strcmp(session->spec->kind, "embed") == 0)
        return ak_embed_run(session, outcome);
    if (strcmp(session->spec->kind, "pretrain") != 0)
        return evaluate_weights(session, outcome);
    rc = pretrain(&r);
    ak_loader_close(r.loader);
    ak_metrics_close(r.evaluations);
    ak_loop_fini(&r.loop);
    ak_trainer_free(r.loop.trainer);
    return rc;
}

akssl_status ak_session_run(const ak_session *session, ak_outcome *outcome)
{
    akssl_status rc = run_kind(session, outcome);

    // Its memory is free by now: the map takes no more than the run did.
    if (rc == AKSSL_OK && !outcome->stopped && strcmp(session->spec->map, "yes") == 0)
        rc = ak_pictures_map(
            session, outcome->weights.length ? outcome->weights.text : session->spec->weights,
            outcome);
    return rc;
}
