// tests/unit/proto/rpc/gate.c -- the server on TCP: TLS, and callers who mean no good.

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <openssl/ssl.h>

#include "proto/base/clock.h"
#include "proto/rpc/channel.h"
#include "proto/rpc/gate.h"
#include "tests/unit/proto/rpc/raw.h"
#include "tests/unit/proto/rpc/serve.h"

// The certificate is made by OpenSSL's own program: akssld's maker is tested where it is.
static void make_certificate(const char *folder)
{
    char command[1024];

    snprintf(command, sizeof command,
             "umask 077; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
             "-keyout %s/key -out %s/crt -days 2 -subj /CN=test "
             "-addext subjectAltName=DNS:localhost,IP:127.0.0.1 2>/dev/null",
             folder, folder);
    ck_assert_int_eq(system(command), 0);
}

typedef struct fixture {
    serve serve;
    char crt[96], key[96], address[64];
    ak_tls tls;
    int port;
    _Atomic int started;
} fixture;

// Watch sends for as long as it is taken; everything else is answered.
static void fill(ak_call *call)
{
    static uint8_t bytes[1 << 18];
    Akssl__V1__Chunk chunk = AKSSL__V1__CHUNK__INIT;

    chunk.has_data = 1;
    chunk.data = (ProtobufCBinaryData){ sizeof bytes, bytes };
    while (!ak_call_send(call, &chunk.base))
        continue;
}

static void started(void *ctx, ak_call *call, ak_rpc_id rpc, const ProtobufCMessage *request)
{
    fixture *f = ctx;
    Akssl__V1__Job job = AKSSL__V1__JOB__INIT;

    (void)request;
    f->started++;
    if (rpc == AK_RPC_logs) {
        fill(call);
        return;
    }
    ck_assert_int_eq((int)ak_call_uid(call), -1);
    ck_assert_int_eq(strncmp(ak_call_peer(call), "127.0.0.1:", 10), 0);
    job.reason = (char *)ak_call_token(call);
    if (job.reason[0])
        ak_call_vouch(call);
    ak_call_reply(call, &job.base);
}

static void drained(void *ctx, ak_call *call)
{
    (void)ctx;
    fill(call);
}

static const ak_server_events events = { .started = started, .drained = drained };

static void begin_with(fixture *f, int64_t patience_ms)
{
    struct rlimit limit = { 8192, 8192 };

    signal(SIGPIPE, SIG_IGN);
    memset(f, 0, sizeof *f);
    f->serve.patience_ms = patience_ms;
    setrlimit(RLIMIT_NOFILE, &limit);
    serve_folder(&f->serve);
    make_certificate(f->serve.folder);
    snprintf(f->crt, sizeof f->crt, "%s/crt", f->serve.folder);
    snprintf(f->key, sizeof f->key, "%s/key", f->serve.folder);
    f->tls = (ak_tls){ NULL, f->crt, f->key, false };
    f->serve.listen = "127.0.0.1:0";
    f->serve.tls = &f->tls;
    serve_start(&f->serve, &events, f);
    f->port = ak_server_port(f->serve.server);
    ck_assert_int_gt(f->port, 0);
    snprintf(f->address, sizeof f->address, "127.0.0.1:%d", f->port);
}

static void begin(fixture *f)
{
    begin_with(f, 0);
}

static void finish(fixture *f)
{
    serve_stop(&f->serve, 500);
    unlink(f->crt);
    unlink(f->key);
    serve_remove(&f->serve);
}

static akssl_status ask(const fixture *f, const char *ca, const char *token)
{
    Akssl__V1__JobRequest request = AKSSL__V1__JOB_REQUEST__INIT;
    ProtobufCMessage *reply = NULL;
    ak_channel *channel;
    akssl_status rc = ak_channel_open_with(
        &channel,
        &(ak_channel_options){ .address = f->address, .token = token, .tls = { .ca = ca } });

    ck_assert_msg(rc == 0, "%s", ak_error_text());
    rc = ak_channel_call(channel, AK_RPC_show, &request.base, 20000, &reply);
    if (rc == 0) {
        ck_assert_str_eq(((Akssl__V1__Job *)reply)->reason, token ? token : "");
        protobuf_c_message_free_unpacked(reply, NULL);
    }
    ak_channel_close(channel);
    return rc;
}

static akssl_status open_with(const char *ca, const char *certificate, const char *key)
{
    ak_channel *channel = NULL;
    akssl_status rc = ak_channel_open_with(
        &channel,
        &(ak_channel_options){ .address = "127.0.0.1:1", .tls = { ca, certificate, key, false } });

    ak_channel_close(channel);
    return rc;
}

// Nobody is called with what cannot be: gRPC would tell of an empty list of addresses.
START_TEST(a_callers_files_are_checked)
{
    static const char torn[] = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    char folder[] = "/tmp/akssl-gate-XXXXXX", crt[64], key[64], bad[64], command[256];
    FILE *file;

    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(crt, sizeof crt, "%s/crt", folder);
    snprintf(key, sizeof key, "%s/key", folder);
    snprintf(bad, sizeof bad, "%s/bad", folder);
    make_certificate(folder);
    file = fopen(bad, "w");
    ck_assert(file && fputs(torn, file) >= 0 && fclose(file) == 0 && chmod(bad, 0600) == 0);
    ck_assert_int_eq(open_with(crt, crt, key), 0);
    ck_assert_int_eq(open_with(crt, NULL, NULL), 0);
    ck_assert_int_eq(open_with(bad, NULL, NULL), AKSSL_ERR_INVALID);
    ck_assert_msg(strstr(ak_error_text(), bad) && !strstr(ak_error_text(), "(null)"), "%s",
                  ak_error_text());
    ck_assert_int_eq(open_with(key, NULL, NULL), AKSSL_ERR_INVALID);
    ck_assert_int_eq(open_with(crt, bad, key), AKSSL_ERR_INVALID);
    ck_assert_int_eq(open_with(crt, crt, bad), AKSSL_ERR_INVALID);
    ck_assert_int_eq(rename(key, bad), 0);
    make_certificate(folder);
    ck_assert_int_eq(open_with(crt, crt, bad), AKSSL_ERR_INVALID); // another's key
    ck_assert_msg(strstr(ak_error_text(), "do not fit") != NULL, "%s", ak_error_text());
    snprintf(command, sizeof command, "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

static int connect_tcp(const fixture *f)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)f->port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    ck_assert_msg(connect(fd, (struct sockaddr *)&to, sizeof to) == 0, "%s", strerror(errno));
    return fd;
}

// hung_up says whether the other end closes fd in time.
static bool hung_up(int fd, int64_t limit_ns)
{
    char bytes[4096];

    for (;;) {
        struct pollfd p = { fd, POLLIN, 0 };
        int64_t left = (limit_ns - ak_clock_ns()) / 1000000;

        if (left <= 0 || poll(&p, 1, (int)left) == 0)
            return false;
        if (recv(fd, bytes, sizeof bytes, 0) <= 0)
            return true;
    }
}

static SSL *shake(int fd, SSL_CTX *ctx, const char *protocol)
{
    SSL *ssl = SSL_new(ctx);

    if (protocol)
        SSL_set_alpn_protos(ssl, (const unsigned char *)protocol, (unsigned)strlen(protocol));
    SSL_set_fd(ssl, fd);
    if (SSL_connect(ssl) == 1)
        return ssl;
    SSL_free(ssl);
    return NULL;
}

START_TEST(a_call_by_tls)
{
    fixture f;

    begin(&f);
    ck_assert_int_eq(ask(&f, f.crt, "a-token"), 0);
    ck_assert_int_eq(ask(&f, f.crt, NULL), 0);
    ck_assert_int_eq(ask(&f, NULL, "a-token"),
                     AKSSL_ERR_UNAVAILABLE); // whoever it is, it is not told
    ck_assert_ptr_nonnull(strstr(ak_error_text(), "--ca"));
    ck_assert_int_eq(f.started, 2);
    finish(&f);
}
END_TEST

START_TEST(other_protocols_are_dropped)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    int64_t soon;
    fixture f;
    int fd;

    begin(&f);
    soon = ak_clock_ns() + (int64_t)5 * 1000000000;
    fd = connect_tcp(&f); // HTTP/2 without TLS
    ck_assert(send(fd, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24, MSG_NOSIGNAL) == 24);
    ck_assert(hung_up(fd, soon));
    close(fd);
    fd = connect_tcp(&f); // another protocol within TLS
    ck_assert_ptr_null(shake(fd, ctx, "\x08http/1.1"));
    close(fd);
    SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
    fd = connect_tcp(&f);
    ck_assert_ptr_null(shake(fd, ctx, "\x02h2"));
    close(fd);
    ck_assert_int_eq(ask(&f, f.crt, NULL), 0);
    SSL_CTX_free(ctx);
    finish(&f);
}
END_TEST

// Strangers who say nothing, half of a handshake, or nothing after it, are shown out in time, and
// keep nobody from coming in.
START_TEST(strangers_are_shown_out)
{
    enum { EACH = 40 };
    int silent[EACH], halves[EACH], idle_fd;
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    int64_t begun;
    fixture f;
    SSL *idle;

    begin(&f);
    begun = ak_clock_ns();
    for (int i = 0; i < EACH; i++) {
        silent[i] = connect_tcp(&f);
        halves[i] = connect_tcp(&f);
        ck_assert(send(halves[i], "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11,
                       MSG_NOSIGNAL) == 11);
    }
    idle_fd = connect_tcp(&f);
    idle = shake(idle_fd, ctx, "\x02h2");
    ck_assert_ptr_nonnull(idle);
    ck_assert_int_eq(ask(&f, f.crt, "a-token"), 0);
    for (int i = 0; i < EACH; i++) {
        ck_assert(hung_up(silent[i], begun + (int64_t)20 * 1000000000));
        ck_assert(hung_up(halves[i], begun + (int64_t)20 * 1000000000));
        close(silent[i]);
        close(halves[i]);
    }
    ck_assert(ak_clock_ns() - begun > (int64_t)AK_GATE_HANDSHAKE_MS * 900000);
    ck_assert(hung_up(idle_fd, begun + (int64_t)45 * 1000000000));
    ck_assert(ak_clock_ns() - begun > (int64_t)AK_GATE_ANONYMOUS_MS * 900000);
    SSL_free(idle);
    close(idle_fd);
    ck_assert_int_eq(ask(&f, f.crt, "a-token"), 0);
    SSL_CTX_free(ctx);
    finish(&f);
}
END_TEST

// When all places are taken by strangers, who knows how to come in still does.
START_TEST(a_crowd_does_not_shut_others_out)
{
    enum { CROWD = 1500 };
    int *fds = calloc(CROWD, sizeof *fds);
    fixture f;

    begin(&f);
    for (int i = 0; i < CROWD; i++)
        fds[i] = connect_tcp(&f);
    ck_assert_int_eq(ask(&f, f.crt, "a-token"), 0);
    for (int i = 0; i < CROWD; i++)
        close(fds[i]);
    free(fds);
    finish(&f);
}
END_TEST

// raw_call by TLS: message of that size, and headers of that size.
static raw_answer attack(const fixture *f, const char *path, size_t message, size_t header)
{
    const raw_way way = { f->address, f->crt, header };
    char *bytes = calloc(1, message + 1);
    raw_answer answer = raw_call_by(&way, path, bytes, message);

    free(bytes);
    return answer;
}

START_TEST(too_much_is_refused)
{
    fixture f;

    begin(&f);
    ck_assert_int_eq(attack(&f, "/akssl.v1.Lab/Show", (4 << 20) + 1, 0).code,
                     GRPC_STATUS_RESOURCE_EXHAUSTED);
    ck_assert_int_eq(attack(&f, "/akssl.v1.Lab/Show", 0, 64 << 10).code,
                     GRPC_STATUS_RESOURCE_EXHAUSTED);
    ck_assert_int_eq(attack(&f, "/akssl.v1.Lab/Show", 0, 4 << 20).code,
                     GRPC_STATUS_RESOURCE_EXHAUSTED);
    ck_assert_int_eq(attack(&f, "/akssl.v1.Lab/Show", 3, 0).code, GRPC_STATUS_INVALID_ARGUMENT);
    ck_assert_int_eq(attack(&f, "/akssl.v1.Lab/Nothing", 0, 0).code, GRPC_STATUS_UNIMPLEMENTED);
    ck_assert_int_eq(f.started, 0);
    ck_assert_int_eq(ask(&f, f.crt, NULL), 0);
    finish(&f);
}
END_TEST

// HTTP/2 by hand: a message that says it has 100 bytes, and ends after 10.
START_TEST(a_message_that_is_cut_off)
{
    static const char head[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                               "\0\0\0\4\0\0\0\0\0"; // SETTINGS
    static const char headers[] = "\x83\x87"         // POST, https
                                  "\x44\x12/akssl.v1.Lab/Show"
                                  "\x41\x01x"
                                  "\x5f\x10"
                                  "application/grpc"
                                  "\x40\x02te\x08trailers";
    static const char data[] = "\0\0\x0f\0\1\0\0\0\1" // DATA, END_STREAM
                               "\0\0\0\0\x64"         // 100 bytes
                               "0123456789";
    char frame[9] = { 0, 0, sizeof headers - 1, 1, 4, 0, 0, 0, 1 }; // HEADERS, END_HEADERS
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    fixture f;
    SSL *ssl;
    int fd;

    begin(&f);
    fd = connect_tcp(&f);
    ssl = shake(fd, ctx, "\x02h2");
    ck_assert_ptr_nonnull(ssl);
    SSL_write(ssl, head, sizeof head - 1);
    SSL_write(ssl, frame, sizeof frame);
    SSL_write(ssl, headers, sizeof headers - 1);
    SSL_write(ssl, data, sizeof data - 1);
    usleep(300000);
    ck_assert_int_eq(f.started, 0);
    ck_assert_int_eq(ask(&f, f.crt, NULL), 0);
    ck_assert_int_eq(f.started, 1);
    SSL_free(ssl);
    close(fd);
    SSL_CTX_free(ctx);
    finish(&f);
}
END_TEST

START_TEST(a_slow_reader_is_given_up)
{
    Akssl__V1__LogsRequest request = AKSSL__V1__LOGS_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    ak_channel *channel;
    ak_stream *stream;
    akssl_status rc;
    fixture f;
    int count = 0;

    begin_with(&f, 2000);
    ck_assert_int_eq(
        ak_channel_open_with(&channel,
                             &(ak_channel_options){ .address = f.address, .tls = { .ca = f.crt } }),
        0);
    ck_assert_int_eq(ak_stream_open(&stream, channel, AK_RPC_logs, &request.base, 0), 0);
    sleep(5);
    while ((rc = ak_stream_receive(stream, 10000, &message)) == 0 && message && ++count < 100)
        protobuf_c_message_free_unpacked(message, NULL);
    ck_assert_msg(rc == AKSSL_ERR_LIMIT, "%d after %d: %s", rc, count, ak_error_text());
    ck_assert_ptr_nonnull(strstr(ak_error_text(), "too slowly"));
    ak_stream_free(stream);
    ak_channel_close(channel);
    finish(&f);
}
END_TEST

AK_TEST_MAIN(AK_CASE(a_call_by_tls), AK_CASE(other_protocols_are_dropped),
             AK_CASE(strangers_are_shown_out), AK_CASE(a_crowd_does_not_shut_others_out),
             AK_CASE(too_much_is_refused), AK_CASE(a_message_that_is_cut_off),
             AK_CASE(a_slow_reader_is_given_up), AK_CASE(a_callers_files_are_checked))
