// tests/unit/proto/rpc/server.c -- tests proto/rpc/{server,call,listener}.c: back-pressure, callers
// that vanish or send rubbish, limits, and the orderly end.

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "proto/base/clock.h"
#include "proto/rpc/channel.h"
#include "tests/unit/proto/rpc/raw.h"
#include "tests/unit/proto/rpc/serve.h"

enum { HANG = 1000 };

// Logs answers with id chunks of a megabyte, held back when the stream is full; Show answers,
// Watch hangs, Join takes what comes.
typedef struct seen {
    atomic_int started, ended, cancelled, received, drained, sent;
    int left; // chunks, loop thread only
} seen;

static void send_chunks(seen *s, ak_call *call)
{
    static uint8_t bytes[AK_RPC_CHUNK];
    Akssl__V1__Chunk chunk = AKSSL__V1__CHUNK__INIT;
    bool full = false;

    chunk.has_data = 1;
    chunk.data.data = bytes;
    chunk.data.len = sizeof bytes;
    for (; s->left > 0 && !full; s->left--, s->sent++)
        full = ak_call_send(call, &chunk.base);
    if (s->left == 0)
        ak_call_finish(call);
}

static void started(void *ctx, ak_call *call, ak_rpc_id rpc, const ProtobufCMessage *request)
{
    Akssl__V1__Job job = AKSSL__V1__JOB__INIT;
    seen *s = ctx;

    s->started++;
    ak_call_set_user(call, s);
    ck_assert_int_eq(ak_call_rpc(call), rpc);
    if (rpc == AK_RPC_logs) {
        s->left = (int)((const Akssl__V1__LogsRequest *)request)->id;
        send_chunks(s, call);
    } else if (rpc == AK_RPC_show && ((const Akssl__V1__JobRequest *)request)->id != HANG) {
        ak_call_reply(call, &job.base);
    }
}

static void received(void *ctx, ak_call *call, const ProtobufCMessage *message)
{
    seen *s = ctx;

    s->received += message != NULL;
    if (!message)
        ak_call_finish(call);
}

static void drained(void *ctx, ak_call *call)
{
    seen *s = ctx;

    ck_assert_ptr_eq(ak_call_user(call), s);
    s->drained++;
    send_chunks(s, call);
}

static void ended(void *ctx, ak_call *call, bool cancelled)
{
    seen *s = ctx;

    ck_assert_ptr_eq(ak_call_user(call), s);
    s->ended++;
    s->cancelled += cancelled;
}

static const ak_server_events events = {
    .started = started, .received = received, .drained = drained, .ended = ended
};

typedef struct fixture {
    serve serve;
    seen seen;
} fixture;

static void begin(fixture *f)
{
    memset(f, 0, sizeof *f);
    serve_start(&f->serve, &events, &f->seen);
}

static void finish(fixture *f)
{
    serve_stop(&f->serve, 3000);
    serve_remove(&f->serve);
    ck_assert_int_eq(f->seen.started, f->seen.ended);
}

static void wait_for(atomic_int *value, int target)
{
    for (int i = 0; i < 20000 && *value < target; i++)
        usleep(1000);
    ck_assert_int_ge(*value, target);
}

static akssl_status show(const char *address, int64_t id, int64_t timeout_ms)
{
    Akssl__V1__JobRequest request = AKSSL__V1__JOB_REQUEST__INIT;
    ProtobufCMessage *reply;
    ak_channel *channel;
    akssl_status rc = ak_channel_open(&channel, address, NULL);

    ck_assert_int_eq(rc, 0);
    request.has_id = 1;
    request.id = id;
    rc = ak_channel_call(channel, AK_RPC_show, &request.base, timeout_ms, &reply);
    if (rc == 0)
        protobuf_c_message_free_unpacked(reply, NULL);
    ak_channel_close(channel);
    return rc;
}

static ak_stream *open_logs(ak_channel *channel, int64_t chunks)
{
    Akssl__V1__LogsRequest request = AKSSL__V1__LOGS_REQUEST__INIT;
    ak_stream *stream;

    request.has_id = 1;
    request.id = chunks;
    ck_assert_int_eq(ak_stream_open(&stream, channel, AK_RPC_logs, &request.base, 0), 0);
    return stream;
}

static ak_stream *open_hanging(ak_channel *channel)
{
    Akssl__V1__WatchRequest request = AKSSL__V1__WATCH_REQUEST__INIT;
    ak_stream *stream;

    ck_assert_int_eq(ak_stream_open(&stream, channel, AK_RPC_watch, &request.base, 0), 0);
    return stream;
}

START_TEST(a_slow_reader_holds_the_sender_back)
{
    enum { CHUNKS = 100 };
    ProtobufCMessage *message;
    ak_channel *channel;
    ak_stream *stream;
    fixture f;
    int got = 0;

    begin(&f);
    ck_assert_int_eq(ak_channel_open(&channel, f.serve.address, NULL), 0);
    stream = open_logs(channel, CHUNKS);
    wait_for(&f.seen.sent, 8);
    usleep(300000); // nobody reads: it goes no further than its limit and what the wire holds
    ck_assert_int_lt(f.seen.sent, 40);
    for (;; got++) {
        ck_assert_int_eq(ak_stream_receive(stream, 20000, &message), 0);
        if (!message)
            break;
        ck_assert_uint_eq(((Akssl__V1__Chunk *)message)->data.len, AK_RPC_CHUNK);
        protobuf_c_message_free_unpacked(message, NULL);
    }
    ck_assert_int_eq(got, CHUNKS);
    ck_assert_int_ge(f.seen.drained, 2);
    ak_stream_free(stream);
    ak_channel_close(channel);
    finish(&f);
    ck_assert_int_eq(f.seen.cancelled, 0);
}
END_TEST

START_TEST(a_reader_that_gives_up_leaves_nothing)
{
    ProtobufCMessage *message;
    ak_channel *channel;
    ak_stream *stream;
    fixture f;

    begin(&f);
    ck_assert_int_eq(ak_channel_open(&channel, f.serve.address, NULL), 0);
    stream = open_logs(channel, 100);
    ck_assert_int_eq(ak_stream_receive(stream, 20000, &message), 0);
    protobuf_c_message_free_unpacked(message, NULL);
    ak_stream_free(stream);
    wait_for(&f.seen.ended, 1);
    ck_assert_int_eq(f.seen.cancelled, 1);
    ak_channel_close(channel);
    finish(&f);
}
END_TEST

// A process of its own, forked before gRPC starts here; it dies in mid-stream.
static pid_t fork_victim(int *go, const char *address)
{
    int pipes[2];
    pid_t pid;

    ck_assert_int_eq(pipe(pipes), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid > 0) {
        close(pipes[0]);
        *go = pipes[1];
        return pid;
    }
    {
        ProtobufCMessage *message;
        ak_channel *channel;
        ak_stream *logs, *join;
        char byte;

        close(pipes[1]);
        if (read(pipes[0], &byte, 1) != 1 || ak_channel_open(&channel, address, NULL) < 0 ||
            ak_stream_open(&join, channel, AK_RPC_join, NULL, 0) < 0)
            _exit(1);
        logs = open_logs(channel, 100);
        if (ak_stream_receive(logs, 20000, &message) < 0)
            _exit(1);
        kill(getpid(), SIGKILL);
        _exit(1);
    }
}

START_TEST(a_killed_caller_leaves_nothing)
{
    int status = 0, go = -1;
    pid_t victim;
    fixture f;

    memset(&f, 0, sizeof f);
    serve_folder(&f.serve);
    victim = fork_victim(&go, f.serve.address);
    serve_start(&f.serve, &events, &f.seen);
    ck_assert_int_eq(write(go, "g", 1), 1);
    close(go);
    ck_assert_int_eq(waitpid(victim, &status, 0), victim);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    wait_for(&f.seen.ended, 2);
    ck_assert_int_eq(f.seen.cancelled, 2);
    ck_assert_int_eq(show(f.serve.address, 1, 10000), 0);
    finish(&f);
}
END_TEST

START_TEST(rubbish_is_answered_with_a_sentence)
{
    static const uint8_t rubbish[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f };
    static const uint8_t cut[] = { 0x0a, 0x50, 'x' };
    raw_answer answer;
    fixture f;

    begin(&f);
    answer = raw_call(f.serve.address, "/akssl.v1.Lab/Show", rubbish, sizeof rubbish);
    ck_assert_int_eq(answer.code, GRPC_STATUS_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(answer.sentence, "akssl.v1.JobRequest"));
    answer = raw_call(f.serve.address, "/akssl.v1.Lab/Submit", cut, sizeof cut);
    ck_assert_int_eq(answer.code, GRPC_STATUS_INVALID_ARGUMENT);
    answer = raw_call(f.serve.address, "/akssl.v1.Lab/Watch", rubbish, sizeof rubbish);
    ck_assert_int_eq(answer.code, GRPC_STATUS_INVALID_ARGUMENT);
    answer = raw_call(f.serve.address, "/akssl.v1.Lab/Show", NULL, 0);
    ck_assert_int_eq(answer.code, GRPC_STATUS_INVALID_ARGUMENT);
    ck_assert_int_eq(f.seen.started, 0); // no handler has seen any of it
    answer = raw_call(f.serve.address, "/akssl.v1.Run/Join", rubbish, sizeof rubbish);
    ck_assert_int_eq(answer.code, GRPC_STATUS_INVALID_ARGUMENT);
    ck_assert_int_eq(f.seen.received, 0);
    ck_assert_int_eq(show(f.serve.address, 1, 10000), 0);
    finish(&f);
}
END_TEST

START_TEST(oversized_and_unknown_calls_are_refused)
{
    char *large = calloc(1, AK_RPC_MAX_MESSAGE + 1);
    raw_answer answer;
    fixture f;

    begin(&f);
    answer = raw_call(f.serve.address, "/akssl.v1.Lab/Show", large, AK_RPC_MAX_MESSAGE + 1);
    ck_assert_int_eq(answer.code, GRPC_STATUS_RESOURCE_EXHAUSTED);
    answer = raw_call(f.serve.address, "/akssl.v1.Run/Join", large, AK_RPC_MAX_MESSAGE + 1);
    ck_assert_int_eq(answer.code, GRPC_STATUS_RESOURCE_EXHAUSTED);
    answer = raw_call(f.serve.address, "/akssl.v1.Lab/Sing", "", 0);
    ck_assert_int_eq(answer.code, GRPC_STATUS_UNIMPLEMENTED);
    ck_assert_ptr_nonnull(strstr(answer.sentence, "/akssl.v1.Lab/Sing"));
    ck_assert_int_eq(show(f.serve.address, 1, 10000), 0);
    finish(&f);
    free(large);
}
END_TEST

static int connect_raw(const char *path)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_ge(fd, 0);
    memcpy(to.sun_path, path, strlen(path) + 1);
    ck_assert_msg(connect(fd, (struct sockaddr *)&to, sizeof to) == 0, "%s", strerror(errno));
    return fd;
}

// The server says something first (its HTTP/2 settings), or closes at once.
static bool is_served(int fd)
{
    char bytes[256];

    return recv(fd, bytes, sizeof bytes, 0) > 0;
}

START_TEST(bytes_that_are_no_http2_are_dropped)
{
    fixture f;

    begin(&f);
    for (int i = 0; i < 20; i++) {
        int fd = connect_raw(f.serve.path);

        ck_assert(send(fd, "GET / HTTP/1.1\r\n\r\n\xff\x00", 20, MSG_NOSIGNAL) == 20);
        if (i % 2)
            while (is_served(fd)) // until the server hangs up
                continue;
        close(fd);
    }
    ck_assert_int_eq(show(f.serve.address, 1, 10000), 0);
    finish(&f);
}
END_TEST

START_TEST(connections_are_bounded)
{
    enum { MOST = 1024 };
    struct rlimit limit = { 3 * MOST, 3 * MOST };
    int fds[MOST], extra;
    fixture f;

    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    begin(&f);
    for (int i = 0; i < MOST; i++) {
        fds[i] = connect_raw(f.serve.path);
        ck_assert(is_served(fds[i]));
    }
    extra = connect_raw(f.serve.path);
    ck_assert(!is_served(extra));
    close(extra);
    ck_assert_int_eq(show(f.serve.address, 1, 10000), AKSSL_ERR_UNAVAILABLE);
    for (int i = 0; i < MOST; i++)
        close(fds[i]);
    for (int i = 0; i < 200 && show(f.serve.address, 1, 10000) < 0; i++)
        usleep(10000);
    ck_assert_int_eq(show(f.serve.address, 1, 10000), 0);
    finish(&f);
}
END_TEST

START_TEST(descriptor_numbers_come_round_again)
{
    struct rlimit limit = { 128, 128 };
    fixture f;

    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    begin(&f);
    for (int i = 0; i < 200; i++)
        ck_assert_msg(show(f.serve.address, 1, 10000) == 0, "call %d: %s", i, ak_error_text());
    finish(&f);
    ck_assert_int_eq(f.seen.started, 200);
}
END_TEST

START_TEST(the_end_waits_then_cancels)
{
    ProtobufCMessage *message;
    ak_channel *channel;
    ak_stream *stream;
    int64_t before;
    fixture f;

    begin(&f);
    ck_assert_int_eq(ak_channel_open(&channel, f.serve.address, NULL), 0);
    stream = open_hanging(channel);
    wait_for(&f.seen.started, 1);
    before = ak_clock_ns();
    serve_stop(&f.serve, 300);
    ck_assert_int_ge(ak_clock_ns() - before, 290 * 1000000LL);
    ck_assert_int_lt(ak_clock_ns() - before, 20 * 1000000000LL);
    ck_assert_int_eq(f.seen.ended, 1);
    ck_assert_int_eq(f.seen.cancelled, 1);
    ck_assert_int_eq(ak_stream_receive(stream, 10000, &message), AKSSL_ERR_UNAVAILABLE);
    ak_stream_free(stream);
    ak_channel_close(channel);
    serve_remove(&f.serve);
}
END_TEST

START_TEST(an_idle_end_is_quick)
{
    int64_t before;
    fixture f;

    begin(&f);
    ck_assert_int_eq(show(f.serve.address, 1, 10000), 0);
    before = ak_clock_ns();
    serve_stop(&f.serve, 60000);
    ck_assert_int_lt(ak_clock_ns() - before, 30 * 1000000000LL);
    serve_remove(&f.serve);
}
END_TEST

START_TEST(the_socket_file)
{
    char long_path[300];
    struct stat mode;
    ak_server *server;
    uv_loop_t loop;
    fixture f;
    FILE *file;

    memset(&f, 0, sizeof f);
    serve_folder(&f.serve);
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    memset(long_path, 'a', sizeof long_path - 1);
    long_path[sizeof long_path - 1] = '\0';
    ck_assert_int_eq(ak_server_open(&server, &loop, long_path, &events, NULL), AKSSL_ERR_INVALID);
    ck_assert_int_eq(ak_server_open(&server, &loop, "", &events, NULL), AKSSL_ERR_INVALID);
    ck_assert_int_eq(ak_server_open(&server, &loop, "/nonexistent/socket", &events, NULL),
                     AKSSL_ERR_NOT_FOUND);
    file = fopen(f.serve.path, "w");
    ck_assert_ptr_nonnull(file);
    fclose(file);
    ck_assert_int_eq(ak_server_open(&server, &loop, f.serve.path, &events, NULL), AKSSL_ERR_EXISTS);
    ck_assert_int_eq(unlink(f.serve.path), 0);
    ck_assert_int_eq(uv_loop_close(&loop), 0);

    { // a stale one, as a killed daemon leaves it
        struct sockaddr_un at = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);

        memcpy(at.sun_path, f.serve.path, strlen(f.serve.path) + 1);
        ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
        close(fd);
    }
    serve_start(&f.serve, &events, &f.seen);
    ck_assert_int_eq(lstat(f.serve.path, &mode), 0);
    ck_assert_int_eq(mode.st_mode & 07777, 0600);
    ck_assert_int_eq(show(f.serve.address, 1, 10000), 0);
    finish(&f);
}
END_TEST

AK_TEST_MAIN(AK_CASE(a_slow_reader_holds_the_sender_back),
             AK_CASE(a_reader_that_gives_up_leaves_nothing),
             AK_CASE(a_killed_caller_leaves_nothing), AK_CASE(rubbish_is_answered_with_a_sentence),
             AK_CASE(oversized_and_unknown_calls_are_refused),
             AK_CASE(bytes_that_are_no_http2_are_dropped), AK_CASE(connections_are_bounded),
             AK_CASE(descriptor_numbers_come_round_again), AK_CASE(the_end_waits_then_cancels),
             AK_CASE(an_idle_end_is_quick), AK_CASE(the_socket_file))
