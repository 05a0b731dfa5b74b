// worker/uplink/link.c -- the stream: received from, lost, and begun again.
//
//     up --stream ends--> down --Join, Hello(rejoin), Welcome--> meeting --> up
//                          | ^                                     |
//                          | +---- 0.2 s, 0.4 s, ... 5 s ----------+ not yet
//                          +--orphan_ms--> orphaned (still trying) --commit alone--> over
//
// While the stream is down nothing is queued: the tensors' copies change instead (state.c).
// Meeting: the commit that is pending goes first, with the tensors of its step; then every tensor
// as it is now, and from there on the queue.

#include <inttypes.h>
#include <stdio.h>

#include "proto/base/clock.h"
#include "proto/base/error.h"
#include "worker/uplink/inside.h"

bool ak_uplink_passes(akssl_status rc, bool joining)
{
    switch (rc) {
    case AKSSL_ERR_UNAVAILABLE:
    case AKSSL_ERR_DEADLINE:
    case AKSSL_ERR_INTERNAL:
    case AKSSL_ERR_LIMIT:
        return true;
    case AKSSL_ERR_STATE: // the coordinator does not wait for this run yet
        return joining;
    default:
        return false;
    }
}

void ak_uplink_recycle(ak_uplink *u)
{
    if (!u->stream || !u->up)
        return;
    u->recycled = true;
    u->up = false;
    ak_stream_cancel(u->stream);
    pthread_cond_broadcast(&u->changed);
}

akssl_status ak_uplink_say_hello(const ak_uplink *u, ak_stream *stream, bool rejoin)
{
    Akssl__V1__WorkerMessage message = AKSSL__V1__WORKER_MESSAGE__INIT;
    Akssl__V1__Hello hello = AKSSL__V1__HELLO__INIT;

    hello.has_job = hello.has_ranks = hello.has_rejoin = 1;
    hello.job = u->job;
    hello.run = u->run;
    hello.ranks = u->ranks;
    hello.program = (char *)"akssl-worker " AKSSL_VERSION;
    hello.rejoin = rejoin;
    message.body_case = AKSSL__V1__WORKER_MESSAGE__BODY_HELLO;
    message.hello = &hello;
    return ak_stream_send(stream, &message.base);
}

// ---- up

static akssl_status receive(ak_uplink *u)
{
    ProtobufCMessage *message = NULL;
    akssl_status rc;

    while ((rc = ak_stream_receive(u->stream, 0, &message)) == 0 && message) {
        Akssl__V1__CoordinatorMessage *m = (Akssl__V1__CoordinatorMessage *)message;

        if (m->body_case == AKSSL__V1__COORDINATOR_MESSAGE__BODY_STOP)
            ak_uplink_request_stop(u, m->stop->reason);
        protobuf_c_message_free_unpacked(message, NULL);
    }
    if (rc == 0)
        rc = ak_fail(AKSSL_ERR_UNAVAILABLE, "the coordinator has ended the run's stream");
    return rc;
}

// ---- down

// go_down takes the stream away from everybody; false when there is to be none any more.
static bool go_down(ak_uplink *u, akssl_status rc)
{
    ak_stream *stream;
    bool passes;

    pthread_mutex_lock(&u->lock);
    passes = u->recycled || ak_uplink_passes(rc, false);
    if (u->quitting || u->finishing || !passes) {
        pthread_mutex_unlock(&u->lock);
        if (!passes)
            ak_uplink_fail(u, rc);
        return false;
    }
    u->up = u->recycled = false;
    u->generation++;
    ak_uplink_drop_queue(u);
    if (!u->down_ns)
        u->down_ns = ak_clock_ns();
    pthread_cond_broadcast(&u->changed);
    while (u->busy) // it fails, now that the stream has ended
        pthread_cond_wait(&u->changed, &u->lock);
    stream = u->stream;
    u->stream = NULL;
    pthread_mutex_unlock(&u->lock);
    ak_stream_free(stream);
    return true;
}

static void check_orphaned(ak_uplink *u)
{
    bool late;

    pthread_mutex_lock(&u->lock);
    late = !u->orphaned && (ak_clock_ns() - u->down_ns) / AK_UPLINK_MS >= u->orphan_ms;
    u->orphaned |= late;
    pthread_cond_broadcast(&u->changed);
    pthread_mutex_unlock(&u->lock);
    if (late)
        ak_uplink_request_stop(u, "there was no akssld for too long (--orphan-timeout)");
}

// rest waits before the next try, or until the run has been without a coordinator for too long;
// false when there is to be none.
static bool rest(ak_uplink *u, int64_t ms)
{
    int64_t until = ak_clock_ns() + ms * AK_UPLINK_MS;
    bool goes_on;

    pthread_mutex_lock(&u->lock);
    if (!u->orphaned && until > u->down_ns + u->orphan_ms * AK_UPLINK_MS)
        until = u->down_ns + u->orphan_ms * AK_UPLINK_MS;
    while (!u->quitting && !u->alone && ak_uplink_wait(u, until))
        continue;
    goes_on = !u->quitting && !u->alone;
    pthread_mutex_unlock(&u->lock);
    check_orphaned(u);
    return goes_on;
}

// ---- meeting

static akssl_status take_rejoined(ak_stream *stream)
{
    int64_t limit = ak_clock_ns() + AK_UPLINK_REJOIN_MS * AK_UPLINK_MS;
    Akssl__V1__CoordinatorMessage *m;
    ProtobufCMessage *message = NULL;
    akssl_status rc = ak_uplink_next(stream, limit, &message);

    if (rc < 0)
        return rc;
    m = (Akssl__V1__CoordinatorMessage *)message;
    if (m->body_case != AKSSL__V1__COORDINATOR_MESSAGE__BODY_WELCOME || !m->welcome->rejoined)
        rc = ak_uplink_broken("it does not take the run back");
    protobuf_c_message_free_unpacked(message, NULL);
    return rc;
}

// hand_pending sends the tensors of the commit that is pending, unless that was done, and asks for
// it unless somebody does already; under lock, which it leaves for that.
static akssl_status hand_pending(ak_uplink *u, ak_stream *stream, bool sent)
{
    ak_uplink_pending *p = &u->pending;
    akssl_status rc = AKSSL_OK;

    p->handing = true;
    pthread_mutex_unlock(&u->lock);
    for (int i = 0; i < p->tensor_count && rc == 0 && !sent; i++)
        rc = ak_uplink_send_whole(stream, &p->tensors[i]);
    pthread_mutex_lock(&u->lock);
    if (rc == 0 && !p->asking) {
        p->asked = true;
        pthread_mutex_unlock(&u->lock);
        rc = ak_uplink_ask_commit(u);
        pthread_mutex_lock(&u->lock);
        if (rc == 0)
            ak_uplink_drop_pending(u);
    }
    p->handing = false;
    pthread_cond_broadcast(&u->changed);
    while (p->there && p->asking)
        pthread_cond_wait(&u->changed, &u->lock);
    return rc;
}

static akssl_status hand_over(ak_uplink *u, ak_stream *stream)
{
    akssl_status rc = AKSSL_OK;
    int64_t there = -1; // the version that the coordinator has

    ak_stream_set_patience(stream, AK_UPLINK_STALL_MS);
    pthread_mutex_lock(&u->lock);
    while (rc == 0 && u->pending.there && !u->quitting) {
        bool sent = there == u->pending.step; // who asked was not answered

        if (!u->pending.ready) {
            pthread_cond_wait(&u->changed, &u->lock);
            continue;
        }
        there = u->pending.step;
        rc = hand_pending(u, stream, sent);
    }
    ak_stream_set_patience(stream, 0); // the queue has its own
    if (rc == 0)
        rc = ak_uplink_queue_all(u, there);
    if (rc == 0) {
        u->up = true;
        u->orphaned = false;
        u->down_ns = 0;
        u->report_waits |= u->has_report;
    }
    pthread_cond_broadcast(&u->changed);
    pthread_mutex_unlock(&u->lock);
    return rc;
}

// meet tells the others that the coordinator is there, so that nobody goes his way meanwhile.
static bool meet(ak_uplink *u, bool begins)
{
    bool may;

    pthread_mutex_lock(&u->lock);
    may = !u->alone && !u->quitting;
    u->meeting = begins && may;
    pthread_cond_broadcast(&u->changed);
    pthread_mutex_unlock(&u->lock);
    return may;
}

static void show(ak_uplink *u, ak_stream *stream)
{
    pthread_mutex_lock(&u->lock);
    u->stream = stream;
    if (stream && u->quitting)
        ak_stream_cancel(stream);
    pthread_mutex_unlock(&u->lock);
}

// connect_again takes no longer than the run may be without a coordinator.
static akssl_status connect_again(ak_uplink *u)
{
    int64_t left;

    pthread_mutex_lock(&u->lock);
    left = u->orphaned ? AK_UPLINK_CONNECT_MS
                       : u->orphan_ms - (ak_clock_ns() - u->down_ns) / AK_UPLINK_MS;
    pthread_mutex_unlock(&u->lock);
    return ak_channel_connect(u->channel,
                              left < AK_UPLINK_CONNECT_MS ? left : AK_UPLINK_CONNECT_MS);
}

static akssl_status rejoin(ak_uplink *u, bool *met)
{
    ak_stream *stream = NULL;
    akssl_status rc = connect_again(u);

    if (rc == AKSSL_OK)
        rc = ak_stream_open(&stream, u->channel, AK_RPC_join, NULL, 0);
    if (rc < 0)
        return rc;
    show(u, stream);
    rc = ak_uplink_say_hello(u, stream, true);
    if (rc == 0)
        rc = take_rejoined(stream);
    *met = rc == 0;
    if (rc == 0)
        rc = meet(u, true) ? hand_over(u, stream) : AKSSL_ERR_UNAVAILABLE;
    meet(u, false);
    if (rc == 0)
        return AKSSL_OK;
    show(u, NULL);
    ak_stream_free(stream);
    return rc;
}

static bool come_back(ak_uplink *u)
{
    int64_t wait_ms = 0;

    while (rest(u, wait_ms)) {
        bool met = false;
        akssl_status rc = rejoin(u, &met);

        if (rc == 0)
            return true;
        if (!ak_uplink_passes(rc, !met)) {
            pthread_mutex_lock(&u->lock);
            rc = u->quitting || u->alone ? AKSSL_OK : rc;
            pthread_mutex_unlock(&u->lock);
            if (rc < 0)
                ak_uplink_fail(u, rc);
            return false;
        }
        wait_ms = wait_ms ? wait_ms * 2 : AK_UPLINK_BACKOFF_MS;
        if (wait_ms > AK_UPLINK_BACKOFF_MOST_MS)
            wait_ms = AK_UPLINK_BACKOFF_MOST_MS;
    }
    return false;
}

void *ak_uplink_run_keeper(void *arg)
{
    ak_uplink *u = arg;

    while (go_down(u, receive(u)) && come_back(u))
        continue;
    pthread_mutex_lock(&u->lock);
    u->stream_over = true;
    pthread_cond_broadcast(&u->changed);
    pthread_mutex_unlock(&u->lock);
    return NULL;
}
