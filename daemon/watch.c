// daemon/watch.c -- the calls of Watch.

#include "daemon/watch.h"

#include <stdlib.h>

#include "daemon/wire.h"
#include "proto/base/alloc.h"

typedef struct watch {
    struct watch *next;
    ak_call *call;
    int64_t id;
    bool full;  // the caller is behind
    bool stale; // there is something newer than what was sent
} watch;

struct ak_watches {
    uv_timer_t *timer; // runs while a watch is stale; closes by itself after free
    const char *state_dir;
    ak_job *(*find)(void *ctx, int64_t id);
    void *ctx;
    watch *first;
};

ak_watches *ak_watches_new(uv_loop_t *loop, const char *state_dir,
                           ak_job *(*find)(void *ctx, int64_t id), void *ctx)
{
    ak_watches *w = ak_alloc(1, sizeof *w);

    w->timer = ak_alloc(1, sizeof *w->timer);
    uv_timer_init(loop, w->timer);
    w->timer->data = w;
    w->state_dir = state_dir;
    w->find = find;
    w->ctx = ctx;
    return w;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

void ak_watches_free(ak_watches *w)
{
    if (!w)
        return;
    while (w->first) {
        watch *next = w->first->next;

        ak_call_set_user(w->first->call, NULL);
        ak_call_fail(w->first->call, AKSSL_ERR_UNAVAILABLE,
                     "akssld is stopping: watch again once it is back");
        free(w->first);
        w->first = next;
    }
    uv_close((uv_handle_t *)w->timer, on_closed);
    free(w);
}

static void tell(ak_watches *w, watch *one, const ak_job *job, bool first)
{
    Akssl__V1__Event event = AKSSL__V1__EVENT__INIT;
    ak_wire wire;

    ak_wire_job(&wire, job, w->state_dir, first ? AK_WIRE_WHOLE_SPEC : AK_WIRE_NO_SPEC);
    event.job = &wire.job;
    one->stale = false;
    one->full = ak_call_send(one->call, &event.base);
    ak_wire_fini(&wire);
    if (ak_job_state_ended(ak_job_shown(job)))
        ak_call_finish(one->call);
}

static void on_timer(uv_timer_t *timer)
{
    ak_watches *w = timer->data;

    for (watch *one = w->first; one; one = one->next) {
        const ak_job *job = one->stale && !one->full ? w->find(w->ctx, one->id) : NULL;

        if (job)
            tell(w, one, job, false);
    }
}

void ak_watches_add(ak_watches *w, ak_call *call, const ak_job *job)
{
    watch *one = ak_alloc(1, sizeof *one);

    *one = (watch){ .next = w->first, .call = call, .id = job->id };
    w->first = one;
    ak_call_set_user(call, one);
    tell(w, one, job, true);
}

void ak_watches_drained(ak_watches *w, ak_call *call)
{
    watch *one = ak_call_user(call);
    const ak_job *job;

    if (!one)
        return;
    one->full = false;
    job = one->stale ? w->find(w->ctx, one->id) : NULL;
    if (job)
        tell(w, one, job, false);
}

void ak_watches_ended(ak_watches *w, ak_call *call)
{
    watch *one = ak_call_user(call);

    if (!one) // ak_watches_free was there first
        return;
    for (watch **at = &w->first; *at; at = &(*at)->next) {
        if (*at != one)
            continue;
        *at = one->next;
        free(one);
        return;
    }
}

void ak_watches_changed(ak_watches *w, const ak_job *job, bool moved)
{
    bool ended = ak_job_state_ended(ak_job_shown(job));

    for (watch *one = w->first; one; one = one->next) {
        if (one->id != job->id)
            continue;
        one->stale = true;
        if (ended || (moved && !one->full))
            tell(w, one, job, false);
        else if (!uv_is_active((uv_handle_t *)w->timer))
            uv_timer_start(w->timer, on_timer, AK_WATCH_PERIOD_MS, 0);
    }
}
