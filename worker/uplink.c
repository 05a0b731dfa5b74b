// worker/uplink.c -- the run's link to the coordinator: its threads, its start and its end.
//
//     caller --push, declare--> queue  --sender thread--> stream --keeper thread--> stop, lost
//            --push, declare--> copies --keeper thread, when it comes back--> stream
//            --report---------> latest --sender thread--> Report
//            --commit, finish, once the queue is empty--> Commit, Finish
//
// uplink/queue.c has the queue and the sender, state.c the tensors, link.c the keeper, ask.c Commit
// and Finish, alone.c the commit without a coordinator.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/base/alloc.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"
#include "worker/uplink/inside.h"

// ---- stop, lost, failure

void ak_uplink_request_stop(ak_uplink *u, const char *reason)
{
    pthread_mutex_lock(&u->lock);
    if (!atomic_load(&u->stop)) {
        snprintf(u->stop_reason, sizeof u->stop_reason, "%s",
                 reason && reason[0] ? reason : "the coordinator asks the run to stop");
        atomic_store(&u->stop, true);
    }
    pthread_mutex_unlock(&u->lock);
}

void ak_uplink_fail(ak_uplink *u, akssl_status rc)
{
    pthread_mutex_lock(&u->lock);
    if (u->failed == 0) {
        snprintf(u->failure, sizeof u->failure, "%s", ak_error_text());
        u->failed = rc;
    }
    pthread_cond_broadcast(&u->changed);
    pthread_mutex_unlock(&u->lock);
    atomic_store(&u->lost, true);
    ak_uplink_request_stop(u, ak_error_text());
}

akssl_status ak_uplink_failure(const ak_uplink *u)
{
    return u->failed < 0 ? ak_fail(u->failed, "%s", u->failure) : AKSSL_OK;
}

bool ak_uplink_stop_requested(const ak_uplink *uplink)
{
    return atomic_load(&uplink->stop);
}

const char *ak_uplink_stop_reason(const ak_uplink *uplink)
{
    return atomic_load(&uplink->stop) ? uplink->stop_reason : "";
}

bool ak_uplink_lost(const ak_uplink *uplink)
{
    return atomic_load(&uplink->lost);
}

// ---- waiting, under lock

bool ak_uplink_wait(ak_uplink *u, int64_t ns)
{
    struct timespec at = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };

    return pthread_cond_timedwait(&u->changed, &u->lock, &at) == 0 || ak_clock_ns() < ns;
}

// ---- opening: Hello, Welcome, state

static akssl_status take_welcome(ak_uplink *u, int64_t limit_ns)
{
    Akssl__V1__Welcome *w;
    akssl_status rc = ak_uplink_next(u->stream, limit_ns, &u->first_message);

    if (rc < 0)
        return rc;
    if (((Akssl__V1__CoordinatorMessage *)u->first_message)->body_case !=
        AKSSL__V1__COORDINATOR_MESSAGE__BODY_WELCOME)
        return ak_uplink_broken("it does not start with a welcome");
    w = ((Akssl__V1__CoordinatorMessage *)u->first_message)->welcome;
    if (!w->spec_yaml || !w->folder || w->resume_step < 0)
        return ak_uplink_broken("the welcome lacks spec, folder or step");
    u->welcome = (ak_uplink_welcome){
        .spec_yaml = w->spec_yaml,
        .folder = w->folder,
        .resume_step = w->resume_step,
        .commit = w->commit ? w->commit : "",
        .restored = w->restored != 0,
    };
    u->seeded = u->welcome.restored && !u->welcome.resume_step;
    return u->welcome.restored ? ak_uplink_receive_state(u, u->stream, limit_ns) : AKSSL_OK;
}

static void forget_start(ak_uplink *u)
{
    ak_stream_free(u->stream);
    u->stream = NULL;
    if (u->first_message)
        protobuf_c_message_free_unpacked(u->first_message, NULL);
    u->first_message = NULL;
    ak_uplink_forget_state(u);
}

// connect_again has the channel look for a coordinator that was not there: unless somebody waits
// for that, a channel that has failed fails on, for seconds, without another look.
static void connect_again(ak_uplink *u, int64_t limit_ns)
{
    int64_t left = (limit_ns - ak_clock_ns()) / AK_UPLINK_MS;

    if (ak_channel_connect(u->channel, left < AK_UPLINK_CONNECT_MS ? left : AK_UPLINK_CONNECT_MS))
        return; // the next try says why
}

// join asks until the coordinator has sent the start: it may be on its way itself.
static akssl_status join(ak_uplink *u, int64_t join_ms)
{
    int64_t limit = ak_clock_ns() + join_ms * AK_UPLINK_MS;
    int64_t wait_ms = AK_UPLINK_BACKOFF_MS;
    akssl_status rc;

    for (;;) {
        struct timespec pause = { wait_ms / 1000, wait_ms % 1000 * AK_UPLINK_MS };

        rc = ak_stream_open(&u->stream, u->channel, AK_RPC_join, NULL, 0);
        if (rc == 0)
            rc = ak_uplink_say_hello(u, u->stream, false);
        if (rc == 0)
            rc = take_welcome(u, limit);
        if (rc == 0 || !ak_uplink_passes(rc, true) ||
            ak_clock_ns() + wait_ms * AK_UPLINK_MS > limit)
            return rc;
        forget_start(u);
        nanosleep(&pause, NULL);
        connect_again(u, limit);
        wait_ms = wait_ms * 2 < AK_UPLINK_BACKOFF_MOST_MS ? wait_ms * 2 : AK_UPLINK_BACKOFF_MOST_MS;
    }
}

static akssl_status start_threads(ak_uplink *u)
{
    u->up = true;
    if (pthread_create(&u->sender, NULL, ak_uplink_run_sender, u) != 0)
        return ak_fail(AKSSL_ERR_LIMIT, "no thread for the coordinator's link: raise ulimit -u");
    if (pthread_create(&u->keeper, NULL, ak_uplink_run_keeper, u) == 0) {
        u->running = true;
        return AKSSL_OK;
    }
    pthread_mutex_lock(&u->lock);
    u->quitting = true;
    pthread_cond_broadcast(&u->changed);
    pthread_mutex_unlock(&u->lock);
    pthread_join(u->sender, NULL);
    return ak_fail(AKSSL_ERR_LIMIT, "no thread for the coordinator's link: raise ulimit -u");
}

akssl_status ak_uplink_open(ak_uplink **out, const ak_uplink_target *target)
{
    ak_uplink *u = ak_alloc(1, sizeof *u);
    pthread_condattr_t attributes;
    akssl_status rc;

    u->job = target->job;
    u->ranks = target->ranks;
    u->orphan_ms = target->orphan_ms;
    u->run = ak_strdup(target->run);
    u->last = &u->first;
    atomic_init(&u->stop, false);
    atomic_init(&u->lost, false);
    pthread_mutex_init(&u->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&u->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    rc = ak_channel_open_with(
        &u->channel,
        &(ak_channel_options){
            .address = target->server,
            .secret = target->secret,
            .tls = { .ca = target->ca, .certificate = target->cert, .key = target->key },
        });
    if (rc == 0)
        rc = join(u, target->join_ms);
    if (rc == 0)
        rc = start_threads(u);
    if (rc < 0) {
        ak_wrap(rc, "join run '%s' of job %" PRId64, u->run, u->job);
        ak_uplink_close(u);
        return rc;
    }
    *out = u;
    return AKSSL_OK;
}

static void stop_threads(ak_uplink *u)
{
    int64_t limit = ak_clock_ns() + AK_UPLINK_GOODBYE_MS * AK_UPLINK_MS;

    if (!u->running)
        return;
    pthread_mutex_lock(&u->lock);
    while (u->finished && !u->stream_over && ak_uplink_wait(u, limit))
        continue;
    u->quitting = true;
    pthread_cond_broadcast(&u->changed);
    if (u->stream)
        ak_stream_cancel(u->stream);
    pthread_mutex_unlock(&u->lock);
    pthread_join(u->sender, NULL);
    pthread_join(u->keeper, NULL);
}

void ak_uplink_close(ak_uplink *uplink)
{
    if (!uplink)
        return;
    stop_threads(uplink);
    forget_start(uplink);
    ak_channel_close(uplink->channel);
    ak_uplink_free_pending(&uplink->pending);
    ak_uplink_free_pending(&uplink->older);
    ak_uplink_free_queue(uplink);
    pthread_cond_destroy(&uplink->changed);
    pthread_mutex_destroy(&uplink->lock);
    free(uplink->run);
    free(uplink);
}
