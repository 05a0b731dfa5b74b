// daemon/uplink.c -- rank 0's stream.

#include "daemon/uplink.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/adopt.h"
#include "daemon/committer.h"
#include "daemon/files.h"
#include "daemon/launch.h"
#include "proto/base/error.h"

// violated ends a run whose worker does not keep to the protocol; the sentence is stored.
static void violated(ak_run *run, akssl_status rc)
{
    char *why = ak_path("%s", ak_error_text());

    ak_call_fail(run->join, rc, why);
    ak_run_fail(run, why);
    free(why);
}

// A first Hello of a run that has begun was said on a stream that rank 0 has given up since, and
// came late: the run has begun on a newer one, and comes back.
static bool is_stale(const ak_run *run, const Akssl__V1__Hello *hello)
{
    return !hello->rejoin && !run->greeted && (run->changed || run->rejoined);
}

static void refuse_stale(ak_run *run)
{
    ak_call *call = run->join;

    ak_call_set_user(call, NULL);
    ak_call_fail(call, AKSSL_ERR_STATE, "join: the run has begun: it can only come back");
    ak_uplink_ended(run);
}

// hold pauses the job for what is no fault of the worker's.
static akssl_status hold(ak_run *run, akssl_status rc)
{
    char *why = ak_path("%s", ak_error_text());

    ak_call_fail(run->join, rc, why);
    ak_run_hold(run, why);
    free(why);
    return AKSSL_OK;
}

// ---- sending the state: head, chunks, next tensor; as far as the caller takes it

static bool send_head(ak_run *run, const ak_state_info *info)
{
    Akssl__V1__CoordinatorMessage m = AKSSL__V1__COORDINATOR_MESSAGE__INIT;
    Akssl__V1__TensorHead head = AKSSL__V1__TENSOR_HEAD__INIT;

    head.name = (char *)info->name;
    head.n_shape = (size_t)info->dims;
    head.shape = (int64_t *)info->shape;
    head.has_version = head.has_filled = head.has_position = 1;
    head.version = info->version;
    head.filled = info->filled;
    head.position = info->position;
    m.body_case = AKSSL__V1__COORDINATOR_MESSAGE__BODY_HEAD;
    m.head = &head;
    run->sending_offset = 0;
    return ak_call_send(run->join, &m.base);
}

static bool send_chunk(ak_run *run, const ak_state_tensor *tensor)
{
    Akssl__V1__CoordinatorMessage m = AKSSL__V1__COORDINATOR_MESSAGE__INIT;
    Akssl__V1__TensorChunk chunk = AKSSL__V1__TENSOR_CHUNK__INIT;
    size_t offset = (size_t)run->sending_offset;
    size_t size = tensor->size - offset < AK_RPC_CHUNK ? tensor->size - offset : AK_RPC_CHUNK;

    chunk.name = (char *)tensor->info.name;
    chunk.has_offset = chunk.has_data = 1;
    chunk.offset = offset;
    chunk.data = (ProtobufCBinaryData){ size, (uint8_t *)ak_state_data(tensor) + offset };
    m.body_case = AKSSL__V1__COORDINATOR_MESSAGE__BODY_CHUNK;
    m.chunk = &chunk;
    run->sending_offset += (int64_t)size;
    if (run->sending_offset == (int64_t)tensor->size) {
        run->sending_tensor++;
        run->sending_offset = -1;
    }
    return ak_call_send(run->join, &m.base);
}

static void stop_sending(ak_run *run)
{
    ak_state_free(run->sending);
    run->sending = NULL;
}

static void send_end(ak_run *run)
{
    Akssl__V1__CoordinatorMessage m = AKSSL__V1__COORDINATOR_MESSAGE__INIT;
    Akssl__V1__Ack ack = AKSSL__V1__ACK__INIT;

    ack.has_version = 1;
    ack.version = run->resume.step;
    m.body_case = AKSSL__V1__COORDINATOR_MESSAGE__BODY_STATE_END;
    m.state_end = &ack;
    ak_call_send(run->join, &m.base);
    stop_sending(run);
    run->sent = true;
}

static void pump(ak_run *run)
{
    bool full = false;

    while (run->sending && !full) {
        const ak_state_tensor *tensor = &run->sending->tensors[run->sending_tensor];

        if (run->sending_tensor == run->sending->count)
            send_end(run);
        else if (run->sending_offset < 0)
            full = send_head(run, &tensor->info);
        else
            full = send_chunk(run, tensor);
    }
}

static void send_welcome(ak_run *run)
{
    Akssl__V1__CoordinatorMessage m = AKSSL__V1__COORDINATOR_MESSAGE__INIT;
    Akssl__V1__Welcome welcome = AKSSL__V1__WELCOME__INIT;
    char *commit = run->resuming
                       ? ak_path("%s/commits/step-%" PRId64, run->folder, run->resume.step)
                       : ak_path("%s", "");

    welcome.spec_yaml = run->job->yaml;
    welcome.folder = run->folder;
    welcome.has_resume_step = welcome.has_restored = 1;
    welcome.resume_step = run->resuming ? run->resume.step : 0;
    welcome.commit = commit;
    welcome.restored = run->resuming || run->seed;
    m.body_case = AKSSL__V1__COORDINATOR_MESSAGE__BODY_WELCOME;
    m.welcome = &welcome;
    ak_call_send(run->join, &m.base);
    free(commit);
}

static void send_applied(ak_run *run)
{
    Akssl__V1__CoordinatorMessage m = AKSSL__V1__COORDINATOR_MESSAGE__INIT;
    Akssl__V1__Ack ack = AKSSL__V1__ACK__INIT;

    ack.has_version = 1;
    ack.version = ak_state_version(run->state);
    m.body_case = AKSSL__V1__COORDINATOR_MESSAGE__BODY_APPLIED;
    m.applied = &ack;
    ak_call_send(run->join, &m.base);
}

void ak_uplink_stop(ak_run *run, const char *why)
{
    Akssl__V1__CoordinatorMessage m = AKSSL__V1__COORDINATOR_MESSAGE__INIT;
    Akssl__V1__Stop stop = AKSSL__V1__STOP__INIT;

    stop.reason = (char *)why;
    m.body_case = AKSSL__V1__COORDINATOR_MESSAGE__BODY_STOP;
    m.stop = &stop;
    if (run->join && run->greeted) // else ak_run_greet does, behind Welcome
        ak_call_send(run->join, &m.base);
}

// ---- receiving

// begin sends what the run starts from.
static void begin(ak_run *run)
{
    ak_run_joined(run);
    send_welcome(run);
    run->sent = !run->resuming && !run->seed;
    if (!run->sent) {
        run->sending = ak_state_freeze(run->seed ? run->seed : run->state);
        run->sending_tensor = 0;
        run->sending_offset = -1;
        pump(run);
    }
    ak_run_greet(run);
}

static void on_prepared(ak_run *run, akssl_status rc, const char *error)
{
    run->preparing = false;
    if (run->phase != AK_RUN_ADOPTING && run->phase != AK_RUN_JOINED)
        return;
    if (rc < 0 && ak_run_passes(rc))
        ak_run_hold(run, error);
    else if (rc < 0)
        ak_run_fail(run, error);
    else if (run->join && run->greeted)
        begin(run);
    else if (run->phase == AK_RUN_ADOPTING) // its stream was lost meanwhile
        ak_adopt_lease(run);
}

// prepare reads the state for an adopted run whose worker has not got it from the daemon that
// started it.
static akssl_status prepare(ak_run *run)
{
    uv_timer_stop(&run->timer);
    if (run->preparing)
        return AKSSL_OK;
    if (run->job->committed_step > 0) { // step 0 is the start
        akssl_status rc = ak_store_find_commit(run->d->store, run->job->id, &run->resume);

        if (rc < 0 && ak_run_passes(rc))
            return hold(run, rc);
        if (rc < 0)
            return rc;
        run->resuming = true;
    }
    run->preparing = true;
    ak_launch_prepare(run, on_prepared);
    return AKSSL_OK;
}

// rejoin takes a run that goes on: its state comes whole, whatever we have of it.
static void rejoin(ak_run *run)
{
    Akssl__V1__CoordinatorMessage m = AKSSL__V1__COORDINATOR_MESSAGE__INIT;
    Akssl__V1__Welcome welcome = AKSSL__V1__WELCOME__INIT;

    ak_state_free(run->state);
    run->state = ak_state_new();
    run->rejoined = run->sent = true;
    ak_run_joined(run);
    welcome.spec_yaml = run->job->yaml;
    welcome.folder = run->folder;
    welcome.has_rejoined = welcome.rejoined = 1;
    m.body_case = AKSSL__V1__COORDINATOR_MESSAGE__BODY_WELCOME;
    m.welcome = &welcome;
    ak_call_send(run->join, &m.base);
    ak_log_write(run->d->log, AK_LOG_INFO, "job %" PRId64 " run %s has come back", run->job->id,
                 run->id);
    ak_run_greet(run);
}

static akssl_status check_hello(const ak_run *run, const Akssl__V1__Hello *hello)
{
    const ak_job *job = run->job;

    if (run->greeted)
        return ak_fail(AKSSL_ERR_STATE, "join: a second Hello");
    if (hello->job != job->id || !hello->run || strcmp(hello->run, run->id) != 0)
        return ak_fail(AKSSL_ERR_PERMISSION, "join: job %" PRId64 " and its secret do not fit",
                       hello->job);
    if (hello->ranks != job->ranks)
        return ak_fail(AKSSL_ERR_INVALID, "join: %" PRId64 " ranks came, %" PRId64 " were started",
                       hello->ranks, job->ranks);
    if (hello->rejoin && run->phase == AK_RUN_LAUNCHED)
        return ak_fail(AKSSL_ERR_STATE, "join: a run that has not joined cannot come back");
    return AKSSL_OK;
}

static akssl_status take_hello(ak_run *run, const Akssl__V1__Hello *hello)
{
    akssl_status rc = check_hello(run, hello);

    if (rc < 0)
        return rc;
    run->greeted = true;
    if (hello->rejoin)
        rejoin(run);
    else if (!run->state || run->preparing)
        rc = prepare(run);
    else
        begin(run);
    return rc;
}

static akssl_status take_head(ak_run *run, const Akssl__V1__TensorHead *head)
{
    ak_state_info info = { .version = head->version,
                           .filled = head->filled,
                           .position = head->position };

    if (!run->sent)
        return ak_fail(AKSSL_ERR_STATE, "tensor: not before all of the state was received");
    if (!head->name || strlen(head->name) > AK_STATE_MAX_NAME)
        return ak_fail(AKSSL_ERR_INVALID, "tensor: give a name of 1 to %d bytes",
                       AK_STATE_MAX_NAME);
    if (head->n_shape < 1 || head->n_shape > AK_STATE_MAX_DIMS)
        return ak_fail(AKSSL_ERR_INVALID, "tensor %s has %zu axes: give 1 to %d", head->name,
                       head->n_shape, AK_STATE_MAX_DIMS);
    memcpy(info.name, head->name, strlen(head->name));
    info.dims = (int)head->n_shape;
    memcpy(info.shape, head->shape, head->n_shape * sizeof *info.shape);
    if (ak_state_holds(run->state, info.name))
        return ak_state_replace(run->state, &info);
    if (run->resuming && !run->rejoined)
        return ak_fail(AKSSL_ERR_STATE,
                       "tensor %s: this run's state was restored from a commit, without it",
                       info.name);
    return ak_state_declare(run->state, &info);
}

static akssl_status take_chunk(ak_run *run, const Akssl__V1__TensorChunk *chunk)
{
    return ak_state_fill(run->state, chunk->name ? chunk->name : "", chunk->offset,
                         chunk->data.data, chunk->data.len);
}

static akssl_status take_push(ak_run *run, const Akssl__V1__RingPush *push)
{
    const ak_state_rows rows = {
        .name = push->name ? push->name : "",
        .version = push->version,
        .skipped = push->skipped,
        .more = push->more,
        .rows = push->rows.data,
        .size = push->rows.len,
    };
    akssl_status rc;

    if (!run->sent)
        return ak_fail(AKSSL_ERR_STATE, "push: not before all of the state was received");
    rc = ak_state_push(run->state, &rows);
    if (rc == AKSSL_OK && !rows.more && ++run->pushes % AK_UPLINK_ACK == 0)
        send_applied(run);
    return rc;
}

static akssl_status take(ak_run *run, const Akssl__V1__WorkerMessage *m)
{
    if (m->body_case != AKSSL__V1__WORKER_MESSAGE__BODY_HELLO &&
        (!run->greeted || run->phase != AK_RUN_JOINED))
        return ak_fail(AKSSL_ERR_STATE, "join: the first message must be Hello");
    if (!run->changed && m->body_case != AKSSL__V1__WORKER_MESSAGE__BODY_HELLO) {
        run->changed = true;
        ak_state_free(run->seed);
        run->seed = NULL;
    }
    switch (m->body_case) {
    case AKSSL__V1__WORKER_MESSAGE__BODY_HELLO:
        return take_hello(run, m->hello);
    case AKSSL__V1__WORKER_MESSAGE__BODY_HEAD:
        return take_head(run, m->head);
    case AKSSL__V1__WORKER_MESSAGE__BODY_CHUNK:
        return take_chunk(run, m->chunk);
    case AKSSL__V1__WORKER_MESSAGE__BODY_PUSH:
        return take_push(run, m->push);
    default:
        return ak_fail(AKSSL_ERR_INVALID, "join: a message of no known kind");
    }
}

void ak_uplink_receive(ak_run *run, const Akssl__V1__WorkerMessage *message)
{
    akssl_status rc;

    if (!message || run->phase > AK_RUN_ADOPTING)
        return; // the worker has said all, or what it says no longer counts
    if (message->body_case == AKSSL__V1__WORKER_MESSAGE__BODY_HELLO &&
        is_stale(run, message->hello)) {
        refuse_stale(run);
        return;
    }
    rc = take(run, message);
    if (rc == AKSSL_ERR_NO_MEMORY)
        (void)hold(run, rc);
    else if (rc < 0)
        violated(run, rc);
    else
        ak_committer_poll(run);
}

// ---- the call

akssl_status ak_uplink_open(ak_daemon *d, ak_call *call, ak_run **out)
{
    ak_run *run = ak_run_by_secret(d, ak_call_secret(call));

    if (d->stopping && (!run || run->leaving)) // it has been let go of
        return ak_fail(AKSSL_ERR_UNAVAILABLE, "akssld is stopping: come back");
    if (!run)
        return ak_fail(AKSSL_ERR_PERMISSION,
                       "join: the secret is no current run's: only akssld starts runs");
    if (run->phase == AK_RUN_PREPARING || run->phase > AK_RUN_ADOPTING)
        return ak_fail(AKSSL_ERR_STATE, "join: rank 0 of job %" PRId64 " is not waited for",
                       run->job->id);
    if (run->join) { // the worker has lost it, and we have not noticed yet
        ak_call_set_user(run->join, NULL);
        ak_call_fail(run->join, AKSSL_ERR_UNAVAILABLE, "join: another stream takes its place");
        stop_sending(run);
    }
    run->greeted = false;
    run->join = call;
    *out = run;
    return AKSSL_OK;
}

void ak_uplink_drained(ak_run *run)
{
    pump(run);
}

void ak_uplink_ended(ak_run *run)
{
    run->join = NULL;
    stop_sending(run);
    ak_run_lost(run);
}

void ak_uplink_finish(ak_run *run)
{
    if (run->join)
        ak_call_finish(run->join);
}

void ak_uplink_drop(ak_run *run)
{
    if (run->join) {
        ak_call_set_user(run->join, NULL);
        if (run->leaving)
            ak_call_fail(run->join, AKSSL_ERR_UNAVAILABLE, "akssld is stopping: come back");
        else
            ak_call_fail(run->join, AKSSL_ERR_CANCELLED, "the run is over");
    }
    run->join = NULL;
    stop_sending(run);
}
