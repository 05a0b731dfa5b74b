// daemon/scheduler.c -- which jobs start now, which runs make way, and why the others wait.

#include "daemon/scheduler.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "proto/base/clock.h"

enum { MOST_ROUNDS = 4096, MOST_NS = 50 * 1000000 }; // of a forecast, which holds others up

// What is known on the way through the jobs, in their order.
typedef struct pass {
    ak_schedule *s;
    ak_pending **order;
    size_t count;
    int64_t free;
    ak_running *runs; // those that there are, then those that start
    size_t run_count;
    const ak_pending *head;
    int64_t shadow_ms, extra; // when the head starts, and what it leaves free then
} pass;

// ---- the order

static int by_owner(const void *a, const void *b)
{
    const ak_pending *p = *(ak_pending *const *)a, *q = *(ak_pending *const *)b;

    if (p->priority != q->priority)
        return p->priority > q->priority ? -1 : 1;
    if (p->user != q->user)
        return p->user < q->user ? -1 : 1;
    return p->id < q->id ? -1 : 1;
}

typedef struct owner {
    size_t next, end; // of its jobs
    double usage;
} owner;

// to_come is what so many cores will still have taken when they are free again.
static double to_come(const ak_schedule *s, int64_t cores, int64_t left_ms)
{
    int64_t ms = left_ms < s->run_ms ? left_ms : s->run_ms;

    return ms > 0 ? (double)cores * (double)ms / 1000 : 0;
}

// promised adds to usage[] what the owners' runs will have taken.
static double *promised(const ak_schedule *s)
{
    double *usage = ak_alloc(s->users + 1, sizeof *usage);

    if (s->users)
        memcpy(usage, s->usage, s->users * sizeof *usage);
    for (size_t i = 0; i < s->running_count; i++)
        if (!s->running[i].stopping)
            usage[s->running[i].user] += to_come(s, s->running[i].cores, s->running[i].left_ms);
    return usage;
}

// take_turns puts jobs of one priority in order: always the oldest of whoever has used least.
static void take_turns(ak_pending **jobs, size_t count, const ak_schedule *s, double *usage)
{
    ak_pending **sorted = ak_alloc(count, sizeof *sorted);
    owner *owners = ak_alloc(count, sizeof *owners);
    size_t n = 0;

    memcpy(sorted, jobs, count * sizeof *sorted);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || sorted[i]->user != sorted[i - 1]->user)
            owners[n++] = (owner){ .next = i, .usage = usage[sorted[i]->user] };
        owners[n - 1].end = i + 1;
    }
    for (size_t i = 0; i < count; i++) {
        owner *best = NULL;

        for (owner *o = owners; o < owners + n; o++)
            if (o->next < o->end &&
                (!best || o->usage < best->usage ||
                 (o->usage == best->usage && sorted[o->next]->id < sorted[best->next]->id)))
                best = o;
        jobs[i] = sorted[best->next++];
        best->usage += to_come(s, jobs[i]->cores, jobs[i]->left_ms);
    }
    free(owners);
    free(sorted);
}

static void put_in_order(pass *p)
{
    double *usage = promised(p->s);
    size_t from = 0;

    for (size_t i = 0; i < p->s->pending_count; i++)
        if (p->s->pending[i].wait == AK_WAIT_NONE)
            p->order[p->count++] = &p->s->pending[i];
    qsort(p->order, p->count, sizeof *p->order, by_owner);
    for (size_t i = 1; i <= p->count; i++) {
        if (i < p->count && p->order[i]->priority == p->order[from]->priority)
            continue;
        take_turns(p->order + from, i - from, p->s, usage);
        from = i;
    }
    free(usage);
}

// ---- the head

static int64_t end_of(const ak_running *run)
{
    return run->stopping || run->preempts ? 0 : run->left_ms;
}

static int by_end(const void *a, const void *b)
{
    const ak_running *p = a, *q = b;

    if (end_of(p) != end_of(q))
        return end_of(p) < end_of(q) ? -1 : 1;
    return p->id < q->id ? -1 : 1;
}

static bool has_place(const pass *p, const ak_pending *job, const int64_t *gone, size_t count)
{
    return !p->s->has_place || p->s->has_place(p->s->ctx, job->id, gone, count);
}

// plan finds out when the head has its cores.  Where it lacks a place, and not just cores, none are
// left over: they may be just those.
static void plan(pass *p)
{
    ak_running *ends = ak_alloc(p->run_count + 1, sizeof *ends);
    int64_t *gone = ak_alloc(p->run_count + 1, sizeof *gone);
    int64_t free_then = p->free;
    bool scattered = p->free >= p->head->cores;

    memcpy(ends, p->runs, p->run_count * sizeof *ends);
    qsort(ends, p->run_count, sizeof *ends, by_end);
    p->shadow_ms = AK_SCHEDULE_NEVER;
    for (size_t i = 0; i < p->run_count; i++) {
        free_then += ends[i].cores;
        gone[i] = ends[i].id;
        if (free_then < p->head->cores ||
            (i + 1 < p->run_count && end_of(&ends[i + 1]) == end_of(&ends[i])))
            continue;
        if (has_place(p, p->head, gone, i + 1)) {
            p->shadow_ms = end_of(&ends[i]);
            break;
        }
        scattered = true;
    }
    p->extra = p->shadow_ms < AK_SCHEDULE_NEVER && !scattered ? free_then - p->head->cores : 0;
    free(gone);
    free(ends);
}

// Who makes way first: the lowest priority, then the youngest.
static int by_worth(const void *a, const void *b)
{
    const ak_running *p = *(ak_running *const *)a, *q = *(ak_running *const *)b;

    if (p->priority != q->priority)
        return p->priority < q->priority ? -1 : 1;
    return p->id > q->id ? -1 : 1;
}

static size_t find_victims(const pass *p, ak_running **victims, int64_t *lacking)
{
    size_t count = 0;

    *lacking = p->head->cores - p->free;
    for (size_t i = 0; i < p->s->running_count; i++) {
        ak_running *run = &p->runs[i];

        if (run->stopping)
            *lacking -= run->cores;
        else if (!run->stays && run->priority < p->head->priority)
            victims[count++] = run;
    }
    qsort(victims, count, sizeof *victims, by_worth);
    return count;
}

// is_enough says whether the head fits once the victims (NULL: one that is spared) are gone.
static bool is_enough(const pass *p, ak_running *const *victims, size_t taken, int64_t lacking)
{
    int64_t *gone = ak_alloc(p->run_count + 1, sizeof *gone), got = 0;
    size_t count = 0;
    bool enough;

    for (size_t i = 0; i < p->s->running_count; i++)
        if (p->runs[i].stopping)
            gone[count++] = p->runs[i].id;
    for (size_t i = 0; i < taken; i++) {
        if (!victims[i])
            continue;
        got += victims[i]->cores;
        gone[count++] = victims[i]->id;
    }
    enough = got >= lacking && has_place(p, p->head, gone, count);
    free(gone);
    return enough;
}

static void preempt(pass *p)
{
    ak_running **victims = ak_alloc(p->run_count + 1, sizeof *victims);
    int64_t lacking;
    size_t count = find_victims(p, victims, &lacking), taken = 0;

    while (taken < count && !is_enough(p, victims, taken, lacking))
        taken++;
    if (!is_enough(p, victims, taken, lacking))
        taken = 0;                     // in vain
    for (size_t i = taken; i-- > 0;) { // the dearest are spared where the others do
        ak_running *run = victims[i];

        victims[i] = NULL;
        if (is_enough(p, victims, taken, lacking))
            continue;
        victims[i] = run;
        run->preempts = p->head->id;
    }
    free(victims);
}

// ---- the pass

static void start(pass *p, ak_pending *job)
{
    job->wait = AK_WAIT_START;
    job->of = 0;
    p->free -= job->cores;
    p->runs[p->run_count++] = (ak_running){ .id = job->id,
                                            .priority = job->priority,
                                            .cores = job->cores,
                                            .left_ms = job->left_ms,
                                            .user = job->user };
}

static void look(pass *p, ak_pending *job, size_t place)
{
    if (!p->head && job->cores <= p->free && has_place(p, job, NULL, 0)) {
        start(p, job);
    } else if (!p->head) {
        p->head = job;
        job->wait = AK_WAIT_RESOURCES;
        job->of = p->free > 0 ? p->free : 0;
        if (p->s->preempt)
            preempt(p);
        plan(p);
    } else if (p->s->backfill && job->cores <= p->free && has_place(p, job, NULL, 0) &&
               ((job->left_ms < AK_SCHEDULE_NEVER && job->left_ms <= p->shadow_ms) ||
                job->cores <= p->extra)) {
        if (job->left_ms > p->shadow_ms || job->left_ms == AK_SCHEDULE_NEVER)
            p->extra -= job->cores;
        start(p, job);
    } else {
        job->wait = AK_WAIT_PRIORITY;
        job->of = (int64_t)place;
    }
}

void ak_schedule_run(ak_schedule *s)
{
    size_t room = s->running_count + s->pending_count + 1, waiting = 0;
    pass p = { .s = s, .free = s->slots };

    p.order = ak_alloc(s->pending_count + 1, sizeof(ak_pending *));
    p.runs = ak_alloc(room, sizeof *p.runs);
    p.run_count = s->running_count;
    if (s->running_count)
        memcpy(p.runs, s->running, s->running_count * sizeof *p.runs);
    for (size_t i = 0; i < s->running_count; i++) {
        p.runs[i].preempts = 0;
        p.free -= p.runs[i].cores;
    }
    put_in_order(&p);
    for (size_t i = 0; i < p.count; i++) {
        look(&p, p.order[i], waiting);
        waiting += p.order[i]->wait != AK_WAIT_START;
    }
    for (size_t i = 0; i < s->running_count; i++)
        s->running[i].preempts = p.runs[i].preempts;
    free(p.runs);
    free(p.order);
}

// ---- the forecast

// A world of its own, in which time goes by.
typedef struct forecast {
    ak_schedule s;
    int64_t now_ms;
} forecast;

static bool is_started(const ak_schedule *s, int64_t id)
{
    for (size_t i = 0; i < s->pending_count; i++)
        if (s->pending[i].id == id)
            return s->pending[i].wait == AK_WAIT_START;
    return false;
}

// launch makes runs of those that start, and lets the others be asked again.
static void launch(ak_schedule *s)
{
    size_t left = 0;

    for (size_t i = 0; i < s->pending_count; i++) {
        ak_pending *job = &s->pending[i];

        if (job->wait == AK_WAIT_START) {
            s->running[s->running_count++] = (ak_running){ .id = job->id,
                                                           .priority = job->priority,
                                                           .cores = job->cores,
                                                           .left_ms = job->left_ms,
                                                           .user = job->user,
                                                           .stays = true };
            continue;
        }
        if (job->wait == AK_WAIT_RESOURCES || job->wait == AK_WAIT_PRIORITY)
            job->wait = AK_WAIT_NONE;
        s->pending[left++] = *job;
    }
    s->pending_count = left;
}

// pass_time goes to the next end of a run; false when none is known.
static bool pass_time(forecast *f)
{
    ak_schedule *s = &f->s;
    int64_t next = AK_SCHEDULE_NEVER;
    size_t left = 0;

    for (size_t i = 0; i < s->running_count; i++)
        if (end_of(&s->running[i]) < next)
            next = end_of(&s->running[i]);
    if (next == AK_SCHEDULE_NEVER)
        return false;
    f->now_ms += next;
    for (size_t i = 0; i < s->running_count; i++) {
        ak_running run = s->running[i];

        if (end_of(&run) <= next)
            continue;
        if (run.left_ms < AK_SCHEDULE_NEVER)
            run.left_ms -= next;
        s->running[left++] = run;
    }
    s->running_count = left;
    return true;
}

int64_t ak_schedule_start_of(const ak_schedule *from, int64_t id)
{
    forecast f = { .s = *from };
    int64_t when = AK_SCHEDULE_NEVER, start_ns = ak_clock_ns();

    f.s.has_place = NULL; // it knows the hosts of now
    f.s.pending = ak_alloc(from->pending_count + 1, sizeof *f.s.pending);
    f.s.running = ak_alloc(from->running_count + from->pending_count + 1, sizeof *f.s.running);
    memcpy(f.s.pending, from->pending, from->pending_count * sizeof *f.s.pending);
    if (from->running_count)
        memcpy(f.s.running, from->running, from->running_count * sizeof *f.s.running);
    for (int round = 0; round < MOST_ROUNDS && ak_clock_ns() - start_ns < MOST_NS; round++) {
        ak_schedule_run(&f.s);
        if (is_started(&f.s, id)) {
            when = f.now_ms;
            break;
        }
        launch(&f.s);
        if (!pass_time(&f))
            break;
    }
    free(f.s.pending);
    free(f.s.running);
    return when;
}
