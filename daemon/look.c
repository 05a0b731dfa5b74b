// daemon/look.c -- looks at files of other people's: each on a thread of its own, with a deadline.
//
// A look is the loop's until its thread starts, then both's: the thread puts it among the finished,
// whether anybody still waits for it or not, and the loop frees it; once the loop has left, the
// thread does.

#include "daemon/look.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/thread.h"
#include "proto/base/alloc.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"

// So many are told before the loop sees to others: what an asker does next may write to disk.
enum { AT_ONCE = 8 };

struct ak_look {
    ak_looks *looks;
    const ak_look_kind *kind;
    void *sight, *asker;
    int64_t since_ns;
    bool started;
    bool wanted;    // its asker waits
    ak_look *next;  // of those that are wanted, oldest first
    ak_look *after; // of those that are finished, oldest first
    akssl_status rc;
    char error[1024];
};

struct ak_looks {
    int64_t ms;
    ak_look *wanted;
    uv_async_t *finish; // close by themselves after free
    uv_timer_t *timer;
    pthread_mutex_t lock;
    ak_look *finished; // lock: threads put them here
    int out;           // lock: looks with a thread that are not among the finished
    bool left;         // lock: the loop will not look again
};

static void look_free(ak_look *look)
{
    look->kind->release(look->sight);
    free(look);
}

static void looks_release(ak_looks *looks)
{
    pthread_mutex_destroy(&looks->lock);
    free(looks);
}

// ---- the thread's side

// finish gives a look that had its turn back to the loop.
static void finish(ak_look *look, akssl_status rc)
{
    ak_looks *looks = look->looks;
    bool left, last;

    look->rc = rc;
    if (rc < 0)
        snprintf(look->error, sizeof look->error, "%s", ak_error_text());
    pthread_mutex_lock(&looks->lock);
    looks->out--;
    left = looks->left;
    last = left && looks->out == 0;
    if (!left) {
        ak_look **at = &looks->finished;

        while (*at)
            at = &(*at)->after;
        *at = look;
        uv_async_send(looks->finish);
    }
    pthread_mutex_unlock(&looks->lock);
    if (left)
        look_free(look);
    if (last)
        looks_release(looks);
}

static void *on_thread(void *ctx)
{
    ak_look *look = ctx;

    finish(look, look->kind->run(look->sight));
    return NULL;
}

// ---- the loop's side

static void unwant(ak_look *look)
{
    ak_look **at = &look->looks->wanted;

    while (*at && *at != look)
        at = &(*at)->next;
    if (*at)
        *at = look->next;
    look->wanted = false;
}

static bool take_turn(ak_looks *looks)
{
    bool free_turn;

    pthread_mutex_lock(&looks->lock);
    free_turn = looks->out < AK_LOOKS_AT_ONCE;
    looks->out += free_turn;
    pthread_mutex_unlock(&looks->lock);
    return free_turn;
}

// start_some gives looks that wait their turn.
static void start_some(ak_looks *looks)
{
    for (ak_look *look = looks->wanted; look; look = look->next) {
        akssl_status rc;

        if (look->started)
            continue;
        if (!take_turn(looks))
            return;
        look->started = true;
        rc = ak_thread_start(on_thread, look);
        if (rc < 0)
            finish(look, rc);
    }
}

// take gives the oldest of the finished, or NULL.
static ak_look *take(ak_looks *looks)
{
    ak_look *look;

    pthread_mutex_lock(&looks->lock);
    look = looks->finished;
    if (look)
        looks->finished = look->after;
    pthread_mutex_unlock(&looks->lock);
    return look;
}

static void on_finished(uv_async_t *finish)
{
    ak_looks *looks = finish->data;
    ak_look *look = NULL;

    for (int i = 0; i < AT_ONCE && (look = take(looks)); i++) {
        if (look->wanted) {
            unwant(look);
            look->kind->done(look->asker, look->sight, look->rc, look->error);
        }
        look_free(look);
    }
    if (look)
        uv_async_send(finish); // there may be more
    start_some(looks);
}

static void on_timer(uv_timer_t *timer)
{
    ak_looks *looks = timer->data;
    ak_look *look;

    while ((look = looks->wanted) && ak_clock_ns() - look->since_ns > looks->ms * 1000000) {
        unwant(look);
        look->kind->done(look->asker, NULL, AKSSL_ERR_DEADLINE, "");
        if (!look->started)
            look_free(look);
    }
    if (!looks->wanted)
        uv_timer_stop(timer);
}

ak_looks *ak_looks_new(uv_loop_t *loop, int64_t ms)
{
    ak_looks *looks = ak_alloc(1, sizeof *looks);

    looks->ms = ms;
    pthread_mutex_init(&looks->lock, NULL);
    looks->finish = ak_alloc(1, sizeof *looks->finish);
    uv_async_init(loop, looks->finish, on_finished);
    looks->finish->data = looks;
    uv_unref((uv_handle_t *)looks->finish); // the timer keeps the loop while somebody waits
    looks->timer = ak_alloc(1, sizeof *looks->timer);
    uv_timer_init(loop, looks->timer);
    looks->timer->data = looks;
    return looks;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

void ak_looks_free(ak_looks *looks)
{
    ak_look *look, *next;
    bool last;

    if (!looks)
        return;
    uv_close((uv_handle_t *)looks->timer, on_closed);
    pthread_mutex_lock(&looks->lock);
    looks->left = true;
    last = looks->out == 0;
    look = looks->finished;
    uv_close((uv_handle_t *)looks->finish, on_closed);
    pthread_mutex_unlock(&looks->lock); // now a thread that is out may free looks
    for (; look; look = next) {
        next = look->after;
        look_free(look);
    }
    if (last)
        looks_release(looks);
}

ak_look *ak_look_start(ak_looks *looks, const ak_look_kind *kind, void *sight, void *asker)
{
    ak_look *look = ak_alloc(1, sizeof *look), **last = &looks->wanted;

    *look = (ak_look){ .looks = looks,
                       .kind = kind,
                       .sight = sight,
                       .asker = asker,
                       .since_ns = ak_clock_ns(),
                       .wanted = true };
    while (*last)
        last = &(*last)->next;
    *last = look;
    if (!uv_is_active((uv_handle_t *)looks->timer))
        uv_timer_start(looks->timer, on_timer, (uint64_t)looks->ms, 1000);
    start_some(looks);
    return look;
}

void ak_look_cancel(ak_look *look)
{
    if (!look)
        return;
    unwant(look);
    if (!look->started)
        look_free(look);
}
