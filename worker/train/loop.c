// worker/train/loop.c -- the steps of a run that trains.

#include "worker/train/loop.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/clock.h"
#include "proto/base/error.h"
#include "worker/train/agree.h"
#include "worker/train/data.h"

enum { WHOLE_BYTES = 1 << 20 };

akssl_status ak_loop_agree(const ak_loop *l, akssl_status rc)
{
    return ak_agree(l->session->comm, rc);
}

// What images cannot be had for is to be put right, and no failure of the job.
akssl_status ak_loop_agree_data(const ak_loop *l, akssl_status rc)
{
    akssl_status first;

    rc = ak_agree_first(l->session->comm, rc, &first);
    l->outcome->unwritten |= ak_data_is_elsewhere(first);
    return rc;
}

// ---- state

// Rank 0's replica becomes everybody's.
static void share_state(ak_loop *l, ak_state *state)
{
    int64_t numbers[3] = { state->version, state->filled, state->position };

    ak_comm_broadcast(l->session->comm, numbers, sizeof numbers);
    state->version = numbers[0];
    state->filled = numbers[1];
    state->position = numbers[2];
    state->sent = state->version;
    ak_comm_broadcast(l->session->comm, state->rows,
                      (size_t)(state->length * state->width) * sizeof(float));
}

// A replica from what the coordinator holds: rank 0 asks, all receive.
static akssl_status restore_state(ak_loop *l, ak_state *state)
{
    akssl_status rc = AKSSL_OK;

    if (l->session->link)
        rc = l->session->link->restore(l->session->link->ctx, state);
    if (rc == AKSSL_OK && l->session->link && state->version != l->session->resume_step)
        rc = ak_fail(AKSSL_ERR_CORRUPT,
                     "%s is of step %" PRId64 ", the commit of step %" PRId64
                     ": they do not belong together",
                     state->name, state->version, l->session->resume_step);
    rc = ak_loop_agree(l, rc);
    if (rc == AKSSL_OK)
        share_state(l, state);
    return rc;
}

static akssl_status restore_states(ak_loop *l)
{
    akssl_status rc = AKSSL_OK;

    for (int i = 0; i < l->trainer->state_count && rc == AKSSL_OK; i++)
        rc = restore_state(l, l->trainer->states[i]);
    return rc;
}

// From another job's state.  Prototypes are parameters: a momentum network starts from them, too.
static akssl_status seed_states(ak_loop *l)
{
    const ak_link *link = l->session->link;
    bool params = false;
    akssl_status rc = AKSSL_OK;

    for (int i = 0; i < l->trainer->state_count && rc == AKSSL_OK; i++) {
        ak_state *state = l->trainer->states[i];

        rc = ak_loop_agree(l, link ? link->seed(link->ctx, state) : AKSSL_OK);
        if (rc == AKSSL_OK)
            share_state(l, state);
        params |= state->param != NULL;
    }
    if (params)
        ak_model_follow(&l->trainer->model, 0, l->trainer->world.threads);
    return rc;
}

static akssl_status start_states(ak_loop *l)
{
    const ak_link *link = l->session->link;
    akssl_status rc = l->session->spec->state_from ? seed_states(l) : AKSSL_OK;

    for (int i = 0; link && i < l->trainer->state_count && rc == AKSSL_OK; i++)
        rc = link->declare(link->ctx, l->trainer->states[i]);
    return rc;
}

// ---- one step

static akssl_status replace(ak_loop *l, ak_state *state)
{
    const ak_link *link = l->session->link;

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

static akssl_status send_wholes(ak_loop *l)
{
    akssl_status rc = AKSSL_OK;

    for (int i = 0; l->session->link && i < l->trainer->state_count && rc == AKSSL_OK; i++)
        if (l->trainer->states[i]->whole &&
            l->trainer->states[i]->sent != l->trainer->states[i]->version)
            rc = replace(l, l->trainer->states[i]);
    return rc;
}

static akssl_status push(ak_loop *l)
{
    const ak_link *link = l->session->link;
    akssl_status rc = AKSSL_OK;

    for (int i = 0; link && i < l->trainer->state_count && rc == AKSSL_OK; i++) {
        ak_state *state = l->trainer->states[i];

        if (!state->whole)
            rc = link->push(link->ctx, state, state->pushed, state->pushed_count);
        else if (due(state))
            rc = replace(l, state);
    }
    return rc;
}

// A sentence for people, with the progress from now on; the daemon puts it into the job's log.
static void warn(ak_loop *l, const char *sentence)
{
    int at = l->last.warning_count;

    if (at == AK_LOOP_WARNINGS)
        return;
    snprintf(l->warning[at], sizeof l->warning[at], "%s", sentence);
    l->warnings[at] = l->warning[at];
    l->last.warnings = l->warnings;
    l->last.warning_count++;
}

// The gauges of a step, and whether they show a collapse.
static int look(ak_loop *l, double loss)
{
    int count = ak_trainer_gauges(l->trainer, l->gauges);
    ak_health health;

    ak_trainer_health(l->trainer, &health);
    count = ak_watch_gauges(&health, l->gauges, count);
    if (l->trainer->online && count < AK_METHOD_GAUGES)
        l->gauges[count++] = (ak_gauge){ "probe_top1", l->trainer->online->top1 };
    if (!ak_watch_see(&l->watch, &health, l->gauges, count, loss))
        return count;
    l->collapsed = true;
    if (l->healthy >= 0)
        snprintf(l->collapse, sizeof l->collapse, "%s; the last healthy commit is of step %" PRId64,
                 l->watch.sentence, l->healthy);
    else if (l->session->resume_step)
        snprintf(l->collapse, sizeof l->collapse,
                 "%s; it began before step %" PRId64 ", from which the run went on",
                 l->watch.sentence, l->session->resume_step);
    else
        snprintf(l->collapse, sizeof l->collapse, "%s; there is no commit from before",
                 l->watch.sentence);
    warn(l, l->collapse);
    return count;
}

static akssl_status tell(ak_loop *l, double loss, double lr, double seconds)
{
    const ak_link *link = l->session->link;
    int64_t step = l->trainer->step;
    ak_progress *p = &l->last;
    akssl_status rc;
    int gauges;

    if (!link)
        return AKSSL_OK;
    gauges = look(l, loss);
    l->pace = l->pace > 0 ? 0.9 * l->pace + 0.1 * seconds : seconds;
    *p = (ak_progress){
        .step = step,
        .total_steps = l->total,
        .epoch = (double)step / (double)l->epoch_steps,
        .loss = loss,
        .lr = lr,
        .images_per_s = (double)l->trainer->batch / l->pace,
        .eta_s = (double)(l->total - step) * l->pace,
        .gauges = l->gauges,
        .gauge_count = gauges,
        .warnings = l->warnings,
        .warning_count = l->last.warning_count,
    };
    rc = ak_metrics_write(l->metrics, p);
    if (rc == AKSSL_OK)
        rc = ak_epochs_add(l->epochs, l->trainer, loss);
    rc = ak_outcome_wrote(l->outcome, rc);
    if (rc == AKSSL_OK)
        link->report(link->ctx, p, &l->outcome->results);
    return rc;
}

static akssl_status step(ak_loop *l)
{
    ak_trainer *t = l->trainer;
    int64_t start = ak_clock_ns();
    double lr = ak_schedule_lr(&l->rate, t->step), loss;
    akssl_status rc;

    ak_trainer_begin(t);
    rc = ak_loop_agree_data(l, l->fill(l->ctx, t));
    if (rc == AKSSL_OK)
        rc = ak_trainer_compute(t, &loss); // the same loss, so the same outcome, on every rank
    if (rc < 0)
        return rc;
    ak_trainer_update(t, lr);
    rc = ak_saver_over(&l->saver) ? ak_saver_end(&l->saver, l->outcome) : AKSSL_OK;
    if (rc == AKSSL_OK)
        rc = push(l);
    if (rc == AKSSL_OK)
        rc = tell(l, loss, lr, (double)(ak_clock_ns() - start) * 1e-9);
    return rc;
}

// The commit before is over, on rank 0, before the next one begins.
static akssl_status end_commit(ak_loop *l)
{
    return ak_loop_agree(l, ak_saver_end(&l->saver, l->outcome));
}

// begin_commit copies the files and holds the state: what comes then is not the steps' to wait for.
static akssl_status begin_commit(ak_loop *l)
{
    const ak_link *link = l->session->link;
    ak_commit_draft draft;
    akssl_status rc;

    if (l->committed == l->trainer->step)
        return AKSSL_OK;
    rc = end_commit(l);
    if (rc < 0)
        return rc;
    ak_str_clear(&l->trainer->watch);
    if (link)
        ak_watch_print(&l->watch, &l->trainer->watch);
    rc = ak_outcome_wrote(l->outcome, ak_commit_draw(l->trainer, &l->outcome->results,
                                                     l->session->folder, &l->memory, &draft));
    if (rc == AKSSL_OK)
        rc = send_wholes(l);
    if (rc == AKSSL_OK && link)
        rc = link->hold(link->ctx, l->trainer->step);
    if (rc == AKSSL_OK && ak_comm_rank(l->session->comm) == 0)
        ak_saver_start(&l->saver, &draft, link, l->metrics);
    ak_commit_drop(&draft);
    l->committed = l->trainer->step;
    if (!ak_watch_suspects(&l->watch))
        l->healthy = l->committed;
    return ak_loop_agree(l, rc);
}

static bool on_collapse(const ak_loop *l, const char *what)
{
    return l->collapsed && strcmp(l->session->spec->on_collapse, what) == 0;
}

// Rank 0 knows: asked by the coordinator, or the run has collapsed.
static bool must_stop(const ak_loop *l)
{
    const ak_link *link = l->session->link;

    return (link && link->stop(link->ctx)) || on_collapse(l, "pause") || on_collapse(l, "stop");
}

// What a collapse means for the run, when its last commit is made.
static akssl_status end_collapsed(ak_loop *l)
{
    if (on_collapse(l, "pause")) {
        l->outcome->paused = true;
        ak_str_append(&l->outcome->reason, l->collapse);
    }
    return ak_loop_agree(l, on_collapse(l, "stop") ? ak_fail(AKSSL_ERR_STATE, "%s", l->collapse)
                                                   : AKSSL_OK);
}

akssl_status ak_loop_train(ak_loop *l)
{
    akssl_status rc = AKSSL_OK;

    while (l->trainer->step < l->total && rc == AKSSL_OK && !l->outcome->stopped) {
        rc = ak_loop_agree(l, step(l));
        if (rc == AKSSL_OK)
            l->outcome->stopped = ak_comm_agree(l->session->comm, must_stop(l));
        if (rc == AKSSL_OK && l->between && l->trainer->step % l->every == 0 &&
            l->trainer->step < l->total && !l->outcome->stopped)
            rc = l->between(l->ctx);
        if (rc == AKSSL_OK && l->trainer->step % l->commit_every == 0)
            rc = begin_commit(l);
    }
    if (rc == AKSSL_OK)
        rc = begin_commit(l);
    if (rc == AKSSL_OK)
        rc = end_commit(l);
    if (rc == AKSSL_OK)
        ak_commit_memory_fini(&l->memory); // evaluations may need it
    return rc == AKSSL_OK && l->outcome->stopped ? end_collapsed(l) : rc;
}

void ak_loop_tell(ak_loop *l)
{
    const ak_link *link = l->session->link;

    l->last.step = l->trainer->step;
    l->last.total_steps = l->total;
    if (link)
        link->report(link->ctx, &l->last, &l->outcome->results);
}

// ---- the start

static void warn_of_long_rings(ak_loop *l)
{
    for (int i = 0; l->session->link && i < l->trainer->state_count; i++) {
        const ak_state *state = l->trainer->states[i];
        char sentence[AK_LOOP_WARNING];

        if (state->whole || !l->images || state->length <= l->images)
            continue;
        snprintf(sentence, sizeof sentence,
                 "%s has %" PRId64 " rows and the data set %" PRId64
                 " images: old keys of the same images are among the rows, a shorter queue is "
                 "better",
                 state->name, state->length, l->images);
        warn(l, sentence);
    }
}

akssl_status ak_loop_prepare(ak_loop *l, akssl_status rc)
{
    const ak_session *s = l->session;
    akssl_status first;

    l->total = l->epoch_steps * s->spec->epochs;
    if (rc == AKSSL_OK)
        rc = ak_update_rate(&l->rate, s->spec,
                            llround(s->spec->warmup_epochs * (double)l->epoch_steps), l->total);
    if (rc == AKSSL_OK && s->link)
        rc = ak_outcome_wrote(
            l->outcome, ak_metrics_open(&l->metrics, s->folder, "metrics.jsonl", s->resume_step));
    if (rc == AKSSL_OK && s->link)
        rc = ak_outcome_wrote(l->outcome, ak_epochs_open(&l->epochs, s, l->epoch_steps));
    if (rc == AKSSL_OK && s->resume_step)
        rc = ak_commit_read(l->trainer, &l->outcome->results, s->commit, s->resume_step);
    if (rc == AKSSL_OK)
        rc = ak_commit_reserve(&l->memory, l->trainer);
    rc = ak_agree_first(s->comm, rc, &first);
    l->outcome->unwritten |=
        ak_data_is_elsewhere(first) || (s->resume_step && ak_commit_is_elsewhere(first));
    if (rc < 0)
        return rc;
    l->trainer->total = l->total;
    l->trainer->epoch_steps = l->epoch_steps;
    l->commit_every = s->spec->commit_every ? s->spec->commit_every : l->epoch_steps;
    l->committed = l->healthy = s->resume_step ? s->resume_step : -1;
    if (s->resume_step) {
        bool told = !ak_watch_parse(&l->watch, l->trainer->watch.text);

        if (told || ak_watch_suspects(&l->watch))
            l->healthy = -1;
        l->watch.noticed = told && strcmp(s->spec->on_collapse, "warn") == 0; // as it was
    }
    warn_of_long_rings(l);
    return s->resume_step ? restore_states(l) : ak_loop_agree(l, start_states(l));
}

void ak_loop_count_bad(ak_loop *l, const ak_dataset *set)
{
    int64_t bad = ak_data_count_bad(set, l->session->comm);

    if (bad)
        ak_results_put(&l->outcome->results, "data.", "bad_images", (double)bad);
}

void ak_loop_fini(ak_loop *l)
{
    ak_saver_fini(&l->saver);
    ak_commit_memory_fini(&l->memory);
    ak_metrics_close(l->metrics);
    ak_epochs_close(l->epochs);
}
