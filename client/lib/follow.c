// client/lib/follow.c -- a server stream that outlives the daemon's restarts.
//
//            message                        UNAVAILABLE after the first message
//     [open] -------> take, open again --------------------------------------> [lost]
//        ^                                                                        |
//        +--- a message again: BACK ------- a try every half second, -------------+
//                                           for as long as the patience lasts
//
// A daemon that was never reached is a failure at once: the caller has named the wrong one.  So is
// one that answers UNAVAILABLE before that, since it stops; later it counts as lost.
// Each further try has a channel of its own, so that no back-off of an old one delays it.

#include <inttypes.h>
#include <time.h>

#include "client/lib/lib.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"

enum { TICK_MS = 200, RETRY_TICKS = 2 };

typedef struct run {
    const ak_follow *follow;
    bool heard;       // a message came, ever
    int64_t lost_ns;  // since when the daemon is gone; 0: it is there
    int64_t first_ns; // when this stream's first message must be there; 0: no matter
} run;

static akssl_status tick(run *r)
{
    const ak_follow *f = r->follow;

    if (f->deadline_ns && ak_clock_ns() >= f->deadline_ns)
        return ak_fail(AKSSL_ERR_DEADLINE, "the job is not over yet: wait longer");
    return f->event(f->self, AKSSL_EVENT_TICK, "");
}

static akssl_status heard(run *r)
{
    r->heard = true;
    r->first_ns = 0;
    if (!r->lost_ns)
        return AKSSL_OK;
    r->lost_ns = 0;
    return r->follow->event(r->follow->self, AKSSL_EVENT_BACK, "");
}

// OK: the daemon ended the stream.  *own says that a failure is a callback's, not the stream's.
static akssl_status read_stream(run *r, ak_stream *stream, bool *own)
{
    const ak_follow *f = r->follow;
    ProtobufCMessage *message;
    akssl_status rc;

    for (;;) {
        message = NULL;
        rc = ak_stream_receive(stream, TICK_MS, &message);
        *own = false;
        if (rc < 0 && rc != AKSSL_ERR_DEADLINE)
            return rc;
        if (rc < 0 && r->first_ns && ak_clock_ns() > r->first_ns)
            return ak_fail(r->heard ? AKSSL_ERR_UNAVAILABLE : AKSSL_ERR_DEADLINE,
                           "the daemon at %s does not answer",
                           akssl_client_server(r->follow->client));
        if (rc >= 0 && !message)
            return AKSSL_OK;
        *own = true;
        if (rc < 0) {
            rc = tick(r);
        } else {
            rc = heard(r);
            if (rc >= 0)
                rc = f->take(f->self, message);
            else
                protobuf_c_message_free_unpacked(message, NULL);
        }
        if (rc < 0)
            return rc;
    }
}

static akssl_status one_stream(run *r, bool *own)
{
    const ak_follow *f = r->follow;
    ak_channel *channel = f->client->channel, *fresh = NULL;
    ak_stream *stream = NULL;
    akssl_status rc;

    *own = false;
    if (r->heard) {
        rc = ak_client_channel(f->client, akssl_client_server(f->client), &fresh);
        if (rc < 0)
            return rc;
        channel = fresh;
    } else {
        ak_client_revive(f->client);
    }
    if (f->opened)
        f->opened(f->self);
    r->first_ns = f->first_ms ? ak_clock_ns() + f->first_ms * 1000000 : 0;
    rc = ak_stream_open(&stream, channel, f->rpc, f->request, 0);
    if (rc >= 0)
        rc = read_stream(r, stream, own);
    ak_stream_free(stream);
    ak_channel_close(fresh);
    return rc;
}

static akssl_status lost(run *r)
{
    const ak_follow *f = r->follow;
    int64_t patience = f->client->patience_ms;
    akssl_status rc;

    if (!r->heard || patience == 0) {
        rc = ak_client_judge(f->client, AKSSL_ERR_UNAVAILABLE);
        return r->heard ? AKSSL_ERR_UNAVAILABLE : rc;
    }
    if (!r->lost_ns) {
        r->lost_ns = ak_clock_ns();
        rc = f->event(f->self, AKSSL_EVENT_LOST, ak_error_text());
        if (rc < 0)
            return rc;
    } else if (ak_clock_ns() - r->lost_ns > patience * 1000000) {
        ak_client_judge(f->client, AKSSL_ERR_UNAVAILABLE);
        return ak_wrap(AKSSL_ERR_UNAVAILABLE, "lost the daemon for over %" PRId64 " s",
                       patience / 1000);
    }
    for (int i = 0; i < RETRY_TICKS; i++) {
        nanosleep(&(struct timespec){ .tv_nsec = TICK_MS * 1000000L }, NULL);
        rc = tick(r);
        if (rc < 0)
            return rc;
    }
    return AKSSL_OK;
}

akssl_status ak_follow_run(const ak_follow *follow)
{
    run r = { .follow = follow };
    akssl_status rc;
    bool own;

    for (;;) {
        rc = one_stream(&r, &own);
        if (rc >= 0 && follow->ended(follow->self))
            return AKSSL_OK;
        if (rc < 0 && (own || rc != AKSSL_ERR_UNAVAILABLE))
            return rc;
        if (rc >= 0) {
            rc = ak_fail(AKSSL_ERR_UNAVAILABLE, "the daemon ended the stream early");
            r.heard = true;
        }
        rc = lost(&r);
        if (rc < 0)
            return rc;
    }
}
