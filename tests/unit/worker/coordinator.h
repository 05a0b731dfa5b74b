// tests/unit/worker/coordinator.h -- a small coordinator on a real socket, and a worker's end of
// it; what it does is chosen by the number of the job.

#ifndef AK_TESTS_WORKER_COORDINATOR_H
#define AK_TESTS_WORKER_COORDINATOR_H

#include <inttypes.h>
#include <stdatomic.h>

#include "tests/unit/proto/rpc/serve.h"
#include "worker/uplink.h"

enum { MB = 1 << 20, ROW = 8, SLOTS = 64 };

static const char digest[] = "0123456789abcdef0123456789abcdef";

enum { // jobs
    FRESH = 1,
    RESTORED,
    STOPS,        // Stop on the stream at the first push
    REPORT_STOPS, // stop in the answer to a report
    BREAKS,       // the stream fails at the third push
    SLOW,         // 10 ms for each push
    COMMIT_FAILS,
    COMMIT_BREAKS, // the first Commit is not answered, and the stream with it fails
    COMMIT_LATE,   // the same, but it is answered, in vain, once its tensors have come again
    NEVER_REJOINS,
    BAD_START = 100, // and on: a wrong start each
};

typedef struct coordinator {
    ak_call *join, *commit; // under way
    int64_t version, commit_step, skipped;
    size_t declared, held; // bytes
    int64_t shape[2], head_version;
    int pieces, heads, warning_count;
    bool more, holds;
    char warning[2][256];
    float *data;
    int files, wrong;
    char secret[32], run[32], outcome[16], reason[64], weights[64];
    double result, gauge;
    int64_t job, reported_step;
    int64_t tensors; // that a Commit speaks of
    char folder[64]; // of the job, when not the usual one
    atomic_int pushes, reports, finishes, ended, cancelled, stopped, rejoins, commits;
} coordinator;

typedef struct fixture {
    serve serve;
    coordinator c;
    ak_uplink *uplink;
} fixture;

// ---- the coordinator, on the loop thread

static inline void tell(ak_call *call, int body, const void *what)
{
    Akssl__V1__CoordinatorMessage message = AKSSL__V1__COORDINATOR_MESSAGE__INIT;

    message.body_case = (Akssl__V1__CoordinatorMessage__BodyCase)body;
    message.welcome = (void *)what; // all are pointers of one union
    ak_call_send(call, &message.base);
}

static inline void tell_head(ak_call *call, const char *name, int64_t rows, int64_t filled)
{
    Akssl__V1__TensorHead head = AKSSL__V1__TENSOR_HEAD__INIT;
    int64_t shape[2] = { rows, ROW };

    head.name = (char *)name;
    head.n_shape = 2;
    head.shape = shape;
    head.has_version = head.has_filled = head.has_position = 1;
    head.version = 17;
    head.filled = filled;
    head.position = 3;
    tell(call, AKSSL__V1__COORDINATOR_MESSAGE__BODY_HEAD, &head);
}

static inline float value_at(size_t i)
{
    return (float)(i % 1000) * 0.5f;
}

static inline void tell_chunk(ak_call *call, const char *name, size_t offset, size_t size)
{
    Akssl__V1__TensorChunk chunk = AKSSL__V1__TENSOR_CHUNK__INIT;
    float *values = malloc(size);

    for (size_t i = 0; i < size / sizeof(float); i++)
        values[i] = value_at(offset / sizeof(float) + i);
    chunk.name = (char *)name;
    chunk.has_offset = chunk.has_data = 1;
    chunk.offset = offset;
    chunk.data.len = size;
    chunk.data.data = (uint8_t *)values;
    tell(call, AKSSL__V1__COORDINATOR_MESSAGE__BODY_CHUNK, &chunk);
    free(values);
}

static inline void tell_end(ak_call *call)
{
    Akssl__V1__Ack ack = AKSSL__V1__ACK__INIT;

    tell(call, AKSSL__V1__COORDINATOR_MESSAGE__BODY_STATE_END, &ack);
}

enum { ROW_BYTES = ROW * sizeof(float), BIG_ROWS = 2 * MB / ROW_BYTES + 5 };

static inline void tell_state(ak_call *call)
{
    size_t size = BIG_ROWS * ROW_BYTES;

    tell_head(call, "moco.queue", BIG_ROWS, 9);
    for (size_t at = 0; at < size; at += MB)
        tell_chunk(call, "moco.queue", at, size - at < MB ? size - at : MB);
    tell_head(call, "dino.center", 4, 4);
    tell_chunk(call, "dino.center", 0, 4 * ROW_BYTES);
    tell_end(call);
}

static inline void tell_welcome(ak_call *call, bool restored, const char *folder)
{
    Akssl__V1__Welcome welcome = AKSSL__V1__WELCOME__INIT;

    welcome.spec_yaml = (char *)"method: mocov2\n";
    welcome.folder = (char *)(folder[0] ? folder : "/state/jobs/7");
    welcome.has_resume_step = welcome.has_restored = 1;
    welcome.resume_step = restored ? 17 : 0;
    welcome.commit = (char *)(restored ? "/state/jobs/7/commits/step-17" : "");
    welcome.restored = restored;
    tell(call, AKSSL__V1__COORDINATOR_MESSAGE__BODY_WELCOME, &welcome);
}

enum { BAD_STARTS = 10 };

static inline void tell_bad_start(ak_call *call, int which)
{
    if (which != 0 && which != 9)
        tell_welcome(call, true, "");
    switch (which) {
    case 0: // state before the welcome
        tell_end(call);
        break;
    case 1: // a piece of no tensor
        tell_chunk(call, "moco.queue", 0, 32);
        break;
    case 2: // a gap
        tell_head(call, "moco.queue", 4, 4);
        tell_chunk(call, "moco.queue", 32, 32);
        break;
    case 3: // more than the tensor holds
        tell_head(call, "moco.queue", 4, 4);
        tell_chunk(call, "moco.queue", 0, 160);
        break;
    case 4: // less
        tell_head(call, "moco.queue", 4, 4);
        tell_chunk(call, "moco.queue", 0, 64);
        tell_end(call);
        break;
    case 5: // twice
        tell_head(call, "moco.queue", 4, 4);
        tell_head(call, "moco.queue", 4, 4);
        break;
    case 6: // shapes that are none
        tell_head(call, "moco.queue", -4, 0);
        break;
    case 7:
        tell_head(call, "moco.queue", INT64_MAX / ROW, 0);
        break;
    case 8: // more rows filled than there are
        tell_head(call, "moco.queue", 4, 5);
        tell_chunk(call, "moco.queue", 0, 4 * ROW_BYTES);
        tell_end(call);
        break;
    default: // nothing
        break;
    }
    ak_call_finish(call);
}

static inline void tell_rejoined(coordinator *c, ak_call *call)
{
    Akssl__V1__Welcome welcome = AKSSL__V1__WELCOME__INIT;

    c->rejoins++;
    welcome.has_rejoined = 1;
    welcome.rejoined = c->job != NEVER_REJOINS;
    tell(call, AKSSL__V1__COORDINATOR_MESSAGE__BODY_WELCOME, &welcome);
}

static inline void take_hello(coordinator *c, ak_call *call, const Akssl__V1__Hello *hello)
{
    snprintf(c->run, sizeof c->run, "%s/%" PRId64 "/%s", hello->run, hello->ranks, hello->program);
    c->job = hello->job;
    if (strcmp(c->secret, "right") != 0)
        ak_call_fail(call, AKSSL_ERR_PERMISSION, "run 'r1': this secret is not the run's");
    else if (c->job >= BAD_START)
        tell_bad_start(call, (int)c->job - BAD_START);
    else if (hello->rejoin)
        tell_rejoined(c, call);
    else
        tell_welcome(call, c->job == RESTORED, c->folder);
    if (c->job == RESTORED && !hello->rejoin)
        tell_state(call);
}

static inline void answer_commit(coordinator *c)
{
    Akssl__V1__CommitReply reply = AKSSL__V1__COMMIT_REPLY__INIT;

    if (!c->commit || (c->version < c->commit_step &&
                       !(c->rejoins && c->declared && c->head_version >= c->commit_step)))
        return; // its last pushes are still on the way
    if (c->job == COMMIT_LATE && !c->rejoins) {
        if (c->join)
            ak_call_fail(c->join, AKSSL_ERR_UNAVAILABLE, "the stream goes");
        return;
    }
    c->commits++;
    if (c->job == COMMIT_BREAKS && c->commits == 1) {
        ak_call_fail(c->commit, AKSSL_ERR_UNAVAILABLE, "the daemon goes");
        ak_call_fail(c->join, AKSSL_ERR_UNAVAILABLE, "the daemon goes");
    } else if (c->job == COMMIT_LATE && c->commits == 1) {
        ak_call_fail(c->commit, AKSSL_ERR_UNAVAILABLE, "no longer");
    } else if (c->job == COMMIT_FAILS) {
        ak_call_fail(c->commit, AKSSL_ERR_NO_SPACE, "the disk is full");
    } else {
        if (c->holds && c->commits == 1)
            usleep(300000);
        ak_call_reply(c->commit, &reply.base);
    }
    c->commit = NULL;
}

static inline void take_push(coordinator *c, ak_call *call, const Akssl__V1__RingPush *push)
{
    Akssl__V1__Stop stop = AKSSL__V1__STOP__INIT;

    ck_assert_str_eq(push->name, "moco.queue");
    ck_assert_int_eq(push->version, c->version + 1);
    ck_assert_uint_lt((unsigned)push->rows.len, 4 * MB);
    ck_assert(!push->has_skipped || !c->more);
    c->more = push->more;
    c->skipped += push->skipped;
    c->pieces++;
    c->held += push->rows.len;
    for (size_t i = 0; i < push->rows.len / sizeof(float); i++)
        c->wrong += ((float *)push->rows.data)[i] != (float)push->version;
    if (push->more)
        return;
    c->version = push->version;
    c->pushes++;
    stop.reason = (char *)"job 7 was cancelled";
    if (c->job == STOPS)
        tell(call, AKSSL__V1__COORDINATOR_MESSAGE__BODY_STOP, &stop);
    if (c->job == BREAKS && c->pushes == 3)
        ak_call_fail(call, AKSSL_ERR_CORRUPT, "the digests differ at step 3");
    if (c->job == SLOW)
        usleep(10000);
    answer_commit(c);
}

static inline void take_chunk(coordinator *c, const Akssl__V1__TensorChunk *chunk)
{
    ck_assert_uint_le(chunk->data.len, MB);
    ck_assert_uint_eq(chunk->offset, c->declared);
    c->data = realloc(c->data, c->declared + chunk->data.len);
    memcpy((uint8_t *)c->data + c->declared, chunk->data.data, chunk->data.len);
    c->declared += chunk->data.len;
}

static inline void received(void *ctx, ak_call *call, const ProtobufCMessage *message)
{
    const Akssl__V1__WorkerMessage *m = (const Akssl__V1__WorkerMessage *)message;
    coordinator *c = ctx;

    if (!m) {
        ak_call_finish(call);
    } else if (m->body_case == AKSSL__V1__WORKER_MESSAGE__BODY_HELLO) {
        take_hello(c, call, m->hello);
    } else if (m->body_case == AKSSL__V1__WORKER_MESSAGE__BODY_HEAD) {
        ck_assert_uint_eq(m->head->n_shape, 2);
        memcpy(c->shape, m->head->shape, sizeof c->shape);
        c->head_version = m->head->version;
        c->declared = 0;
        c->heads++;
    } else if (m->body_case == AKSSL__V1__WORKER_MESSAGE__BODY_CHUNK) {
        take_chunk(c, m->chunk);
        answer_commit(c);
    } else if (m->body_case == AKSSL__V1__WORKER_MESSAGE__BODY_PUSH) {
        take_push(c, call, m->push);
    }
}

static inline void take_report(coordinator *c, ak_call *call,
                               const Akssl__V1__ReportRequest *report)
{
    Akssl__V1__ReportReply reply = AKSSL__V1__REPORT_REPLY__INIT;

    c->reported_step = report->progress->step;
    c->gauge = report->progress->n_gauges == 1 ? report->progress->gauges[0]->value : -1;
    c->warning_count = (int)report->progress->n_warnings;
    for (int i = 0; i < c->warning_count && i < 2; i++)
        snprintf(c->warning[i], sizeof c->warning[i], "%s", report->progress->warnings[i]);
    c->reports++;
    reply.has_stop = 1;
    reply.stop = c->job == REPORT_STOPS;
    ak_call_reply(call, &reply.base);
}

static inline void take_finish(coordinator *c, ak_call *call,
                               const Akssl__V1__FinishRequest *finish)
{
    Akssl__V1__FinishReply reply = AKSSL__V1__FINISH_REPLY__INIT;

    snprintf(c->outcome, sizeof c->outcome, "%s", finish->outcome);
    snprintf(c->reason, sizeof c->reason, "%s", finish->reason);
    snprintf(c->weights, sizeof c->weights, "%s", finish->weights);
    c->result = finish->n_results == 1 ? finish->results[0]->value : -1;
    c->finishes++;
    ak_call_reply(call, &reply.base);
}

static inline void started(void *ctx, ak_call *call, ak_rpc_id rpc, const ProtobufCMessage *request)
{
    coordinator *c = ctx;

    snprintf(c->secret, sizeof c->secret, "%s", ak_call_secret(call));
    if (rpc == AK_RPC_join) {
        c->join = call;
    } else if (rpc == AK_RPC_report) {
        take_report(c, call, (const Akssl__V1__ReportRequest *)request);
    } else if (rpc == AK_RPC_commit) {
        const Akssl__V1__CommitRequest *commit = (const Akssl__V1__CommitRequest *)request;

        c->commit = call;
        c->commit_step = commit->step;
        c->tensors = commit->tensors;
        c->files = (int)commit->n_files;
        ck_assert_str_eq(commit->files[0]->name, "model.safetensors");
        ck_assert_uint_eq(commit->files[0]->size, 123);
        ck_assert_str_eq(commit->files[0]->digest, digest);
        answer_commit(c);
    } else if (rpc == AK_RPC_finish) {
        take_finish(c, call, (const Akssl__V1__FinishRequest *)request);
    }
}

static inline void ended(void *ctx, ak_call *call, bool cancelled)
{
    coordinator *c = ctx;

    if (ak_call_rpc(call) != AK_RPC_join)
        return;
    c->ended++;
    if (call != c->join)
        return; // the run has come back before this one ended
    c->join = NULL;
    c->cancelled = cancelled;
}

static const ak_server_events events = { .started = started, .received = received, .ended = ended };

// ---- the worker

static inline ak_uplink_target target_of(const char *server, const char *secret, int64_t job)
{
    return (ak_uplink_target){ .server = server,
                               .secret = secret,
                               .run = "r1",
                               .job = job,
                               .ranks = 2,
                               .join_ms = 1000,
                               .orphan_ms = 60000 };
}

static inline akssl_status open_uplink(ak_uplink **uplink, const char *server, const char *secret,
                                       int64_t job)
{
    const ak_uplink_target target = target_of(server, secret, job);

    return ak_uplink_open(uplink, &target);
}

static inline void begin(fixture *f, int64_t job)
{
    akssl_status rc;

    memset(f, 0, sizeof *f);
    serve_start(&f->serve, &events, &f->c);
    rc = open_uplink(&f->uplink, f->serve.address, "right", job);
    ck_assert_msg(rc == 0, "%s", ak_error_text());
}

static inline void finish(fixture *f)
{
    ak_uplink_close(f->uplink);
    serve_stop(&f->serve, 3000);
    serve_remove(&f->serve);
    ck_assert_int_eq(f->c.ended, 1);
    ck_assert_int_eq(f->c.wrong, 0);
    free(f->c.data);
}

static inline akssl_status push_rows(ak_uplink *uplink, int64_t version, size_t bytes)
{
    float *rows = malloc(bytes);
    const ak_uplink_rows sent = { .rows = rows, .bytes = bytes };
    akssl_status rc;

    for (size_t i = 0; i < bytes / sizeof(float); i++)
        rows[i] = (float)version;
    rc = ak_uplink_push(uplink, "moco.queue", version, &sent);
    memset(rows, 0xff, bytes); // it was copied
    free(rows);
    return rc;
}

static inline akssl_status commit(ak_uplink *uplink, int64_t step)
{
    const ak_uplink_file files[] = { { "model.safetensors", 123, digest },
                                     { "optimizer", 4, "ffffffffffffffffffffffffffffffff" } };

    return ak_uplink_commit(uplink, step, files, 2);
}

static inline void report(ak_uplink *uplink, int64_t step)
{
    const ak_uplink_metric gauge = { "logit_std", 0.25 };
    const ak_uplink_progress progress = {
        .step = step, .total_steps = 100, .loss = 1.5, .gauges = &gauge, .gauge_count = 1
    };

    ak_uplink_report(uplink, &progress, NULL, 0);
}

static inline bool wait_true(bool (*ask)(const ak_uplink *), const ak_uplink *uplink)
{
    for (int i = 0; i < 10000 && !ask(uplink); i++)
        usleep(1000);
    return ask(uplink);
}

#endif
