// daemon/tail.c -- the calls of Logs.

#include "daemon/tail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/base/alloc.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"

typedef struct tail {
    struct tail *next;
    ak_call *call;
    char *path;
    int fd; // -1: not there yet
    int64_t job, offset;
    int64_t idle_ns; // there is nothing new; looked for again then
    bool follow;
    bool full; // the caller is behind
    bool over; // finished or failed
} tail;

struct ak_tails {
    uv_timer_t *timer; // runs while there is a call
    bool (*active)(void *ctx, int64_t id);
    void *ctx;
    tail *first;
    tail *turn; // whose turn is next; NULL: the first's
    int left;   // pieces in this turn
    size_t share, waiting;
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

static size_t piece_of(const ak_tails *t)
{
    return t->share < AK_TAIL_PIECE ? t->share : AK_TAIL_PIECE;
}

// read_piece returns what read(2) does; 0 also when the file is not there yet.
static ssize_t read_piece(ak_tails *t, tail *one)
{
    if (one->fd < 0)
        one->fd = open(one->path, O_RDONLY | O_CLOEXEC);
    if (one->fd < 0)
        return errno == ENOENT ? 0 : -1;
    return pread(one->fd, t->piece, piece_of(t), one->offset);
}

static bool is_held(const ak_tails *t, const tail *one)
{
    size_t waiting = ak_call_waiting(one->call), piece = piece_of(t);

    return waiting > 0 &&
           (waiting + piece > t->share || t->waiting + piece > (size_t)AK_TAIL_WAITING);
}

static void send_piece(ak_tails *t, tail *one)
{
    bool active = t->active(t->ctx, one->job); // asked first: what it logged last is then there
    Akssl__V1__Chunk chunk = AKSSL__V1__CHUNK__INIT;
    ssize_t n = read_piece(t, one);

    if (n < 0) {
        fail(one);
    } else if (n == 0 && one->follow && active) {
        one->idle_ns = ak_clock_ns() + (AK_TAIL_PERIOD_MS - AK_TAIL_HELD_MS) * (int64_t)1000000;
    } else if (n == 0) {
        one->over = true;
        ak_call_finish(one->call);
    } else {
        one->offset += n;
        t->left--;
        t->waiting += (size_t)n;
        chunk.has_data = 1;
        chunk.data = (ProtobufCBinaryData){ (size_t)n, (uint8_t *)t->piece };
        one->full = ak_call_send(one->call, &chunk.base);
    }
}

// pump sends what may be sent, a part of a turn; it gives when to come back, in milliseconds.
static int pump(ak_tails *t, tail *one, int pieces, int64_t now)
{
    for (int i = 0; i < pieces && t->left > 0; i++) {
        if (one->over || one->full || one->idle_ns > now)
            return AK_TAIL_PERIOD_MS;
        if (is_held(t, one))
            return AK_TAIL_HELD_MS;
        send_piece(t, one);
    }
    return 0;
}

// measure finds what waits, and what each may have; it gives the number of calls.
static int measure(ak_tails *t)
{
    int count = 0;

    t->waiting = 0;
    for (const tail *one = t->first; one; one = one->next, count++)
        t->waiting += ak_call_waiting(one->call);
    t->share = AK_TAIL_WAITING / (size_t)(count ? count : 1);
    return count;
}

static void on_timer(uv_timer_t *timer)
{
    ak_tails *t = timer->data;
    int count = measure(t), pieces = AK_TAIL_PIECES / (count ? count : 1);
    int64_t now = ak_clock_ns();
    int soonest = AK_TAIL_PERIOD_MS;

    t->left = AK_TAIL_PIECES;
    for (int i = 0; i < count && t->left > 0; i++) {
        tail *one = t->turn ? t->turn : t->first;
        int ms = pump(t, one, pieces ? pieces : 1, now);

        if (ms < soonest)
            soonest = ms;
        t->turn = one->next;
    }
    if (count)
        uv_timer_start(timer, on_timer, t->left ? (uint64_t)soonest : 0, 0);
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
        if (t->turn == one)
            t->turn = one->next;
        tail_free(one);
        return;
    }
}
