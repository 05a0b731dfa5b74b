// worker/uplink.c -- the run's link to the coordinator: its threads, its start and its end.
//
//     caller --push, declare--> queue  --sender thread--> stream --receiver thread--> stop, lost
//            --report---------> latest --sender thread--> Report
//            --commit, finish, once the queue is empty--> Commit, Finish
//
// The queue and the sender are in uplink/queue.c, the state that the run starts from in
// uplink/state.c.

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
        snprintf(u->stop_reason, sizeof u->stop_reason, "%s", reason);
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

// ---- the receiver thread

static void *run_receiver(void *arg)
{
    ak_uplink *u = arg;
    ProtobufCMessage *message = NULL;
    akssl_status rc;

    while ((rc = ak_stream_receive(u->stream, 0, &message)) == 0 && message) {
        Akssl__V1__CoordinatorMessage *m = (Akssl__V1__CoordinatorMessage *)message;

        if (m->body_case == AKSSL__V1__COORDINATOR_MESSAGE__BODY_STOP)
            ak_uplink_request_stop(u, m->stop->reason && m->stop->reason[0]
                                          ? m->stop->reason
                                          : "the coordinator asks the run to stop");
        protobuf_c_message_free_unpacked(message, NULL);
    }
    if (rc == 0)
        rc = ak_fail(AKSSL_ERR_UNAVAILABLE, "the coordinator has ended the run's stream");
    ak_uplink_fail(u, rc);
    pthread_mutex_lock(&u->lock);
    u->stream_over = true;
    pthread_cond_broadcast(&u->changed);
    pthread_mutex_unlock(&u->lock);
    return NULL;
}

// ---- opening: Hello, Welcome, state

static akssl_status say_hello(ak_uplink *u, int64_t ranks)
{
    Akssl__V1__WorkerMessage message = AKSSL__V1__WORKER_MESSAGE__INIT;
    Akssl__V1__Hello hello = AKSSL__V1__HELLO__INIT;

    hello.has_job = hello.has_ranks = 1;
    hello.job = u->job;
    hello.run = u->run;
    hello.ranks = ranks;
    hello.program = (char *)"akssl-worker " AKSSL_VERSION;
    message.body_case = AKSSL__V1__WORKER_MESSAGE__BODY_HELLO;
    message.hello = &hello;
    return ak_stream_send(u->stream, &message.base);
}

static akssl_status take_welcome(ak_uplink *u, int64_t limit_ns)
{
    Akssl__V1__Welcome *w;
    akssl_status rc = ak_uplink_next(u, limit_ns, &u->first_message);

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
    return u->welcome.restored ? ak_uplink_receive_state(u, limit_ns) : AKSSL_OK;
}

static akssl_status start_threads(ak_uplink *u)
{
    if (pthread_create(&u->sender, NULL, ak_uplink_run_sender, u) != 0)
        return ak_fail(AKSSL_ERR_LIMIT, "no thread for the coordinator's link: raise ulimit -u");
    if (pthread_create(&u->receiver, NULL, run_receiver, u) == 0) {
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

akssl_status ak_uplink_open(ak_uplink **out, const char *server, const char *secret, int64_t job,
                            const char *run, int64_t ranks)
{
    ak_uplink *u = ak_alloc(1, sizeof *u);
    pthread_condattr_t attributes;
    akssl_status rc;

    u->job = job;
    u->run = ak_strdup(run);
    u->last = &u->first;
    atomic_init(&u->stop, false);
    atomic_init(&u->lost, false);
    pthread_mutex_init(&u->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&u->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    rc = ak_channel_open(&u->channel, server, secret);
    if (rc == 0)
        rc = ak_stream_open(&u->stream, u->channel, AK_RPC_join, NULL, 0);
    if (rc == 0)
        rc = say_hello(u, ranks);
    if (rc == 0)
        rc = take_welcome(u, ak_clock_ns() + AK_UPLINK_OPEN_MS * AK_UPLINK_MS);
    if (rc == 0)
        rc = start_threads(u);
    if (rc < 0) {
        ak_wrap(rc, "join run '%s' of job %" PRId64, run, job);
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
    pthread_mutex_unlock(&u->lock);
    ak_stream_cancel(u->stream);
    pthread_join(u->sender, NULL);
    pthread_join(u->receiver, NULL);
}

void ak_uplink_close(ak_uplink *uplink)
{
    if (!uplink)
        return;
    stop_threads(uplink);
    ak_stream_free(uplink->stream);
    ak_channel_close(uplink->channel);
    for (int i = 0; i < uplink->tensor_count; i++) {
        free((char *)uplink->tensors[i].info.name);
        free(uplink->tensors[i].info.data);
    }
    ak_uplink_free_queue(uplink);
    if (uplink->first_message)
        protobuf_c_message_free_unpacked(uplink->first_message, NULL);
    pthread_cond_destroy(&uplink->changed);
    pthread_mutex_destroy(&uplink->lock);
    free(uplink->run);
    free(uplink);
}

// ---- commit and finish

akssl_status ak_uplink_commit(ak_uplink *uplink, int64_t step, const ak_uplink_file *files,
                              int count)
{
    Akssl__V1__CommitRequest request = AKSSL__V1__COMMIT_REQUEST__INIT;
    Akssl__V1__CommitFile *rows = ak_alloc((size_t)count + 1, sizeof *rows);
    Akssl__V1__CommitFile **refs = ak_alloc((size_t)count + 1, sizeof(Akssl__V1__CommitFile *));
    ProtobufCMessage *reply;
    akssl_status rc = ak_uplink_drain(uplink, false);

    for (int i = 0; i < count; i++) {
        akssl__v1__commit_file__init(&rows[i]);
        rows[i].name = (char *)files[i].name;
        rows[i].has_size = 1;
        rows[i].size = files[i].size;
        rows[i].digest = (char *)files[i].digest;
        refs[i] = &rows[i];
    }
    request.has_job = request.has_step = 1;
    request.job = uplink->job;
    request.run = uplink->run;
    request.step = step;
    request.n_files = (size_t)count;
    request.files = refs;
    if (rc == 0)
        rc = ak_channel_call(uplink->channel, AK_RPC_commit, &request.base, AK_UPLINK_WAIT_MS,
                             &reply);
    if (rc == 0)
        protobuf_c_message_free_unpacked(reply, NULL);
    else
        ak_wrap(rc, "commit of step %" PRId64, step);
    free(refs);
    free(rows);
    return rc;
}

akssl_status ak_uplink_finish(ak_uplink *uplink, const char *outcome, const char *reason,
                              const ak_uplink_metric *results, int count, const char *weights)
{
    Akssl__V1__FinishRequest request = AKSSL__V1__FINISH_REQUEST__INIT;
    Akssl__V1__Metric *rows = ak_alloc((size_t)count + 1, sizeof *rows);
    Akssl__V1__Metric **refs = ak_alloc((size_t)count + 1, sizeof(Akssl__V1__Metric *));
    bool whole = ak_uplink_drain(uplink, true) == 0; // what went wrong before, `reason` tells
    ProtobufCMessage *reply;
    akssl_status rc;

    for (int i = 0; i < count; i++) {
        akssl__v1__metric__init(&rows[i]);
        rows[i].name = (char *)results[i].name;
        rows[i].has_value = 1;
        rows[i].value = results[i].value;
        refs[i] = &rows[i];
    }
    request.has_job = 1;
    request.job = uplink->job;
    request.run = uplink->run;
    request.outcome = (char *)outcome;
    request.reason = (char *)reason;
    request.n_results = (size_t)count;
    request.results = refs;
    request.weights = (char *)weights;
    rc =
        ak_channel_call(uplink->channel, AK_RPC_finish, &request.base, AK_UPLINK_FINISH_MS, &reply);
    if (rc == 0)
        protobuf_c_message_free_unpacked(reply, NULL);
    else
        ak_wrap(rc, "finish of run '%s'", uplink->run);
    if (rc == 0 && whole)
        uplink->finished = ak_stream_close_send(uplink->stream) == 0;
    free(refs);
    free(rows);
    return rc;
}
