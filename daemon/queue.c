// daemon/queue.c -- the jobs that wait: their turn, what keeps them, how people change it.

#include "daemon/queue.h"

#include <inttypes.h>
#include <stdlib.h>

#include "daemon/files.h"
#include "daemon/meter.h"
#include "daemon/run.h"
#include "proto/base/alloc.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"

// ---- what it waits for

// look_at says how it stands with one that is waited for: met, or never to be (*dead), or neither.
static akssl_status look_at(ak_daemon *d, ak_after *after, bool *dead)
{
    const ak_job *active = ak_jobs_find(&d->jobs, after->job);
    ak_job_state state = active ? ak_job_shown(active) : 0;
    akssl_status rc = AKSSL_OK;

    if (!active)
        rc = ak_store_state_of(d->store, after->job, &state);
    if (rc < 0 || (state && !ak_job_state_ended(state)))
        return rc;
    after->met = after->any || state == AK_JOB_SUCCEEDED;
    *dead = !after->met && state != AK_JOB_TIMEOUT; // which may be resumed, and succeed yet
    return AKSSL_OK;
}

// next_after gives the first that can never be met, which *dead says, else the first that is not;
// NULL when all are.  What the store does not tell is asked again with the next look.
static ak_after *next_after(ak_daemon *d, ak_terms *terms, bool *dead)
{
    ak_after *first = NULL;

    for (int i = 0; i < terms->after_count; i++) {
        ak_after *after = &terms->after[i];

        if (!after->met && look_at(d, after, dead) == AKSSL_OK && *dead)
            return after;
        if (!after->met && !first)
            first = after;
    }
    return first;
}

akssl_status ak_queue_check_after(ak_daemon *d, const ak_terms *terms, int64_t id)
{
    for (int i = 0; i < terms->after_count; i++) {
        int64_t other = terms->after[i].job;
        ak_job_state state = 0;
        akssl_status rc = ak_store_state_of(d->store, other, &state);

        if (rc < 0)
            return rc;
        if (!state)
            return ak_fail(AKSSL_ERR_INVALID,
                           "after: there is no job %" PRId64 ": `akssl-client list` shows the jobs",
                           other);
        if (id && other >= id)
            return ak_fail(AKSSL_ERR_INVALID,
                           "after: job %" PRId64 " is not older than job %" PRId64
                           ": a job waits for older ones only",
                           other, id);
    }
    return AKSSL_OK;
}

// settle ends what cannot start any more; false when job is gone.
static bool settle(ak_daemon *d, ak_job *job)
{
    bool dead = false;
    ak_after *after;
    char *reason;

    if (ak_job_late(job)) {
        ak_meter_time_out(d, job);
        return false;
    }
    after = next_after(d, &job->terms, &dead);
    if (!dead) {
        job->blocker = after ? after->job : 0;
        return true;
    }
    reason = ak_path("Dependency: job %" PRId64 " did not succeed", after->job);
    ak_control_move(d, job, AK_JOB_CANCEL, reason);
    free(reason);
    return false;
}

// ---- the question

// Of one launcher: each has cores of its own.
typedef struct question {
    ak_schedule s;
    ak_daemon *d;
    const ak_launcher *launcher;
    int64_t lost;  // hosts
    ak_job **jobs; // of the pending
    ak_run **runs; // of the running
    double *usage;
    int64_t wake_ns; // when the next job's pause after a crash is over; 0: none waits
} question;

static int64_t left_of(const ak_job *job)
{
    return job->terms.limit_ms ? job->terms.limit_ms - job->elapsed_ms : AK_SCHEDULE_NEVER;
}

static void add_run(question *q, ak_run *run)
{
    const ak_job *job = run->job;
    bool stays = run->phase != AK_RUN_PREPARING && run->phase != AK_RUN_LAUNCHED &&
                 (run->phase != AK_RUN_JOINED || run->lost);

    q->runs[q->s.running_count] = run;
    q->s.running[q->s.running_count++] = (ak_running){
        .id = job->id,
        .priority = job->spec.priority,
        .cores = run->cores,
        .left_ms = left_of(job),
        .user = ak_usage_find(&run->d->usage, job->owner),
        .stopping = run->phase >= AK_RUN_FINISHED || job->outcome || run->pausing || job->cancel ||
                    job->pause,
        .stays = stays,
    };
}

static ak_wait keeps(const question *q, const ak_job *job, int64_t now_ns)
{
    if (job->held)
        return AK_WAIT_HELD;
    if (job->blocker)
        return AK_WAIT_DEPENDENCY;
    if (q->s.slots < 1)
        return AK_WAIT_HOSTS;
    return job->not_before_ns > now_ns ? AK_WAIT_LATER : AK_WAIT_NONE;
}

static void add_pending(question *q, ak_daemon *d, const ak_job *job, int64_t now_ns)
{
    ak_pending *p = &q->s.pending[q->s.pending_count++];

    *p = (ak_pending){
        .id = job->id,
        .priority = job->spec.priority,
        .cores = ak_job_cores(job, ak_launcher_slots(d, job)),
        .left_ms = left_of(job),
        .user = ak_usage_find(&d->usage, job->owner),
        .wait = keeps(q, job, now_ns),
        .of = job->blocker,
    };
    if (p->wait == AK_WAIT_LATER && (!q->wake_ns || job->not_before_ns < q->wake_ns))
        q->wake_ns = job->not_before_ns;
}

static bool has_place(void *ctx, int64_t id, const int64_t *gone, size_t count)
{
    const question *q = ctx;
    const ak_gone all = { gone, count };
    const ak_job *job = ak_jobs_find(&q->d->jobs, id);
    ak_hostlist places = { 0 };
    int64_t ranks = job ? ak_job_ranks(job, ak_launcher_slots(q->d, job)) : 0;
    bool has = !job || q->launcher->place(q->d, job, &all, &ranks, &places);

    ak_hostlist_fini(&places);
    return has;
}

static void ask(question *q, ak_daemon *d, const ak_launcher *launcher, size_t more)
{
    size_t room = d->jobs.count + more + 1;
    int64_t now_ns = ak_clock_ns();

    *q = (question){
        .s = { .slots = launcher->slots(d, 1),
               .preempt = d->config->preempt && !(launcher->unsure && launcher->unsure(d)),
               .backfill = true },
        .launcher = launcher,
        .lost = launcher->lacks ? launcher->lacks(d) : 0,
        .d = d,
    };
    q->s.has_place = launcher->place ? has_place : NULL;
    q->s.ctx = q;
    q->jobs = ak_alloc(room, sizeof(ak_job *));
    q->runs = ak_alloc(room, sizeof(ak_run *));
    q->s.pending = ak_alloc(room, sizeof *q->s.pending);
    q->s.running = ak_alloc(room, sizeof *q->s.running);
    for (size_t i = 0; i < d->jobs.count; i++) { // first, since indices move with a new one
        (void)ak_usage_find(&d->usage, d->jobs.at[i]->owner);
        if (d->jobs.at[i]->run)
            ak_meter_charge(d->jobs.at[i]->run);
    }
    for (size_t i = 0; i < d->jobs.count; i++) {
        ak_job *job = d->jobs.at[i];

        if (ak_launcher_of(job) != launcher)
            continue;
        if (job->run) {
            add_run(q, job->run);
        } else if (job->state == AK_JOB_QUEUED) {
            q->jobs[q->s.pending_count] = job;
            add_pending(q, d, job, now_ns);
        }
    }
}

static void set_usage(question *q, const ak_daemon *d)
{
    q->usage = ak_alloc(d->usage.count + 1, sizeof *q->usage);
    for (size_t i = 0; i < d->usage.count; i++)
        q->usage[i] = d->usage.rows[i].core_s;
    q->s.usage = q->usage;
    q->s.users = d->usage.count;
    q->s.run_ms = d->usage.ended ? d->usage.job_ms : AK_SCHEDULE_RUN_MS;
}

static void question_fini(question *q)
{
    free(q->jobs);
    free(q->runs);
    free(q->usage);
    free(q->s.pending);
    free(q->s.running);
}

// ---- the answer

static void on_wake(uv_timer_t *timer)
{
    ak_control_schedule(timer->data);
}

// tell notes why a job waits; its watchers hear of a new kind of why, not of every number.
static void tell(ak_daemon *d, const question *q, ak_job *job, const ak_pending *p)
{
    bool moved = (job->wait != p->wait && p->wait != AK_WAIT_START) || job->wait_lost != q->lost;

    job->wait = p->wait;
    job->wait_of = p->of;
    job->wait_cores = p->cores;
    job->wait_lost = q->lost;
    d->waiting[ak_launcher_index(q->launcher)] +=
        p->wait == AK_WAIT_RESOURCES || p->wait == AK_WAIT_PRIORITY || p->wait == AK_WAIT_LATER;
    if (moved)
        ak_watches_changed(d->watches, job, true);
}

// start lets a job go, unless its ranks have no place: free cores of two hosts do not make one
// rank's threads.
static void start(ak_daemon *d, const question *q, ak_job *job, ak_pending *p)
{
    if (ak_run_start(d, job, p->cores))
        return;
    p->wait = AK_WAIT_RESOURCES;
    p->of = 0;
    tell(d, q, job, p);
}

static void answer(ak_daemon *d, question *q)
{
    d->waiting[ak_launcher_index(q->launcher)] = 0;
    for (size_t i = 0; i < q->s.pending_count; i++)
        tell(d, q, q->jobs[i], &q->s.pending[i]);
    for (size_t i = 0; i < q->s.running_count; i++)
        if (q->s.running[i].preempts)
            ak_run_preempt(q->runs[i], q->s.running[i].preempts);
    // What cannot be stored must not start: it would be found QUEUED, or not at all, by the next
    // akssld.
    for (size_t i = 0; i < q->s.pending_count; i++)
        if (q->s.pending[i].wait == AK_WAIT_START && !ak_control_is_behind(d))
            start(d, q, q->jobs[i], &q->s.pending[i]);
}

// keep_ranks has jobs that stopped to get more ranks, and find that others came first, do with what
// they had; false: there are none.
static bool keep_ranks(const question *q)
{
    bool any = false;

    for (size_t i = 0; i < q->s.pending_count; i++) {
        ak_wait wait = q->s.pending[i].wait;
        ak_job *job = q->jobs[i];

        if (!job->growing || job->keeps_ranks ||
            (wait != AK_WAIT_RESOURCES && wait != AK_WAIT_PRIORITY))
            continue;
        any = job->keeps_ranks = true;
    }
    return any;
}

static int64_t schedule(ak_daemon *d, const ak_launcher *launcher)
{
    question q;

    ask(&q, d, launcher, 0);
    set_usage(&q, d);
    ak_schedule_run(&q.s);
    if (keep_ranks(&q)) {
        question_fini(&q);
        return schedule(d, launcher);
    }
    answer(d, &q);
    question_fini(&q);
    return q.wake_ns;
}

void ak_control_schedule(ak_daemon *d)
{
    int64_t wake_ns = 0;

    if (d->stopping || ak_control_is_behind(d))
        return;
    for (size_t i = 0; i < d->jobs.count;) { // whom a job waits for comes before it
        ak_job *job = d->jobs.at[i];
        bool stays = job->state != AK_JOB_QUEUED || settle(d, job);

        i += stays || (i < d->jobs.count && d->jobs.at[i] == job);
    }
    for (int i = 0; i < AK_LAUNCHERS && !ak_control_is_behind(d); i++) {
        int64_t next_ns = schedule(d, ak_launcher_at(i));

        wake_ns = next_ns && (!wake_ns || next_ns < wake_ns) ? next_ns : wake_ns;
    }
    if (wake_ns) {
        int64_t wait_ns = wake_ns - ak_clock_ns();

        uv_timer_start(&d->wake, on_wake, wait_ns > 0 ? (uint64_t)wait_ns / 1000000 + 1 : 1, 0);
    }
}

// expect_ends has runs without a time limit end when they think that they will.
static void expect_ends(question *q)
{
    for (size_t i = 0; i < q->s.running_count; i++) {
        const Akssl__V1__ReportRequest *report = q->runs[i]->job->figures.report;
        double eta_s = report && report->progress && report->progress->has_eta_s
                           ? report->progress->eta_s
                           : -1;

        if (eta_s >= 0 && eta_s < 1e9 && (double)q->s.running[i].left_ms > eta_s * 1000)
            q->s.running[i].left_ms = (int64_t)(eta_s * 1000);
    }
}

int64_t ak_queue_forecast(ak_daemon *d, const ak_job *job)
{
    ak_terms terms = job->terms;
    bool dead = false;
    int64_t when;
    question q;

    if (next_after(d, &terms, &dead))
        return AK_SCHEDULE_NEVER;
    (void)ak_usage_find(&d->usage, job->owner);
    ask(&q, d, ak_launcher_of(job), 1);
    add_pending(&q, d, job, ak_clock_ns());
    q.s.pending[q.s.pending_count - 1].id = INT64_MAX; // after all others
    set_usage(&q, d);
    expect_ends(&q);
    when = ak_schedule_start_of(&q.s, INT64_MAX);
    question_fini(&q);
    return when;
}

// ---- why

char *ak_queue_reason(const ak_job *job)
{
    const char *gap = job->reason[0] ? "; " : "";

    if (job->held) // also where nobody has looked yet
        return ak_path("Held: `akssl-client release %" PRId64 "` lets it start%s%s", job->id, gap,
                       job->reason);
    switch (job->wait) {
    case AK_WAIT_RESOURCES:
        if (job->wait_lost)
            return ak_path("Resources: it is next, and takes %" PRId64 " cores, of which %" PRId64
                           " are free; %" PRId64 " %s not answer%s%s",
                           job->wait_cores, job->wait_of, job->wait_lost,
                           job->wait_lost == 1 ? "host does" : "hosts do", gap, job->reason);
        if (job->wait_of >= job->wait_cores)
            return ak_path("Resources: it is next; %" PRId64 " cores are free, but no host has "
                           "enough for the %" PRId64 " threads of a rank%s%s",
                           job->wait_of, job->spec.threads_per_shard, gap, job->reason);
        return ak_path("Resources: it is next, and takes %" PRId64 " cores, of which %" PRId64
                       " are free%s%s",
                       job->wait_cores, job->wait_of, gap, job->reason);
    case AK_WAIT_HOSTS:
        return ak_path("Resources: launcher '%s' has no cores: %s%s%s", ak_launcher_of(job)->name,
                       job->wait_lost ? "no host of it answers" : "akssld was started without", gap,
                       job->reason);
    case AK_WAIT_PRIORITY:
        return ak_path("Priority: %" PRId64 " %s before it%s%s", job->wait_of,
                       job->wait_of == 1 ? "job goes" : "jobs go", gap, job->reason);
    case AK_WAIT_DEPENDENCY:
        return ak_path("Dependency: waits for job %" PRId64 "%s%s", job->wait_of, gap, job->reason);
    case AK_WAIT_NONE:
    case AK_WAIT_START:
    case AK_WAIT_HELD:
    case AK_WAIT_LATER:
        break;
    }
    return NULL;
}

// ---- people

// wish makes a flag of a job durable, or leaves it as it was.
static akssl_status wish(ak_daemon *d, ak_job *job, bool *field, bool value)
{
    bool before = *field;
    akssl_status rc;

    if (before == value)
        return AKSSL_OK;
    *field = value;
    rc = ak_control_save(d, job);
    if (rc < 0)
        *field = before;
    return rc;
}

akssl_status ak_queue_hold(ak_daemon *d, int64_t id, bool hold,
                           void (*seen)(void *ctx, const ak_job *job), void *ctx)
{
    ak_job *job;
    akssl_status rc = ak_control_active(d, id, &job);

    if (rc == AKSSL_OK && job->state != AK_JOB_QUEUED && job->state != AK_JOB_PAUSED)
        rc = ak_fail(AKSSL_ERR_STATE,
                     "job %" PRId64 " is %s: only one that waits, QUEUED or PAUSED, is held or "
                     "released; `akssl-client pause %" PRId64 "` stops one that runs",
                     id, ak_job_state_text(job->state), id);
    if (rc == AKSSL_OK)
        rc = wish(d, job, &job->held, hold);
    if (rc < 0)
        return rc;
    ak_log_write(d->log, AK_LOG_INFO, "job %" PRId64 " is %s", id, hold ? "held" : "released");
    job->wait = AK_WAIT_NONE; // until the next look, which is soon
    ak_watches_changed(d->watches, job, true);
    seen(ctx, job);
    ak_control_schedule(d); // which may end it
    return AKSSL_OK;
}

akssl_status ak_queue_requeue(ak_daemon *d, int64_t id, void (*seen)(void *ctx, const ak_job *job),
                              void *ctx)
{
    ak_job *job;
    akssl_status rc = ak_control_active(d, id, &job);

    if (rc == AKSSL_OK && (job->cancel || job->pause))
        rc = ak_fail(AKSSL_ERR_STATE, "job %" PRId64 " is being %s", id,
                     job->cancel ? "cancelled" : "paused");
    if (rc == AKSSL_OK && !job->run)
        rc = ak_fail(AKSSL_ERR_STATE, "job %" PRId64 " is %s: only one that runs is queued again",
                     id, ak_job_state_text(job->state));
    if (rc == AKSSL_OK)
        rc = wish(d, job, &job->requeue, true);
    if (rc < 0)
        return rc;
    if (!job->outcome)
        ak_text_set(&job->reason, "is being queued again");
    ak_watches_changed(d->watches, job, true);
    ak_run_yield(job->run, "queued again by request");
    seen(ctx, job);
    return AKSSL_OK;
}
