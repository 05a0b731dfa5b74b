// tests/system/peer.c -- what ill-behaved clients send, and what a replay is given.
//
//     system.peer garbage|http|half-frame|silent SOCKET    raw bytes on the unix socket
//     system.peer oversized|unpackable|unknown-method ADDR  gRPC calls that must be refused
//     system.peer views STEPS VIEWS BATCH SIZE FILE         random views as safetensors
//
// Ends with 0 when the daemon did what it should, else says what it did.

#include <grpc/byte_buffer.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>
#include <grpc/support/time.h>

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int complain(const char *what, const char *detail)
{
    fprintf(stderr, "system.peer: %s: %s\n", what, detail);
    return EXIT_FAILURE;
}

// splitmix64: the same bytes in every run.
static uint64_t draw(uint64_t *seed)
{
    uint64_t z = *seed += 0x9E3779B97F4A7C15u;

    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

// ---- raw bytes

static int dial(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || strlen(path) >= sizeof address.sun_path)
        return -1;
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

// hangs_up reads until the daemon closes the connection, 20 s at most.
static bool hangs_up(int fd)
{
    char sink[4096];

    for (int i = 0; i < 200; i++) {
        struct pollfd wait = { .fd = fd, .events = POLLIN };

        if (poll(&wait, 1, 100) > 0 && read(fd, sink, sizeof sink) <= 0)
            return true;
    }
    return false;
}

static int raw(const char *kind, const char *path)
{
    static const char half[] =
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0\0\100\0\1\1\4\0\0\0\1ab";
    bool silent = strcmp(kind, "silent") == 0, must_close = true;
    int fd = dial(path);
    char noise[65536];
    uint64_t seed = 1;

    if (fd < 0)
        return complain(path, strerror(errno));
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (char)draw(&seed);
    if (strcmp(kind, "garbage") == 0) {
        // The daemon may hang up while we still send.
        if (send(fd, noise, sizeof noise, MSG_NOSIGNAL) < 0 && errno != EPIPE &&
            errno != ECONNRESET)
            return complain("send", strerror(errno));
    } else if (strcmp(kind, "http") == 0) {
        static const char get[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

        if (send(fd, get, sizeof get - 1, MSG_NOSIGNAL) < 0)
            return complain("send", strerror(errno));
    } else {
        must_close = false; // it may wait for the rest: we leave in the middle
        if (!silent && send(fd, half, sizeof half - 1, MSG_NOSIGNAL) < 0)
            return complain("send", strerror(errno));
        usleep(300000);
    }
    if (must_close && !hangs_up(fd))
        return complain(kind, "the daemon does not hang up within 20 s");
    close(fd);
    return EXIT_SUCCESS;
}

// ---- calls

static grpc_byte_buffer *bytes_of(const char *data, size_t size)
{
    grpc_slice slice = grpc_slice_from_copied_buffer(data, size);
    grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&slice, 1);

    grpc_slice_unref(slice);
    return buffer;
}

// call makes a unary call of bytes and gives its status; details is gpr_free'd by the caller.
static grpc_status_code call(const char *address, const char *path, grpc_byte_buffer *request,
                             char **details)
{
    grpc_completion_queue *queue = grpc_completion_queue_create_for_pluck(NULL);
    grpc_channel_credentials *open = grpc_insecure_credentials_create();
    grpc_channel *channel = grpc_channel_create(address, open, NULL);
    gpr_timespec deadline =
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_seconds(20, GPR_TIMESPAN));
    grpc_slice method = grpc_slice_from_copied_string(path), text = grpc_empty_slice();
    grpc_call *c = grpc_channel_create_call(channel, NULL, GRPC_PROPAGATE_DEFAULTS, queue, method,
                                            NULL, deadline, NULL);
    grpc_metadata_array initial, trailing;
    grpc_byte_buffer *reply = NULL;
    grpc_status_code status = GRPC_STATUS_UNKNOWN;
    grpc_op ops[6] = {
        { .op = GRPC_OP_SEND_INITIAL_METADATA },  { .op = GRPC_OP_SEND_MESSAGE },
        { .op = GRPC_OP_SEND_CLOSE_FROM_CLIENT }, { .op = GRPC_OP_RECV_INITIAL_METADATA },
        { .op = GRPC_OP_RECV_MESSAGE },           { .op = GRPC_OP_RECV_STATUS_ON_CLIENT },
    };

    grpc_metadata_array_init(&initial);
    grpc_metadata_array_init(&trailing);
    ops[1].data.send_message.send_message = request;
    ops[3].data.recv_initial_metadata.recv_initial_metadata = &initial;
    ops[4].data.recv_message.recv_message = &reply;
    ops[5].data.recv_status_on_client.trailing_metadata = &trailing;
    ops[5].data.recv_status_on_client.status = &status;
    ops[5].data.recv_status_on_client.status_details = &text;
    if (grpc_call_start_batch(c, ops, 6, &status, NULL) == GRPC_CALL_OK)
        grpc_completion_queue_pluck(queue, &status, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    *details = grpc_slice_to_c_string(text);
    grpc_slice_unref(text);
    grpc_slice_unref(method);
    grpc_byte_buffer_destroy(reply);
    grpc_metadata_array_destroy(&initial);
    grpc_metadata_array_destroy(&trailing);
    grpc_call_unref(c);
    grpc_channel_destroy(channel);
    grpc_channel_credentials_release(open);
    grpc_completion_queue_shutdown(queue);
    grpc_completion_queue_pluck(queue, NULL, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    grpc_completion_queue_destroy(queue);
    return status;
}

static int refusal(const char *kind, const char *address)
{
    static const char torn[] = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f";
    size_t large = (size_t)5 << 20;
    grpc_status_code want = GRPC_STATUS_RESOURCE_EXHAUSTED, got;
    const char *path = "/akssl.v1.Lab/Submit";
    grpc_byte_buffer *request;
    char *details = NULL, *bytes;
    char line[256];

    if (strcmp(kind, "oversized") == 0) {
        bytes = calloc(1, large);
        if (!bytes)
            return complain(kind, "no memory");
        request = bytes_of(bytes, large);
        free(bytes);
    } else if (strcmp(kind, "unpackable") == 0) {
        want = GRPC_STATUS_INVALID_ARGUMENT;
        request = bytes_of(torn, sizeof torn - 1);
    } else {
        want = GRPC_STATUS_UNIMPLEMENTED;
        path = "/akssl.v1.Lab/Frobnicate";
        request = bytes_of("", 0);
    }
    got = call(address, path, request, &details);
    grpc_byte_buffer_destroy(request);
    snprintf(line, sizeof line, "status %d (%s), not %d", got, details ? details : "", want);
    gpr_free(details);
    return got == want ? EXIT_SUCCESS : complain(kind, line);
}

// ---- views

static int write_views(char **argv)
{
    int64_t steps = atoll(argv[2]), views = atoll(argv[3]), batch = atoll(argv[4]);
    int64_t size = atoll(argv[5]), numel = batch * 3 * size * size;
    char *header = calloc(1, (size_t)(steps * views + 1) * 200);
    FILE *file = fopen(argv[6], "wb");
    uint64_t length, seed = 7;
    size_t used = 1;

    if (!header || !file)
        return complain(argv[6], strerror(errno));
    header[0] = '{';
    for (int64_t i = 0; i < steps * views; i++)
        used += (size_t)sprintf(header + used,
                                "%s\"step%" PRId64 ".view%" PRId64
                                "\":{\"dtype\":\"F32\",\"shape\":[%" PRId64 ",3,%" PRId64
                                ",%" PRId64 "],\"data_offsets\":[%" PRId64 ",%" PRId64 "]}",
                                i ? "," : "", i / views, i % views, batch, size, size,
                                i * numel * 4, (i + 1) * numel * 4);
    header[used++] = '}';
    length = used;
    fwrite(&length, sizeof length, 1, file);
    fwrite(header, 1, used, file);
    for (int64_t i = 0; i < steps * views * numel; i++) {
        float value = (float)((double)(draw(&seed) >> 40) / (1 << 24) * 4 - 2);

        fwrite(&value, sizeof value, 1, file);
    }
    free(header);
    return fclose(file) == 0 ? EXIT_SUCCESS : complain(argv[6], strerror(errno));
}

int main(int argc, char **argv)
{
    static const char *const raw_kinds[] = { "garbage", "http", "half-frame", "silent" };
    int status;

    if (argc == 7 && strcmp(argv[1], "views") == 0)
        return write_views(argv);
    if (argc != 3)
        return complain("usage", "see the top of peer.c");
    for (size_t i = 0; i < sizeof raw_kinds / sizeof *raw_kinds; i++)
        if (strcmp(argv[1], raw_kinds[i]) == 0)
            return raw(argv[1], argv[2]);
    grpc_init();
    status = refusal(argv[1], argv[2]);
    grpc_shutdown();
    return status;
}
