// tests/unit/proto/rpc/channel.c -- tests proto/rpc/channel.c against a real server: the server
// answers Show with its id, streams, echoes and hangs as the requests' numbers ask.

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>

#include "proto/base/clock.h"
#include "proto/rpc/channel.h"
#include "tests/unit/proto/rpc/serve.h"

enum { HANG = 1000, MISSING = 404, LATE = 408, FULL_DISK = 507, SILENT = 500, STOPS = 503 };

typedef struct seen {
    atomic_int started, ended, cancelled, received, closed_side;
    atomic_int uid;
    char secret[64];
} seen;

static void show(ak_call *call, int64_t id)
{
    Akssl__V1__Job job = AKSSL__V1__JOB__INIT;

    job.has_id = 1;
    job.id = id;
    if (id == MISSING)
        ak_call_fail(call, AKSSL_ERR_NOT_FOUND, "job 404: no such job");
    else if (id == FULL_DISK)
        ak_call_fail(call, AKSSL_ERR_NO_SPACE, "commit 507: the disk is full: caf\xc3\xa9 100%");
    else if (id == SILENT)
        ak_call_fail(call, AKSSL_ERR_STATE, "");
    else if (id == STOPS)
        ak_call_fail(call, AKSSL_ERR_UNAVAILABLE, "akssld is stopping");
    else if (id == LATE)
        ak_call_fail(call, AKSSL_ERR_DEADLINE, "job 408: no more time");
    else if (id != HANG)
        ak_call_reply(call, &job.base);
}

static void watch(ak_call *call, int64_t id)
{
    for (int64_t i = 0; i < id && id != HANG && id != LATE; i++) {
        Akssl__V1__Job job = AKSSL__V1__JOB__INIT;
        Akssl__V1__Event event = AKSSL__V1__EVENT__INIT;

        job.has_id = 1;
        job.id = i;
        event.job = &job;
        ak_call_send(call, &event.base);
    }
    if (id == MISSING)
        ak_call_fail(call, AKSSL_ERR_NOT_FOUND, "job 404: no such job");
    else if (id == LATE)
        ak_call_fail(call, AKSSL_ERR_DEADLINE, "job 408: no more time");
    else if (id != HANG)
        ak_call_finish(call);
}

static void started(void *ctx, ak_call *call, ak_rpc_id rpc, const ProtobufCMessage *request)
{
    seen *s = ctx;

    s->started++;
    s->uid = (int)ak_call_uid(call);
    snprintf(s->secret, sizeof s->secret, "%s", ak_call_secret(call));
    if (rpc == AK_RPC_show)
        show(call, ((const Akssl__V1__JobRequest *)request)->id);
    else if (rpc == AK_RPC_watch)
        watch(call, ((const Akssl__V1__WatchRequest *)request)->id);
    else if (rpc == AK_RPC_join)
        ck_assert_ptr_null(request);
    else
        ak_call_fail(call, AKSSL_ERR_UNSUPPORTED, "not in this test");
}

static void received(void *ctx, ak_call *call, const ProtobufCMessage *message)
{
    const Akssl__V1__WorkerMessage *m = (const Akssl__V1__WorkerMessage *)message;
    Akssl__V1__CoordinatorMessage answer = AKSSL__V1__COORDINATOR_MESSAGE__INIT;
    Akssl__V1__Ack ack = AKSSL__V1__ACK__INIT;
    seen *s = ctx;

    if (!m) {
        s->closed_side++;
        ak_call_finish(call);
        return;
    }
    s->received++;
    if (m->body_case != AKSSL__V1__WORKER_MESSAGE__BODY_PUSH)
        return;
    if (m->push->version < 0) // the loop stands still
        usleep((useconds_t)(-m->push->version * 1000));
    ack.has_version = 1;
    ack.version = m->push->version;
    answer.body_case = AKSSL__V1__COORDINATOR_MESSAGE__BODY_APPLIED;
    answer.applied = &ack;
    ak_call_send(call, &answer.base);
}

static void ended(void *ctx, ak_call *call, bool cancelled)
{
    seen *s = ctx;

    (void)call;
    s->ended++;
    s->cancelled += cancelled;
}

static const ak_server_events events = { .started = started, .received = received, .ended = ended };

typedef struct fixture {
    serve serve;
    seen seen;
    ak_channel *channel;
} fixture;

static void begin(fixture *f)
{
    memset(f, 0, sizeof *f);
    serve_start(&f->serve, &events, &f->seen);
    ck_assert_int_eq(ak_channel_open(&f->channel, f->serve.address, "s3cret"), 0);
}

static void finish(fixture *f)
{
    ak_channel_close(f->channel);
    serve_stop(&f->serve, 2000);
    serve_remove(&f->serve);
    ck_assert_int_eq(f->seen.started, f->seen.ended);
}

static akssl_status ask(ak_channel *channel, int64_t id, int64_t timeout_ms, int64_t *answer)
{
    Akssl__V1__JobRequest request = AKSSL__V1__JOB_REQUEST__INIT;
    ProtobufCMessage *reply;
    akssl_status rc;

    request.has_id = 1;
    request.id = id;
    rc = ak_channel_call(channel, AK_RPC_show, &request.base, timeout_ms, &reply);
    if (rc < 0)
        return rc;
    *answer = ((Akssl__V1__Job *)reply)->id;
    protobuf_c_message_free_unpacked(reply, NULL);
    return rc;
}

static akssl_status open_watch(ak_stream **stream, ak_channel *channel, int64_t id, int64_t ms)
{
    Akssl__V1__WatchRequest request = AKSSL__V1__WATCH_REQUEST__INIT;

    request.has_id = 1;
    request.id = id;
    return ak_stream_open(stream, channel, AK_RPC_watch, &request.base, ms);
}

static akssl_status push(ak_stream *stream, int64_t version, size_t size)
{
    Akssl__V1__WorkerMessage message = AKSSL__V1__WORKER_MESSAGE__INIT;
    Akssl__V1__RingPush ring = AKSSL__V1__RING_PUSH__INIT;
    akssl_status rc;

    ring.has_version = ring.has_rows = 1;
    ring.version = version;
    ring.rows.len = size;
    ring.rows.data = calloc(1, size + 1);
    message.body_case = AKSSL__V1__WORKER_MESSAGE__BODY_PUSH;
    message.push = &ring;
    rc = ak_stream_send(stream, &message.base);
    free(ring.rows.data);
    return rc;
}

START_TEST(calls_and_answers)
{
    fixture f;
    int64_t id = 0;

    begin(&f);
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(ask(f.channel, i, 10000, &id), 0);
        ck_assert_int_eq(id, i);
    }
    ck_assert_int_eq(f.seen.uid, (int)getuid());
    ck_assert_str_eq(ak_channel_address(f.channel), f.serve.address);
    finish(&f);
    ck_assert_str_eq(f.seen.secret, "s3cret");
    ck_assert_int_eq(f.seen.started, 20);
    ck_assert_int_eq(f.seen.cancelled, 0);
}
END_TEST

START_TEST(a_failure_keeps_status_and_sentence)
{
    fixture f;
    int64_t id;

    begin(&f);
    ck_assert_int_eq(ask(f.channel, MISSING, 10000, &id), AKSSL_ERR_NOT_FOUND);
    ck_assert_str_eq(ak_error_text(), "job 404: no such job");
    ck_assert_int_eq(ask(f.channel, FULL_DISK, 10000, &id), AKSSL_ERR_NO_SPACE);
    ck_assert_str_eq(ak_error_text(), "commit 507: the disk is full: caf\xc3\xa9 100%");
    ck_assert_int_eq(ask(f.channel, SILENT, 10000, &id), AKSSL_ERR_STATE);
    ck_assert_str_eq(ak_error_text(), "no reason was given: see akssld's log");
    finish(&f);
}
END_TEST

// A server that is there and says so is not one that cannot be reached.
START_TEST(an_answer_is_told_from_a_lost_connection)
{
    fixture f;
    int64_t id;

    begin(&f);
    ck_assert_int_eq(ask(f.channel, STOPS, 10000, &id), AKSSL_ERR_UNAVAILABLE);
    ck_assert_str_eq(ak_error_text(), "akssld is stopping");
    ck_assert(ak_error_told());
    ck_assert_int_eq(ask(f.channel, LATE, 10000, &id), AKSSL_ERR_DEADLINE);
    ck_assert(ak_error_told());
    ck_assert_int_eq(ask(f.channel, HANG, 200, &id), AKSSL_ERR_DEADLINE);
    ck_assert(!ak_error_told());
    serve_stop(&f.serve, 0);
    ck_assert_int_eq(ask(f.channel, 1, 10000, &id), AKSSL_ERR_UNAVAILABLE);
    ck_assert(!ak_error_told());
    serve_start(&f.serve, &events, &f.seen);
    finish(&f);
}
END_TEST

START_TEST(a_deadline_ends_the_call_on_both_sides)
{
    fixture f;
    int64_t id, before;

    begin(&f);
    before = ak_clock_ns();
    ck_assert_int_eq(ask(f.channel, HANG, 300, &id), AKSSL_ERR_DEADLINE);
    ck_assert_int_ge(ak_clock_ns() - before, 290 * 1000000LL);
    ck_assert_int_lt(ak_clock_ns() - before, 20 * 1000000000LL);
    finish(&f);
    ck_assert_int_eq(f.seen.cancelled, 1);
}
END_TEST

START_TEST(streams_in_order_to_the_end)
{
    fixture f;
    ak_stream *stream;
    ProtobufCMessage *message;

    begin(&f);
    ck_assert_int_eq(open_watch(&stream, f.channel, 100, 0), 0);
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(ak_stream_receive(stream, 10000, &message), 0);
        ck_assert_int_eq(((Akssl__V1__Event *)message)->job->id, i);
        protobuf_c_message_free_unpacked(message, NULL);
    }
    for (int i = 0; i < 2; i++) { // the end stays the end
        ck_assert_int_eq(ak_stream_receive(stream, 10000, &message), 0);
        ck_assert_ptr_null(message);
    }
    ak_stream_free(stream);
    ck_assert_int_eq(open_watch(&stream, f.channel, MISSING, 0), 0);
    message = NULL;
    for (akssl_status rc = 0; rc == 0;) {
        rc = ak_stream_receive(stream, 10000, &message);
        ck_assert(rc == 0 ? message != NULL : rc == AKSSL_ERR_NOT_FOUND);
        if (rc == 0)
            protobuf_c_message_free_unpacked(message, NULL);
    }
    ck_assert_str_eq(ak_error_text(), "job 404: no such job");
    ak_stream_free(stream);
    finish(&f);
}
END_TEST

// ERR_DEADLINE says that a stream goes on: an end of that name would be waited for without end.
START_TEST(a_stream_that_the_server_ends_for_time_has_ended)
{
    ProtobufCMessage *message;
    ak_stream *stream;
    fixture f;

    begin(&f);
    ck_assert_int_eq(open_watch(&stream, f.channel, LATE, 0), 0);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(ak_stream_receive(stream, 10000, &message), AKSSL_ERR_CANCELLED);
        ck_assert_str_eq(ak_error_text(), "job 408: no more time");
        ck_assert(ak_error_told());
    }
    ak_stream_free(stream);
    finish(&f);
}
END_TEST

START_TEST(a_silent_stream_times_out_and_goes_on)
{
    fixture f;
    ak_stream *stream;
    ProtobufCMessage *message;

    begin(&f);
    ck_assert_int_eq(ak_stream_open(&stream, f.channel, AK_RPC_join, NULL, 0), 0);
    ck_assert_int_eq(ak_stream_receive(stream, 50, &message), AKSSL_ERR_DEADLINE);
    ck_assert_int_eq(ak_stream_receive(stream, 50, &message), AKSSL_ERR_DEADLINE);
    ck_assert_int_eq(push(stream, 7, 10), 0);
    ck_assert_int_eq(ak_stream_receive(stream, 10000, &message), 0);
    ck_assert_int_eq(((Akssl__V1__CoordinatorMessage *)message)->applied->version, 7);
    protobuf_c_message_free_unpacked(message, NULL);
    ck_assert_int_eq(ak_stream_close_send(stream), 0);
    ck_assert_int_eq(ak_stream_receive(stream, 10000, &message), 0);
    ck_assert_ptr_null(message);
    ck_assert_int_lt(push(stream, 8, 10), 0);
    ak_stream_free(stream);
    finish(&f);
    ck_assert_int_eq(f.seen.closed_side, 1);
}
END_TEST

enum { PUSHES = 200 };

static void *push_all(void *stream)
{
    intptr_t failed = 0;

    for (int i = 1; i <= PUSHES; i++)
        failed += push(stream, i, 100000) != 0;
    failed += ak_stream_close_send(stream) != 0;
    return (void *)failed;
}

START_TEST(one_thread_sends_while_another_receives)
{
    fixture f;
    ak_stream *stream;
    ProtobufCMessage *message;
    pthread_t sender;
    void *failed;

    begin(&f);
    ck_assert_int_eq(ak_stream_open(&stream, f.channel, AK_RPC_join, NULL, 0), 0);
    ck_assert_int_eq(pthread_create(&sender, NULL, push_all, stream), 0);
    for (int i = 1; i <= PUSHES; i++) {
        ck_assert_int_eq(ak_stream_receive(stream, 20000, &message), 0);
        ck_assert_int_eq(((Akssl__V1__CoordinatorMessage *)message)->applied->version, i);
        protobuf_c_message_free_unpacked(message, NULL);
    }
    ck_assert_int_eq(ak_stream_receive(stream, 20000, &message), 0);
    ck_assert_ptr_null(message);
    pthread_join(sender, &failed);
    ck_assert_ptr_null(failed);
    ak_stream_free(stream);
    finish(&f);
    ck_assert_int_eq(f.seen.received, PUSHES);
}
END_TEST

static void *cancel_soon(void *stream)
{
    usleep(100000);
    ak_stream_cancel(stream);
    return NULL;
}

START_TEST(another_thread_cancels)
{
    fixture f;
    ak_stream *stream;
    ProtobufCMessage *message;
    pthread_t canceller;

    begin(&f);
    ck_assert_int_eq(open_watch(&stream, f.channel, HANG, 0), 0);
    ck_assert_int_eq(pthread_create(&canceller, NULL, cancel_soon, stream), 0);
    ck_assert_int_eq(ak_stream_receive(stream, 0, &message), AKSSL_ERR_CANCELLED);
    pthread_join(canceller, NULL);
    ck_assert_int_lt(push(stream, 1, 1), 0);
    ak_stream_free(stream);

    ck_assert_int_eq(open_watch(&stream, f.channel, HANG, 200), 0); // its own time is up
    ck_assert_int_eq(ak_stream_receive(stream, 0, &message), AKSSL_ERR_CANCELLED);
    ck_assert_int_eq(ak_stream_receive(stream, 0, &message), AKSSL_ERR_CANCELLED);
    ak_stream_free(stream);

    ck_assert_int_eq(open_watch(&stream, f.channel, HANG, 0), 0); // freed while open
    while (f.seen.started < 3)
        usleep(1000);
    ak_stream_free(stream);
    finish(&f);
    ck_assert_int_eq(f.seen.cancelled, 3);
}
END_TEST

START_TEST(a_send_loses_patience)
{
    fixture f;
    ak_stream *stream;
    ProtobufCMessage *message;
    int64_t before = ak_clock_ns();
    akssl_status rc = AKSSL_OK;

    begin(&f);
    ck_assert_int_eq(ak_stream_open(&stream, f.channel, AK_RPC_join, NULL, 0), 0);
    ck_assert_int_eq(push(stream, -4000, 1), 0);
    ak_stream_set_patience(stream, 300);
    for (int i = 0; i < 20 && rc == AKSSL_OK; i++)
        rc = push(stream, 1, 3 << 20);
    ck_assert_int_eq(rc, AKSSL_ERR_UNAVAILABLE);
    ck_assert_msg(strstr(ak_error_text(), "has taken nothing for 300 ms") != NULL, "%s",
                  ak_error_text());
    ck_assert_int_lt(ak_clock_ns() - before, 3 * 1000000000LL);
    while ((rc = ak_stream_receive(stream, 0, &message)) == AKSSL_OK && message)
        protobuf_c_message_free_unpacked(message, NULL);
    ck_assert_int_eq(rc, AKSSL_ERR_UNAVAILABLE); // nobody has cancelled it
    ak_stream_free(stream);
    finish(&f);
}
END_TEST

typedef struct caller {
    pthread_t thread;
    ak_channel *channel;
    int64_t base;
    int wrong;
} caller;

static void *call_often(void *arg)
{
    caller *c = arg;

    for (int64_t i = c->base; i < c->base + 50; i++) {
        int64_t id = -1;

        c->wrong += ask(c->channel, i, 20000, &id) != 0 || id != i;
    }
    return NULL;
}

START_TEST(many_threads_share_a_channel)
{
    caller callers[12];
    fixture f;

    begin(&f);
    for (int i = 0; i < 12; i++) {
        callers[i] = (caller){ .channel = f.channel, .base = 10000 + 100 * i };
        ck_assert_int_eq(pthread_create(&callers[i].thread, NULL, call_often, &callers[i]), 0);
    }
    for (int i = 0; i < 12; i++) {
        pthread_join(callers[i].thread, NULL);
        ck_assert_int_eq(callers[i].wrong, 0);
    }
    finish(&f);
    ck_assert_int_eq(f.seen.started, 600);
}
END_TEST

START_TEST(nobody_listens)
{
    ak_channel *channel;
    ak_stream *stream;
    int64_t id;

    ck_assert_int_eq(ak_channel_open(&channel, "unix:/nonexistent/akssl/socket", NULL), 0);
    ck_assert_int_eq(ask(channel, 1, 10000, &id), AKSSL_ERR_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(ak_error_text(), "unix:/nonexistent/akssl/socket"));
    ck_assert_ptr_nonnull(strstr(ak_error_text(), "No such file"));
    ck_assert_int_eq(open_watch(&stream, channel, 1, 10000), AKSSL_ERR_UNAVAILABLE);
    ak_channel_close(channel);
    ak_channel_close(NULL);
    ak_stream_free(NULL);
}
END_TEST

START_TEST(a_server_that_comes_back_is_found)
{
    fixture f;
    ak_stream *stream;
    ProtobufCMessage *message;
    int64_t id;

    begin(&f);
    ck_assert_int_eq(ask(f.channel, 1, 10000, &id), 0);
    ck_assert_int_eq(ak_channel_revive(f.channel, 1), 0);
    ck_assert_int_eq(open_watch(&stream, f.channel, HANG, 0), 0);
    serve_stop(&f.serve, 100);
    ck_assert_int_eq(ak_stream_receive(stream, 10000, &message), AKSSL_ERR_UNAVAILABLE);
    ak_stream_free(stream);
    ck_assert_int_eq(ask(f.channel, 1, 10000, &id), AKSSL_ERR_UNAVAILABLE);
    ck_assert_int_eq(ask(f.channel, 1, 10000, &id), AKSSL_ERR_UNAVAILABLE);
    ck_assert_int_eq(ak_channel_revive(f.channel, 300), AKSSL_ERR_UNAVAILABLE);
    serve_start(&f.serve, &events, &f.seen);
    ck_assert_int_eq(ak_channel_revive(f.channel, 10000), 0);
    ck_assert_int_eq(ask(f.channel, 5, 10000, &id), 0);
    ck_assert_int_eq(id, 5);
    finish(&f);
}
END_TEST

START_TEST(addresses)
{
    static const char *const bad[] = {
        "",      "unix:",           "localhost:", "::1:5", "dns:///a:1",     "http://a/b",
        "[::1]", "host:99999",      "host:-1",    ":7443", "plaintext:host", "[]:5",
        "a:5b",  "plaintext:a:b:1", "host:7443/x"
    };
    char longest[200], where[4096];
    ak_channel *channel;
    fixture f;
    int64_t id;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_int_eq(ak_channel_open(&channel, bad[i], NULL), AKSSL_ERR_INVALID);
        ck_assert_msg(strstr(ak_error_text(), "unix:/path") || strstr(ak_error_text(), "HOST:PORT"),
                      "%s: %s", bad[i], ak_error_text());
    }
    memset(longest, 'a', sizeof longest - 1);
    longest[0] = '/';
    longest[sizeof longest - 1] = '\0';
    ck_assert_int_eq(ak_channel_open(&channel, longest, NULL), AKSSL_ERR_INVALID);
    ck_assert_int_eq(ak_channel_open(&channel, "/x", "two words"), AKSSL_ERR_INVALID);
    ck_assert_int_eq(ak_channel_open(&channel, "/x", ""), AKSSL_ERR_INVALID);

    memset(&f, 0, sizeof f); // relative, and with characters that a URI must escape
    serve_folder(&f.serve);
    snprintf(f.serve.path, sizeof f.serve.path, "%s/a b%%41#?caf\xc3\xa9", f.serve.folder);
    serve_start(&f.serve, &events, &f.seen);
    ck_assert_ptr_nonnull(getcwd(where, sizeof where));
    ck_assert_int_eq(chdir(f.serve.folder), 0);
    ck_assert_int_eq(ak_channel_open(&f.channel, "a b%41#?caf\xc3\xa9", NULL), 0);
    ck_assert_int_eq(chdir(where), 0);
    ck_assert_int_eq(ask(f.channel, 3, 10000, &id), 0);
    finish(&f);
    ck_assert_str_eq(f.seen.secret, "");
}
END_TEST

START_TEST(too_large_a_message_is_not_sent)
{
    fixture f;
    ak_stream *stream;

    begin(&f);
    ck_assert_int_eq(ak_stream_open(&stream, f.channel, AK_RPC_join, NULL, 0), 0);
    ck_assert_int_eq(push(stream, 1, AK_RPC_MAX_MESSAGE), AKSSL_ERR_LIMIT);
    ck_assert_int_eq(push(stream, 1, AK_RPC_MAX_MESSAGE - 100), 0);
    ak_stream_free(stream);
    finish(&f);
}
END_TEST

AK_TEST_MAIN(AK_CASE(calls_and_answers), AK_CASE(a_failure_keeps_status_and_sentence),
             AK_CASE(an_answer_is_told_from_a_lost_connection),
             AK_CASE(a_deadline_ends_the_call_on_both_sides), AK_CASE(streams_in_order_to_the_end),
             AK_CASE(a_stream_that_the_server_ends_for_time_has_ended),
             AK_CASE(a_silent_stream_times_out_and_goes_on),
             AK_CASE(one_thread_sends_while_another_receives), AK_CASE(another_thread_cancels),
             AK_CASE(a_send_loses_patience), AK_CASE(many_threads_share_a_channel),
             AK_CASE(nobody_listens), AK_CASE(a_server_that_comes_back_is_found),
             AK_CASE(addresses), AK_CASE(too_large_a_message_is_not_sent))
