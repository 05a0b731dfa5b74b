// daemon/look.c -- looks at files of other people's: each on a thread of its own, with a deadline.
//
// A look is the loop's until its thread starts, then the thread's, but for who waits and its place
// in the list: the thread puts it among the finished, and the loop frees it; once the loop has
// left, the thread does.

#include "daemon/look.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/thread.h"
#include "proto/base/alloc.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"

// So many are told before the loop sees to others: what an asker does next may write to disk.
enum { AT_ONCE = 8 };

struct ak_look {
    ak_looks *looks;
    const ak_look_kind *kind;
    char *at;
    void *sight, *asker;
    int64_t since_ns;
    bool started;
    bool wanted;    // its asker waits
    ak_look *next;  // of all, oldest first
    ak_look *after; // of those that are finished, oldest first
    akssl_status rc;
    char error[1024];
};

struct ak_looks {
    int64_t ms;
    int alike;    // that may be at the same
    ak_look *all; // that are wanted, or were started and are not finished
    int started;
    uv_async_t *finish; // close by themselves after free
    uv_timer_t *timer;
    pthread_mutex_t lock;
    ak_look *finished; // lock: threads put them here
    int out;           // lock: threads that have not
    bool left;         // lock: the loop will not look again
};

static void look_free(ak_look *look)
{
    look->kind->release(look->sight);
    free(look->at);
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

static void unlink_look(ak_look *look)
{
    ak_look **at = &look->looks->all;

    while (*at && *at != look)
        at = &(*at)->next;
    if (*at)
        *at = look->next;
}

// drop forgets a look that nobody waits for any more; its thread gives it back.
static void drop(ak_look *look)
{
    look->wanted = false;
    if (look->started)
        return;
    unlink_look(look);
    look_free(look);
}

static bool may_start(const ak_look *look)
{
    int alike = 0;

    if (look->started || look->looks->started == AK_LOOKS_AT_ONCE)
        return false;
    for (const ak_look *other = look->looks->all; other; other = other->next)
        alike += other->started && strcmp(other->at, look->at) == 0;
    return alike < look->looks->alike;
}

// start_some gives looks that wait their turn.
static void start_some(ak_looks *looks)
{
    for (ak_look *look = looks->all; look; look = look->next) {
        akssl_status rc;

        if (!may_start(look))
            continue;
        look->started = true;
        looks->started++;
        pthread_mutex_lock(&looks->lock);
        looks->out++;
        pthread_mutex_unlock(&looks->lock);
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
        unlink_look(look);
        looks->started--;
        if (look->wanted)
            look->kind->done(look->asker, look->sight, look->rc, look->error);
        look_free(look);
    }
    if (look)
        uv_async_send(finish); // there may be more
    start_some(looks);
}

static ak_look *oldest_wanted(const ak_looks *looks)
{
    ak_look *look = looks->all;

    while (look && !look->wanted)
        look = look->next;
    return look;
}

static void on_timer(uv_timer_t *timer)
{
    ak_looks *looks = timer->data;
    ak_look *look;

    while ((look = oldest_wanted(looks)) && ak_clock_ns() - look->since_ns > looks->ms * 1000000) {
        const ak_look_kind *kind = look->kind;
        void *asker = look->asker;
        bool started = look->started;

        drop(look);
        if (started)
            kind->done(asker, NULL, AKSSL_ERR_DEADLINE, "");
        else
            kind->done(asker, NULL, AKSSL_ERR_LIMIT,
                       "akssld waits for many files already that do not answer: is a file server "
                       "down? Try again once it is up");
    }
    if (!look)
        uv_timer_stop(timer);
}

ak_looks *ak_looks_new(uv_loop_t *loop, int64_t ms, int alike)
{
    ak_looks *looks = ak_alloc(1, sizeof *looks);

    looks->ms = ms;
    looks->alike = alike;
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

ak_look *ak_look_start(ak_looks *looks, const ak_look_kind *kind, const char *at, void *sight,
                       void *asker)
{
    ak_look *look = ak_alloc(1, sizeof *look), **last = &looks->all;

    *look = (ak_look){ .looks = looks,
                       .kind = kind,
                       .at = ak_strdup(at),
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
    if (look)
        drop(look);
}
