// daemon/tail.c -- the calls of Logs.

#include "daemon/tail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"

typedef struct tail {
    struct tail *next;
    ak_call *call;
    char *path;
    int fd; // -1: not there yet
    int64_t job, offset;
    bool follow;
    bool full; // the caller is behind
    bool over; // finished or failed
} tail;

struct ak_tails {
    uv_timer_t *timer; // runs while there is a call
    bool (*active)(void *ctx, int64_t id);
    void *ctx;
    tail *first;
    char piece[AK_TAIL_PIECE];
};

ak_tails *ak_tails_new(uv_loop_t *loop, bool (*active)(void *ctx, int64_t id), void *ctx)
{
    ak_tails *t = ak_alloc(1, sizeof *t);

    t->timer = ak_alloc(1, sizeof *t->timer);
    uv_timer_init(loop, t->timer);
    t->timer->data = t;
    t->active = active;
    t->ctx = ctx;
    return t;
}

static void tail_free(tail *one)
{
    if (one->fd >= 0)
        close(one->fd);
    free(one->path);
    free(one);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

void ak_tails_free(ak_tails *t)
{
    if (!t)
        return;
    while (t->first) {
        tail *next = t->first->next;

        ak_call_set_user(t->first->call, NULL);
        ak_call_fail(t->first->call, AKSSL_ERR_UNAVAILABLE,
                     "akssld is stopping: ask for the log again once it is back");
        tail_free(t->first);
        t->first = next;
    }
    uv_close((uv_handle_t *)t->timer, on_closed);
    free(t);
}

static void fail(tail *one)
{
    one->over = true;
    ak_call_fail(one->call, ak_fail_errno(errno, "log '%s'", one->path), ak_error_text());
}

// read_piece returns what read(2) does; 0 also when the file is not there yet.
static ssize_t read_piece(ak_tails *t, tail *one)
{
    if (one->fd < 0)
        one->fd = open(one->path, O_RDONLY | O_CLOEXEC);
    if (one->fd < 0)
        return errno == ENOENT ? 0 : -1;
    return pread(one->fd, t->piece, sizeof t->piece, one->offset);
}

// pump sends what there is; true: there is more, at once.
static bool pump(ak_tails *t, tail *one)
{
    bool active = t->active(t->ctx, one->job); // asked first: what it logged last is then there

    for (int i = 0; i < AK_TAIL_PIECES && !one->over && !one->full; i++) {
        Akssl__V1__Chunk chunk = AKSSL__V1__CHUNK__INIT;
        ssize_t n = read_piece(t, one);

        if (n < 0) {
            fail(one);
        } else if (n == 0 && one->follow && active) {
            return false;
        } else if (n == 0) {
            one->over = true;
            ak_call_finish(one->call);
        } else {
            one->offset += n;
            chunk.has_data = 1;
            chunk.data = (ProtobufCBinaryData){ (size_t)n, (uint8_t *)t->piece };
            one->full = ak_call_send(one->call, &chunk.base);
        }
    }
    return !one->over && !one->full;
}

static void on_timer(uv_timer_t *timer)
{
    ak_tails *t = timer->data;
    bool more = false;

    for (tail *one = t->first; one; one = one->next)
        if (!one->over && !one->full)
            more |= pump(t, one);
    if (t->first)
        uv_timer_start(timer, on_timer, more ? 0 : AK_TAIL_PERIOD_MS, 0);
}

void ak_tails_add(ak_tails *t, ak_call *call, const char *path, int64_t job, bool follow)
{
    Akssl__V1__Chunk nothing = AKSSL__V1__CHUNK__INIT;
    tail *one = ak_alloc(1, sizeof *one);

    *one = (tail){ .next = t->first,
                   .call = call,
                   .path = ak_strdup(path),
                   .fd = -1,
                   .job = job,
                   .follow = follow };
    t->first = one;
    ak_call_set_user(call, one);
    if (follow) // a log may stay empty for long: this says that it is followed
        one->full = ak_call_send(call, &nothing.base);
    uv_timer_start(t->timer, on_timer, 0, 0);
}

void ak_tails_drained(ak_tails *t, ak_call *call)
{
    tail *one = ak_call_user(call);

    if (!one)
        return;
    one->full = false;
    uv_timer_start(t->timer, on_timer, 0, 0);
}

void ak_tails_ended(ak_tails *t, ak_call *call)
{
    tail *one = ak_call_user(call);

    if (!one) // ak_tails_free was there first
        return;
    for (tail **at = &t->first; *at; at = &(*at)->next) {
        if (*at != one)
            continue;
        *at = one->next;
        tail_free(one);
        return;
    }
}
