// tests/unit/worker/uplink.c -- tests worker/uplink.{h,c} against a small coordinator on a real
// socket; what it does is chosen by the number of the job.

#include <inttypes.h>
#include <stdatomic.h>

#include "proto/base/clock.h"
#include "tests/unit/proto/rpc/serve.h"
#include "worker/uplink.h"

enum { MB = 1 << 20, ROW = 8, SLOTS = 64 };

enum { // jobs
    FRESH = 1,
    RESTORED,
    STOPS,        // Stop on the stream at the first push
    REPORT_STOPS, // stop in the answer to a report
    BREAKS,       // the stream fails at the third push
    SLOW,         // 10 ms for each push
    COMMIT_FAILS,
    BAD_START = 100, // and on: a wrong start each
};

typedef struct coordinator {
    ak_call *join, *commit; // under way
    int64_t version, commit_step, skipped;
    size_t declared, held; // bytes
    int64_t shape[2], head_version;
    int pieces, heads, warning_count;
    bool more;
    char warning[2][256];
    float *data;
    int files, wrong;
    char secret[32], run[32], outcome[16], reason[64], weights[64];
    double result, gauge;
    int64_t job, reported_step;
    atomic_int pushes, reports, finishes, ended, cancelled, stopped;
} coordinator;

typedef struct fixture {
    serve serve;
    coordinator c;
    ak_uplink *uplink;
} fixture;

// ---- the coordinator, on the loop thread

static void tell(ak_call *call, int body, const void *what)
{
    Akssl__V1__CoordinatorMessage message = AKSSL__V1__COORDINATOR_MESSAGE__INIT;

    message.body_case = (Akssl__V1__CoordinatorMessage__BodyCase)body;
    message.welcome = (void *)what; // all are pointers of one union
    ak_call_send(call, &message.base);
}

static void tell_head(ak_call *call, const char *name, int64_t rows, int64_t filled)
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

static float value_at(size_t i)
{
    return (float)(i % 1000) * 0.5f;
}

static void tell_chunk(ak_call *call, const char *name, size_t offset, size_t size)
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

static void tell_end(ak_call *call)
{
    Akssl__V1__Ack ack = AKSSL__V1__ACK__INIT;

    tell(call, AKSSL__V1__COORDINATOR_MESSAGE__BODY_STATE_END, &ack);
}

enum { ROW_BYTES = ROW * sizeof(float), BIG_ROWS = 2 * MB / ROW_BYTES + 5 };

static void tell_state(ak_call *call)
{
    size_t size = BIG_ROWS * ROW_BYTES;

    tell_head(call, "moco.queue", BIG_ROWS, 9);
    for (size_t at = 0; at < size; at += MB)
        tell_chunk(call, "moco.queue", at, size - at < MB ? size - at : MB);
    tell_head(call, "dino.center", 4, 4);
    tell_chunk(call, "dino.center", 0, 4 * ROW_BYTES);
    tell_end(call);
}

static void tell_welcome(ak_call *call, bool restored)
{
    Akssl__V1__Welcome welcome = AKSSL__V1__WELCOME__INIT;

    welcome.spec_yaml = (char *)"method: mocov2\n";
    welcome.folder = (char *)"/state/jobs/7";
    welcome.has_resume_step = welcome.has_restored = 1;
    welcome.resume_step = restored ? 17 : 0;
    welcome.commit = (char *)(restored ? "/state/jobs/7/commits/step-17" : "");
    welcome.restored = restored;
    tell(call, AKSSL__V1__COORDINATOR_MESSAGE__BODY_WELCOME, &welcome);
}

enum { BAD_STARTS = 10 };

static void tell_bad_start(ak_call *call, int which)
{
    if (which != 0 && which != 9)
        tell_welcome(call, true);
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

static void take_hello(coordinator *c, ak_call *call, const Akssl__V1__Hello *hello)
{
    snprintf(c->run, sizeof c->run, "%s/%" PRId64 "/%s", hello->run, hello->ranks, hello->program);
    c->job = hello->job;
    if (strcmp(c->secret, "right") != 0)
        ak_call_fail(call, AKSSL_ERR_PERMISSION, "run 'r1': this secret is not the run's");
    else if (c->job >= BAD_START)
        tell_bad_start(call, (int)c->job - BAD_START);
    else
        tell_welcome(call, c->job == RESTORED);
    if (c->job == RESTORED)
        tell_state(call);
}

static void answer_commit(coordinator *c)
{
    Akssl__V1__CommitReply reply = AKSSL__V1__COMMIT_REPLY__INIT;

    if (!c->commit || c->version < c->commit_step)
        return; // its last pushes are still on the way
    if (c->job == COMMIT_FAILS)
        ak_call_fail(c->commit, AKSSL_ERR_NO_SPACE, "the disk is full");
    else
        ak_call_reply(c->commit, &reply.base);
    c->commit = NULL;
}

static void take_push(coordinator *c, ak_call *call, const Akssl__V1__RingPush *push)
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

static void take_chunk(coordinator *c, const Akssl__V1__TensorChunk *chunk)
{
    ck_assert_uint_le(chunk->data.len, MB);
    ck_assert_uint_eq(chunk->offset, c->declared);
    c->data = realloc(c->data, c->declared + chunk->data.len);
    memcpy((uint8_t *)c->data + c->declared, chunk->data.data, chunk->data.len);
    c->declared += chunk->data.len;
}

static void received(void *ctx, ak_call *call, const ProtobufCMessage *message)
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
    } else if (m->body_case == AKSSL__V1__WORKER_MESSAGE__BODY_PUSH) {
        take_push(c, call, m->push);
    }
}

static void take_report(coordinator *c, ak_call *call, const Akssl__V1__ReportRequest *report)
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

static void take_finish(coordinator *c, ak_call *call, const Akssl__V1__FinishRequest *finish)
{
    Akssl__V1__FinishReply reply = AKSSL__V1__FINISH_REPLY__INIT;

    snprintf(c->outcome, sizeof c->outcome, "%s", finish->outcome);
    snprintf(c->reason, sizeof c->reason, "%s", finish->reason);
    snprintf(c->weights, sizeof c->weights, "%s", finish->weights);
    c->result = finish->n_results == 1 ? finish->results[0]->value : -1;
    c->finishes++;
    ak_call_reply(call, &reply.base);
}

static void started(void *ctx, ak_call *call, ak_rpc_id rpc, const ProtobufCMessage *request)
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
        c->files = (int)commit->n_files;
        ck_assert_str_eq(commit->files[0]->name, "model.safetensors");
        ck_assert_uint_eq(commit->files[0]->size, 123);
        ck_assert_str_eq(commit->files[0]->digest, "d1");
        answer_commit(c);
    } else if (rpc == AK_RPC_finish) {
        take_finish(c, call, (const Akssl__V1__FinishRequest *)request);
    }
}

static void ended(void *ctx, ak_call *call, bool cancelled)
{
    coordinator *c = ctx;

    if (call != c->join)
        return;
    c->join = NULL;
    c->cancelled = cancelled;
    c->ended++;
}

static const ak_server_events events = { .started = started, .received = received, .ended = ended };

// ---- the worker

static void begin(fixture *f, int64_t job)
{
    akssl_status rc;

    memset(f, 0, sizeof *f);
    serve_start(&f->serve, &events, &f->c);
    rc = ak_uplink_open(&f->uplink, f->serve.address, "right", job, "r1", 2);
    ck_assert_msg(rc == 0, "%s", ak_error_text());
}

static void finish(fixture *f)
{
    ak_uplink_close(f->uplink);
    serve_stop(&f->serve, 3000);
    serve_remove(&f->serve);
    ck_assert_int_eq(f->c.ended, 1);
    ck_assert_int_eq(f->c.wrong, 0);
    free(f->c.data);
}

static akssl_status push_rows(ak_uplink *uplink, int64_t version, size_t bytes)
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

static akssl_status commit(ak_uplink *uplink, int64_t step)
{
    const ak_uplink_file files[] = { { "model.safetensors", 123, "d1" }, { "optimizer", 4, "d2" } };

    return ak_uplink_commit(uplink, step, files, 2);
}

static void report(ak_uplink *uplink, int64_t step)
{
    const ak_uplink_metric gauge = { "logit_std", 0.25 };
    const ak_uplink_progress progress = {
        .step = step, .total_steps = 100, .loss = 1.5, .gauges = &gauge, .gauge_count = 1
    };

    ak_uplink_report(uplink, &progress, NULL, 0);
}

static bool wait_true(bool (*ask)(const ak_uplink *), const ak_uplink *uplink)
{
    for (int i = 0; i < 10000 && !ask(uplink); i++)
        usleep(1000);
    return ask(uplink);
}

START_TEST(a_run_from_the_start)
{
    const ak_uplink_metric result = { "after.knn.top1", 0.75 };
    ak_uplink_tensor tensor = { .name = "moco.queue", .dims = 2, .shape = { BIG_ROWS, ROW } };
    const ak_uplink_welcome *welcome;
    fixture f;

    begin(&f, FRESH);
    welcome = ak_uplink_state(f.uplink);
    ck_assert_str_eq(welcome->spec_yaml, "method: mocov2\n");
    ck_assert_str_eq(welcome->folder, "/state/jobs/7");
    ck_assert_str_eq(welcome->commit, "");
    ck_assert(welcome->resume_step == 0 && !welcome->restored);
    ck_assert_int_eq(ak_uplink_tensor_count(f.uplink), 0);

    tensor.size = BIG_ROWS * ROW_BYTES;
    tensor.data = malloc(tensor.size);
    for (size_t i = 0; i < tensor.size / sizeof(float); i++)
        tensor.data[i] = value_at(i);
    ck_assert_int_eq(ak_uplink_declare(f.uplink, &tensor), 0);
    for (int64_t version = 1; version <= 5; version++)
        ck_assert_int_eq(push_rows(f.uplink, version, 4 * ROW_BYTES), 0);
    report(f.uplink, 5);
    ck_assert_int_eq(commit(f.uplink, 5), 0);
    ck_assert(!ak_uplink_stop_requested(f.uplink) && !ak_uplink_lost(f.uplink));
    ck_assert_str_eq(ak_uplink_stop_reason(f.uplink), "");
    ck_assert_int_eq(ak_uplink_finish(f.uplink, "succeeded", "", &result, 1, "/w"), 0);
    finish(&f);

    ck_assert_str_eq(f.c.run, "r1/2/akssl-worker " AKSSL_VERSION);
    ck_assert(f.c.shape[0] == BIG_ROWS && f.c.shape[1] == ROW);
    ck_assert_uint_eq(f.c.declared, tensor.size);
    ck_assert(f.c.version == 5 && f.c.files == 2 && f.c.held == 20 * ROW_BYTES);
    ck_assert(f.c.reported_step == 5 && f.c.gauge == 0.25);
    ck_assert(f.c.finishes == 1 && f.c.result == 0.75 && f.c.cancelled == 0);
    ck_assert_str_eq(f.c.outcome, "succeeded");
    ck_assert_str_eq(f.c.weights, "/w");
    free(tensor.data);
}
END_TEST

START_TEST(what_was_declared_is_what_arrives)
{
    ak_uplink_tensor tensor = { .name = "moco.queue", .dims = 2, .shape = { BIG_ROWS, ROW } };
    coordinator *c;
    fixture f;

    begin(&f, FRESH);
    c = &f.c;
    tensor.size = BIG_ROWS * ROW_BYTES;
    tensor.data = malloc(tensor.size);
    for (size_t i = 0; i < tensor.size / sizeof(float); i++)
        tensor.data[i] = value_at(i);
    ck_assert_int_eq(ak_uplink_declare(f.uplink, &tensor), 0);
    ck_assert_int_eq(push_rows(f.uplink, 1, ROW_BYTES), 0);
    ck_assert_int_eq(commit(f.uplink, 1), 0);
    ak_uplink_close(f.uplink);
    serve_stop(&f.serve, 3000);
    serve_remove(&f.serve);
    ck_assert_int_eq(memcmp(c->data, tensor.data, tensor.size), 0);
    ck_assert_int_eq(c->cancelled, 1); // closed without Finish
    free(c->data);

    tensor.size -= 4;
    begin(&f, FRESH);
    ck_assert_int_eq(ak_uplink_declare(f.uplink, &tensor), AKSSL_ERR_INVALID);
    finish(&f);
    free(tensor.data);
}
END_TEST

START_TEST(a_run_that_goes_on)
{
    const ak_uplink_tensor *tensor;
    ak_uplink_tensor taken, again;
    int wrong = 0;
    fixture f;

    begin(&f, RESTORED);
    ck_assert(ak_uplink_state(f.uplink)->restored);
    ck_assert_int_eq(ak_uplink_state(f.uplink)->resume_step, 17);
    ck_assert_str_eq(ak_uplink_state(f.uplink)->commit, "/state/jobs/7/commits/step-17");
    ck_assert_int_eq(ak_uplink_tensor_count(f.uplink), 2);
    ck_assert_str_eq(ak_uplink_tensor_at(f.uplink, 1)->name, "dino.center");
    ck_assert_ptr_null(ak_uplink_tensor_find(f.uplink, "swav.queue"));
    tensor = ak_uplink_tensor_find(f.uplink, "moco.queue");
    ck_assert(tensor->dims == 2 && tensor->shape[0] == BIG_ROWS && tensor->shape[1] == ROW);
    ck_assert(tensor->version == 17 && tensor->filled == 9 && tensor->position == 3);
    ck_assert_int_eq(ak_uplink_take_tensor(f.uplink, "moco.queue", &taken), 0);
    for (size_t i = 0; i < taken.size / sizeof(float); i++)
        wrong += taken.data[i] != value_at(i);
    ck_assert_int_eq(wrong, 0);
    ck_assert_int_eq(ak_uplink_take_tensor(f.uplink, "moco.queue", &again), AKSSL_ERR_NOT_FOUND);
    ck_assert_int_eq(ak_uplink_take_tensor(f.uplink, "swav.queue", &again), AKSSL_ERR_NOT_FOUND);
    free(taken.data);
    finish(&f);
}
END_TEST

START_TEST(joins_that_fail)
{
    ak_uplink *uplink;
    fixture f;

    ck_assert_int_eq(ak_uplink_open(&uplink, "/nonexistent/socket", "right", 1, "r1", 1),
                     AKSSL_ERR_UNAVAILABLE);
    ck_assert_int_eq(ak_uplink_open(&uplink, "localhost:1", "right", 1, "r1", 1),
                     AKSSL_ERR_INVALID);
    memset(&f, 0, sizeof f);
    serve_start(&f.serve, &events, &f.c);
    ck_assert_int_eq(ak_uplink_open(&uplink, f.serve.address, "wrong", 1, "r1", 1),
                     AKSSL_ERR_PERMISSION);
    ck_assert_ptr_nonnull(strstr(ak_error_text(), "this secret is not the run's"));
    for (int i = 0; i < BAD_STARTS; i++) {
        akssl_status rc = ak_uplink_open(&uplink, f.serve.address, "right", BAD_START + i, "r1", 1);

        ck_assert_msg(rc == (i < 9 ? AKSSL_ERR_CORRUPT : AKSSL_ERR_UNAVAILABLE), "%d: %d %s", i, rc,
                      ak_error_text());
        ck_assert_ptr_nonnull(strstr(ak_error_text(), "run 'r1'"));
    }
    serve_stop(&f.serve, 3000);
    serve_remove(&f.serve);
    ak_uplink_close(NULL);
}
END_TEST

START_TEST(a_stop_lets_the_run_commit)
{
    fixture f;

    begin(&f, STOPS);
    ck_assert_int_eq(push_rows(f.uplink, 1, ROW_BYTES), 0);
    ck_assert(wait_true(ak_uplink_stop_requested, f.uplink));
    ck_assert_str_eq(ak_uplink_stop_reason(f.uplink), "job 7 was cancelled");
    ck_assert(!ak_uplink_lost(f.uplink));
    ck_assert_int_eq(push_rows(f.uplink, 2, ROW_BYTES), 0);
    ck_assert_int_eq(commit(f.uplink, 2), 0);
    ck_assert_int_eq(ak_uplink_finish(f.uplink, "stopped", "", NULL, 0, ""), 0);
    finish(&f);
    ck_assert_str_eq(f.c.outcome, "stopped");
    ck_assert_int_eq(f.c.cancelled, 0);

    begin(&f, REPORT_STOPS);
    report(f.uplink, 1);
    ck_assert(wait_true(ak_uplink_stop_requested, f.uplink));
    ck_assert(!ak_uplink_lost(f.uplink));
    finish(&f);
}
END_TEST

START_TEST(a_broken_stream_is_told_ever_after)
{
    akssl_status rc = AKSSL_OK;
    fixture f;

    begin(&f, BREAKS);
    for (int64_t version = 1; version <= 3; version++)
        ck_assert_int_eq(push_rows(f.uplink, version, ROW_BYTES), 0);
    ck_assert(wait_true(ak_uplink_lost, f.uplink));
    ck_assert(wait_true(ak_uplink_stop_requested, f.uplink));
    ck_assert_ptr_nonnull(strstr(ak_uplink_stop_reason(f.uplink), "the digests differ"));
    for (int i = 0; i < 3; i++) {
        rc = push_rows(f.uplink, 4, ROW_BYTES);
        ck_assert_int_eq(rc, AKSSL_ERR_CORRUPT);
        ck_assert_ptr_nonnull(strstr(ak_error_text(), "the digests differ at step 3"));
    }
    ck_assert_int_eq(commit(f.uplink, 3), AKSSL_ERR_CORRUPT);
    ck_assert_int_eq(ak_uplink_finish(f.uplink, "failed", "why", NULL, 0, ""), 0);
    finish(&f);
    ck_assert_str_eq(f.c.reason, "why");
}
END_TEST

START_TEST(a_coordinator_that_goes_is_noticed)
{
    int64_t before;
    fixture f;

    begin(&f, FRESH);
    serve_stop(&f.serve, 0);
    ck_assert(wait_true(ak_uplink_lost, f.uplink));
    ck_assert_int_eq(push_rows(f.uplink, 1, ROW_BYTES), AKSSL_ERR_UNAVAILABLE);
    ck_assert_int_eq(commit(f.uplink, 1), AKSSL_ERR_UNAVAILABLE);
    ck_assert_int_lt(ak_uplink_finish(f.uplink, "failed", "", NULL, 0, ""), 0);
    before = ak_clock_ns();
    ak_uplink_close(f.uplink);
    ck_assert_int_lt(ak_clock_ns() - before, 10 * 1000000000LL);
    serve_remove(&f.serve);
}
END_TEST

START_TEST(a_failed_commit_keeps_the_sentence)
{
    fixture f;

    begin(&f, COMMIT_FAILS);
    ck_assert_int_eq(commit(f.uplink, 0), AKSSL_ERR_NO_SPACE);
    ck_assert_str_eq(ak_error_text(), "commit of step 0: the disk is full");
    ck_assert(!ak_uplink_lost(f.uplink));
    finish(&f);
}
END_TEST

START_TEST(pushes_wait_only_when_the_queue_is_full)
{
    enum { LARGE = 4 * MB - 4096, COUNT = 40 };
    fixture f;

    begin(&f, SLOW);
    for (int64_t version = 1; version <= 10; version++)
        ck_assert_int_eq(push_rows(f.uplink, version, LARGE), 0);
    ck_assert_int_lt(f.c.pushes, 10); // 10 ms each over there: they have not all been taken
    for (int64_t version = 11; version <= COUNT; version++)
        ck_assert_int_eq(push_rows(f.uplink, version, LARGE), 0);
    // 160 MB went in, 64 MB may wait here, some more is on the wire: the rest has been taken.
    ck_assert_int_ge(f.c.pushes, 10);
    ck_assert_int_eq(commit(f.uplink, COUNT), 0);
    ck_assert_int_eq(f.c.pushes, COUNT);
    finish(&f);
}
END_TEST

START_TEST(a_long_push_comes_in_pieces)
{
    const ak_uplink_rows long_one = { .bytes = ((size_t)2 << 30) + 4 }, none = { 0 };
    const float last[2] = { 2, 2 };
    const ak_uplink_rows cut = { .rows = last, .bytes = sizeof last, .skipped = 11 };
    fixture f;

    begin(&f, FRESH);
    ck_assert_int_eq(push_rows(f.uplink, 1, 10 * MB + 12), 0);
    ck_assert_int_eq(ak_uplink_push(f.uplink, "moco.queue", 2, &cut), 0);
    ck_assert_int_eq(push_rows(f.uplink, 3, 4 * MB - 1024), 0);
    ck_assert_int_eq(commit(f.uplink, 3), 0);
    ck_assert(f.c.pushes == 3 && f.c.pieces == 11 + 1 + 1 && f.c.skipped == 11);
    ck_assert(f.c.held == 14 * MB - 1024 + 12 + 8 && f.c.wrong == 0);
    ck_assert_int_eq(ak_uplink_push(f.uplink, "moco.queue", 4, &long_one), AKSSL_ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(ak_error_text(), "use a smaller batch or projection"));
    ck_assert_int_eq(ak_uplink_push(f.uplink, "", 4, &none), AKSSL_ERR_INVALID);
    finish(&f);
}
END_TEST

START_TEST(a_whole_is_replaced)
{
    ak_uplink_tensor tensor = { .name = "dino.center", .dims = 2, .shape = { BIG_ROWS, ROW } };
    fixture f;

    begin(&f, FRESH);
    tensor.size = BIG_ROWS * ROW_BYTES;
    tensor.data = malloc(tensor.size);
    for (int64_t version = 0; version < 60; version++) { // more than the queue takes at once
        for (size_t i = 0; i < tensor.size / sizeof(float); i++)
            tensor.data[i] = value_at(i) + (float)version;
        tensor.version = version;
        if (version == 0)
            ck_assert_int_eq(ak_uplink_declare(f.uplink, &tensor), 0);
        else
            ck_assert_int_eq(ak_uplink_replace(f.uplink, &tensor), 0);
    }
    ck_assert_int_eq(push_rows(f.uplink, 1, ROW_BYTES), 0);
    ck_assert_int_eq(commit(f.uplink, 1), 0);
    ck_assert(f.c.heads == 60 && f.c.head_version == 59 && f.c.declared == tensor.size);
    ck_assert(f.c.shape[0] == BIG_ROWS && f.c.shape[1] == ROW);
    ak_uplink_close(f.uplink);
    serve_stop(&f.serve, 3000);
    serve_remove(&f.serve);
    ck_assert_int_eq(memcmp(f.c.data, tensor.data, tensor.size), 0); // it was copied
    free(f.c.data);
    tensor.size -= 4;
    begin(&f, FRESH);
    ck_assert_int_eq(ak_uplink_replace(f.uplink, &tensor), AKSSL_ERR_INVALID);
    finish(&f);
    free(tensor.data);
}
END_TEST

START_TEST(warnings_travel)
{
    const char *warnings[AK_UPLINK_WARNINGS + 2];
    ak_uplink_progress progress = { .step = 3, .warnings = warnings, .warning_count = 2 };
    char longest[2 * AK_UPLINK_WARNING];
    fixture f;

    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    for (int i = 0; i < AK_UPLINK_WARNINGS + 2; i++)
        warnings[i] = i ? longest : "collapse: std 0.001";
    begin(&f, FRESH);
    ak_uplink_report(f.uplink, &progress, NULL, 0);
    for (int i = 0; i < 5000 && f.c.reports < 1; i++)
        usleep(1000);
    ck_assert_int_eq(f.c.warning_count, 2);
    ck_assert_str_eq(f.c.warning[0], "collapse: std 0.001");
    ck_assert_uint_eq(strlen(f.c.warning[1]), AK_UPLINK_WARNING - 1);
    progress.warning_count = AK_UPLINK_WARNINGS + 2;
    ak_uplink_report(f.uplink, &progress, NULL, 0);
    ck_assert_int_eq(ak_uplink_finish(f.uplink, "paused", "collapse: std 0.001", NULL, 0, ""), 0);
    finish(&f);
    ck_assert_int_eq(f.c.warning_count, AK_UPLINK_WARNINGS);
    ck_assert_str_eq(f.c.outcome, "paused");
    ck_assert_str_eq(f.c.reason, "collapse: std 0.001");
}
END_TEST

START_TEST(what_waits_is_dropped_at_close)
{
    int64_t before;
    fixture f;

    begin(&f, SLOW);
    for (int64_t version = 1; version <= 14; version++)
        ck_assert_int_eq(push_rows(f.uplink, version, 4 * MB - 4096), 0);
    before = ak_clock_ns();
    finish(&f);
    ck_assert_int_lt(ak_clock_ns() - before, 10 * 1000000000LL);
}
END_TEST

START_TEST(the_latest_report_wins)
{
    int64_t before = ak_clock_ns(), seconds;
    fixture f;

    begin(&f, FRESH);
    for (int64_t step = 1; step <= 1500; step++) {
        report(f.uplink, step);
        usleep(1000);
    }
    ck_assert_int_eq(ak_uplink_finish(f.uplink, "succeeded", "", NULL, 0, ""), 0);
    seconds = (ak_clock_ns() - before) / 1000000000;
    finish(&f);
    ck_assert_int_ge(f.c.reports, 2);
    ck_assert_int_le(f.c.reports, seconds + 3);
    ck_assert_int_eq(f.c.reported_step, 1500);
}
END_TEST

AK_TEST_MAIN(AK_CASE(a_run_from_the_start), AK_CASE(what_was_declared_is_what_arrives),
             AK_CASE(a_run_that_goes_on), AK_CASE(joins_that_fail),
             AK_CASE(a_stop_lets_the_run_commit), AK_CASE(a_broken_stream_is_told_ever_after),
             AK_CASE(a_coordinator_that_goes_is_noticed),
             AK_CASE(a_failed_commit_keeps_the_sentence),
             AK_CASE(pushes_wait_only_when_the_queue_is_full), AK_CASE(a_long_push_comes_in_pieces),
             AK_CASE(a_whole_is_replaced), AK_CASE(warnings_travel),
             AK_CASE(what_waits_is_dropped_at_close), AK_CASE(the_latest_report_wins))
