// proto/rpc/channel.c -- the calling side: blocking calls and streams.
//
// Each call and stream has a completion queue of its own, plucked by whoever waits, so that
// threads do not meet.  There is no thread of ours here.

#include "proto/rpc/channel.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>
#include <grpc/support/time.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "proto/base/str.h"
#include "proto/rpc/address.h"
#include "proto/rpc/codec.h"

struct ak_channel {
    grpc_channel *grpc;
    char *address;
    char *secret, *bearer; // or NULL; bearer: "Bearer TOKEN"
};

// ---- addresses

static akssl_status absolute(ak_str *out, const char *path)
{
    char folder[4096];

    if (path[0] == '/') {
        ak_str_append(out, path);
        return AKSSL_OK;
    }
    if (!getcwd(folder, sizeof folder))
        return ak_fail_errno(errno, "server '%s': the working folder", path);
    ak_str_format(out, "%s/%s", folder, path);
    return AKSSL_OK;
}

// gRPC reads a target as a URI.
static void append_escaped(ak_str *target, const char *path)
{
    for (const char *c = path; *c; c++) {
        if ((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
            strchr("/-._~", *c))
            ak_str_append_n(target, c, 1);
        else
            ak_str_format(target, "%%%02X", (unsigned char)*c);
    }
}

static akssl_status resolve_path(const char *address, const char *given, ak_str *full)
{
    ak_str path = AK_STR_INIT;
    akssl_status rc;

    if (!given[0])
        return ak_fail(AKSSL_ERR_INVALID, "server '%s': no path in it: give unix:/path", address);
    rc = absolute(&path, given);
    if (rc == AKSSL_OK && path.length >= sizeof((struct sockaddr_un *)0)->sun_path)
        rc = ak_fail(AKSSL_ERR_INVALID,
                     "server '%s': a unix socket's path keeps under %zu bytes: use a shorter one",
                     address, sizeof((struct sockaddr_un *)0)->sun_path);
    if (rc == AKSSL_OK)
        ak_str_format(full, "unix:%s", path.text);
    ak_str_fini(&path);
    return rc;
}

// resolve gives the full form of an address, and gRPC's target for it.
static akssl_status resolve(const char *address, ak_str *full, ak_str *target)
{
    const char *rest;
    char host[256];
    int port;
    ak_address_kind kind = ak_address_kind_of(address, &rest);
    akssl_status rc;

    if (kind == AK_ADDRESS_UNIX) {
        rc = resolve_path(address, rest, full);
        if (rc < 0)
            return rc;
        ak_str_append(target, "unix:");
        append_escaped(target, full->text + strlen("unix:"));
        return AKSSL_OK;
    }
    rc = ak_address_split(rest, host, &port);
    if (rc < 0)
        return ak_wrap(rc, "server");
    ak_str_append(full, address);
    ak_str_append(target, "dns:///");
    append_escaped(target, rest);
    return AKSSL_OK;
}

// ---- channels

static grpc_arg number(const char *key, int value)
{
    grpc_arg arg = { .type = GRPC_ARG_INTEGER, .key = (char *)key };

    arg.value.integer = value;
    return arg;
}

static grpc_channel *connect_to(const char *target, grpc_channel_credentials *credentials,
                                bool remote)
{
    // A network that is cut says nothing: ask soon.  A local daemon that is stopped for a while is
    // not gone.
    int ping_ms = remote ? 10000 : 60000;
    grpc_arg args[] = {
        number(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, AK_RPC_MAX_MESSAGE),
        number(GRPC_ARG_ENABLE_RETRIES, 0), // whoever calls knows what may be repeated
        number(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1),
        number(GRPC_ARG_ENABLE_HTTP_PROXY, 0),
        number(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100),
        number(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000),
        number(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 10000), // in truth: time to connect in
        number(GRPC_ARG_KEEPALIVE_TIME_MS, ping_ms),
        number(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, ping_ms),
        number(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0),
    };
    grpc_channel_args all = { sizeof args / sizeof *args, args };

    return grpc_channel_create(target, credentials, &all);
}

static akssl_status make_credentials(const ak_channel_options *options,
                                     grpc_channel_credentials **out)
{
    if (ak_address_kind_of(options->address, NULL) == AK_ADDRESS_TLS)
        return ak_tls_call(out, &options->tls);
    *out = grpc_insecure_credentials_create();
    return AKSSL_OK;
}

static bool legal_text(const char *text)
{
    for (const char *c = text; *c; c++)
        if (*c <= ' ' || *c > '~')
            return false;
    return text[0] && strlen(text) <= 1024;
}

static akssl_status check_texts(const ak_channel_options *options)
{
    if (options->secret && !legal_text(options->secret))
        return ak_fail(AKSSL_ERR_INVALID,
                       "secret: give 1 to 1024 printable characters without spaces");
    if (options->token && !legal_text(options->token))
        return ak_fail(AKSSL_ERR_INVALID,
                       "token: give 1 to 1024 printable characters without spaces");
    return AKSSL_OK;
}

akssl_status ak_channel_open_with(ak_channel **out, const ak_channel_options *options)
{
    bool remote = ak_address_kind_of(options->address, NULL) != AK_ADDRESS_UNIX;
    grpc_channel_credentials *credentials = NULL;
    ak_str full = AK_STR_INIT, target = AK_STR_INIT, bearer = AK_STR_INIT;
    akssl_status rc = check_texts(options);
    ak_channel *c;

    if (rc == AKSSL_OK)
        rc = resolve(options->address, &full, &target);
    if (rc < 0)
        goto out;
    ak_codec_start();
    rc = make_credentials(options, &credentials);
    if (rc < 0) {
        ak_codec_stop();
        goto out;
    }
    c = ak_alloc(1, sizeof *c);
    c->address = ak_str_take(&full);
    c->secret = ak_strdup(options->secret);
    if (options->token) {
        ak_str_format(&bearer, AK_RPC_BEARER "%s", options->token);
        c->bearer = ak_str_take(&bearer);
    }
    c->grpc = connect_to(target.text, credentials, remote);
    grpc_channel_credentials_release(credentials);
    *out = c;
out:
    ak_str_fini(&full);
    ak_str_fini(&target);
    return rc;
}

akssl_status ak_channel_open(ak_channel **out, const char *address, const char *secret)
{
    return ak_channel_open_with(out, &(ak_channel_options){ .address = address, .secret = secret });
}

void ak_channel_close(ak_channel *channel)
{
    if (!channel)
        return;
    grpc_channel_destroy(channel->grpc);
    ak_codec_stop();
    free(channel->secret);
    free(channel->bearer);
    free(channel->address);
    free(channel);
}

const char *ak_channel_address(const ak_channel *channel)
{
    return channel->address;
}

// ---- what calls and streams share

// One call in gRPC: begun with `begin`, its outcome read with `outcome` once `status_tag` is back.
typedef struct call {
    ak_channel *channel;
    const ak_rpc *rpc;
    grpc_completion_queue *queue;
    grpc_call *grpc;
    grpc_metadata shown[2]; // secret, token
    size_t shown_count;
    grpc_metadata_array headers, trailers;
    grpc_status_code code;
    grpc_slice sentence;
} call;

static gpr_timespec after(int64_t timeout_ms)
{
    if (timeout_ms <= 0)
        return gpr_inf_future(GPR_CLOCK_MONOTONIC);
    return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                        gpr_time_from_millis(timeout_ms, GPR_TIMESPAN));
}

static akssl_status check_size(const ak_rpc *rpc, const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);

    if (size <= AK_RPC_MAX_MESSAGE)
        return AKSSL_OK;
    return ak_fail(AKSSL_ERR_LIMIT, "%s: a message of %zu bytes: at most %d are taken", rpc->path,
                   size, AK_RPC_MAX_MESSAGE);
}

static void show(call *c, const char *key, const char *value)
{
    grpc_metadata *m = &c->shown[c->shown_count++];

    m->key = grpc_slice_from_static_string(key);
    m->value = grpc_slice_from_static_string(value);
}

static void call_init(call *c, ak_channel *channel, ak_rpc_id rpc, int64_t timeout_ms)
{
    c->channel = channel;
    c->rpc = ak_rpc_find(rpc);
    c->queue = grpc_completion_queue_create_for_pluck(NULL);
    c->grpc = grpc_channel_create_call(channel->grpc, NULL, GRPC_PROPAGATE_DEFAULTS, c->queue,
                                       grpc_slice_from_static_string(c->rpc->path), NULL,
                                       after(timeout_ms), NULL);
    grpc_metadata_array_init(&c->headers);
    grpc_metadata_array_init(&c->trailers);
    c->sentence = grpc_empty_slice();
    if (channel->secret)
        show(c, AK_RPC_SECRET_KEY, channel->secret);
    if (channel->bearer)
        show(c, "authorization", channel->bearer);
}

static void call_fini(call *c)
{
    grpc_call_unref(c->grpc);
    grpc_completion_queue_shutdown(c->queue);
    grpc_completion_queue_pluck(c->queue, NULL, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    grpc_completion_queue_destroy(c->queue);
    grpc_metadata_array_destroy(&c->headers);
    grpc_metadata_array_destroy(&c->trailers);
    grpc_slice_unref(c->sentence);
}

static grpc_op headers_op(call *c)
{
    grpc_op op = { .op = GRPC_OP_SEND_INITIAL_METADATA };

    op.data.send_initial_metadata.metadata = c->shown;
    op.data.send_initial_metadata.count = c->shown_count;
    return op;
}

static grpc_op message_op(grpc_byte_buffer *buffer)
{
    grpc_op op = { .op = GRPC_OP_SEND_MESSAGE };

    op.data.send_message.send_message = buffer;
    return op;
}

static grpc_op receive_headers_op(call *c)
{
    grpc_op op = { .op = GRPC_OP_RECV_INITIAL_METADATA };

    op.data.recv_initial_metadata.recv_initial_metadata = &c->headers;
    return op;
}

static grpc_op receive_op(grpc_byte_buffer **buffer)
{
    grpc_op op = { .op = GRPC_OP_RECV_MESSAGE };

    op.data.recv_message.recv_message = buffer;
    return op;
}

static grpc_op status_op(call *c)
{
    grpc_op op = { .op = GRPC_OP_RECV_STATUS_ON_CLIENT };

    op.data.recv_status_on_client.trailing_metadata = &c->trailers;
    op.data.recv_status_on_client.status = &c->code;
    op.data.recv_status_on_client.status_details = &c->sentence;
    return op;
}

static akssl_status start(call *c, const grpc_op *ops, size_t count, void *tag)
{
    grpc_call_error error;

    ak_codec_give(tag);
    error = grpc_call_start_batch(c->grpc, ops, count, tag, NULL);
    if (error != GRPC_CALL_OK)
        return ak_fail(AKSSL_ERR_INTERNAL, "%s: %s", c->rpc->path,
                       grpc_call_error_to_string(error));
    return AKSSL_OK;
}

// The server's own status, when it sent one: gRPC's codes are fewer, and some of them gRPC gives
// itself, without the trailer.
static akssl_status told_status(const call *c)
{
    akssl_status status = AKSSL_OK;

    for (size_t i = 0; i < c->trailers.count; i++) {
        char *text;

        if (grpc_slice_str_cmp(c->trailers.metadata[i].key, AK_RPC_STATUS_KEY) != 0)
            continue;
        text = ak_codec_text(c->trailers.metadata[i].value);
        status = ak_rpc_status_from_grpc((int)c->code); // a newer server's may be none of ours
        for (int n = AKSSL_ERR_UNAUTHENTICATED; n < 0; n++)
            if (atoi(text) == n)
                status = (akssl_status)n;
        free(text);
    }
    return status;
}

// Of "failed to connect to all addresses; last error: UNKNOWN: unix:/p: No such file" the end
// says enough.
static const char *cause_of(const char *sentence)
{
    const char *at = strstr(sentence, "last error: ");

    while (at && strstr(at, ": "))
        at = strstr(at, ": ") + 2;
    return at && at[0] ? at : sentence;
}

static akssl_status unreachable(const call *c, const char *sentence)
{
    const char *address = c->channel->address;

    if (strstr(sentence, "certificate verify failed"))
        return ak_fail(AKSSL_ERR_UNAVAILABLE,
                       "akssld at %s shows a certificate that no CA signed which is trusted here: "
                       "give its CA with --ca FILE or AKSSL_CA",
                       address);
    if (strstr(sentence, "is not in peer certificate"))
        return ak_fail(AKSSL_ERR_UNAVAILABLE,
                       "akssld at %s has a certificate for other names: use one of those, or make "
                       "a new one with `akssld --init-tls --host NAME`",
                       address);
    return ak_fail(AKSSL_ERR_UNAVAILABLE, "akssld cannot be reached at %s (%s): is it running?",
                   address, cause_of(sentence));
}

// outcome is what the status that came says, as our status and sentence.
static akssl_status outcome(const call *c)
{
    akssl_status status = told_status(c);
    const char *sentence;
    char *text;

    if (c->code == GRPC_STATUS_OK)
        return AKSSL_OK;
    text = ak_codec_text(c->sentence);
    sentence = text[0] ? text : "no reason was given: see akssld's log";
    if (status < 0) {
        ak_fail_told(status, sentence);
    } else if (c->code == GRPC_STATUS_UNAVAILABLE || c->code == GRPC_STATUS_CANCELLED) {
        status = unreachable(c, sentence);
    } else if (c->code == GRPC_STATUS_DEADLINE_EXCEEDED) {
        status = ak_fail(AKSSL_ERR_DEADLINE, "akssld at %s gave no answer to %s in time: try again",
                         c->channel->address, c->rpc->path);
    } else {
        status = ak_fail(ak_rpc_status_from_grpc((int)c->code), "%s: %s", c->rpc->path, sentence);
    }
    free(text);
    return status;
}

static akssl_status decode(const call *c, grpc_byte_buffer *buffer, ProtobufCMessage **message)
{
    *message = ak_codec_decode(c->rpc->reply, buffer);
    if (*message)
        return AKSSL_OK;
    return ak_fail(AKSSL_ERR_CORRUPT,
                   "%s: the answer is no %s message: akssld and this program differ in version",
                   c->rpc->path, c->rpc->reply->name);
}

// ---- connecting

akssl_status ak_channel_connect(ak_channel *channel, int64_t timeout_ms)
{
    grpc_completion_queue *queue = grpc_completion_queue_create_for_pluck(NULL);
    gpr_timespec limit = after(timeout_ms < 1 ? 1 : timeout_ms), never = after(0);
    grpc_connectivity_state state = grpc_channel_check_connectivity_state(channel->grpc, 1);

    while (state != GRPC_CHANNEL_READY && gpr_time_cmp(gpr_now(GPR_CLOCK_MONOTONIC), limit) < 0) {
        grpc_channel_watch_connectivity_state(channel->grpc, state, limit, queue, queue);
        grpc_completion_queue_pluck(queue, queue, never, NULL);
        state = grpc_channel_check_connectivity_state(channel->grpc, 1);
    }
    grpc_completion_queue_shutdown(queue);
    grpc_completion_queue_pluck(queue, NULL, never, NULL);
    grpc_completion_queue_destroy(queue);
    if (state == GRPC_CHANNEL_READY)
        return AKSSL_OK;
    return ak_fail(AKSSL_ERR_UNAVAILABLE, "akssld cannot be reached at %s", channel->address);
}

akssl_status ak_channel_revive(ak_channel *channel, int64_t timeout_ms)
{
    if (grpc_channel_check_connectivity_state(channel->grpc, 0) != GRPC_CHANNEL_TRANSIENT_FAILURE)
        return AKSSL_OK;
    return ak_channel_connect(channel, timeout_ms);
}

// ---- unary calls

akssl_status ak_channel_call(ak_channel *channel, ak_rpc_id rpc, const ProtobufCMessage *request,
                             int64_t timeout_ms, ProtobufCMessage **reply)
{
    call c = { 0 };
    grpc_byte_buffer *outgoing, *incoming = NULL;
    grpc_op ops[6] = { [3] = { .op = GRPC_OP_SEND_CLOSE_FROM_CLIENT } };
    akssl_status rc = check_size(ak_rpc_find(rpc), request);

    if (rc < 0)
        return rc;
    call_init(&c, channel, rpc, timeout_ms < 1 ? 1 : timeout_ms);
    outgoing = ak_codec_encode(request);
    ops[0] = headers_op(&c);
    ops[1] = message_op(outgoing);
    ops[2] = receive_headers_op(&c);
    ops[4] = receive_op(&incoming);
    ops[5] = status_op(&c);
    rc = start(&c, ops, 6, &c);
    if (rc == 0) {
        grpc_completion_queue_pluck(c.queue, &c, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
        ak_codec_get(&c);
        rc = outcome(&c);
    }
    if (rc == 0)
        rc = decode(&c, incoming, reply);
    grpc_byte_buffer_destroy(outgoing);
    grpc_byte_buffer_destroy(incoming);
    call_fini(&c);
    return rc;
}

// ---- streams

struct ak_stream {
    call call;
    atomic_bool cancelled;
    bool timed;          // the stream as a whole has a deadline
    int64_t patience_ms; // with a send; 0: without end

    pthread_mutex_t lock; // of `over`; held while status_tag is plucked
    bool over;            // the status is there

    bool receiving; // receive_tag is under way
    bool headers_asked;
    grpc_byte_buffer *incoming;
    char send_tag, receive_tag, status_tag; // addresses only
};

static grpc_event pluck(ak_stream *s, void *tag, gpr_timespec deadline)
{
    grpc_event event = grpc_completion_queue_pluck(s->call.queue, tag, deadline, NULL);

    if (event.type == GRPC_OP_COMPLETE)
        ak_codec_get(tag);
    return event;
}

// ended waits for the status of a stream that is at its end and returns it.
static akssl_status ended(ak_stream *s, int64_t timeout_ms)
{
    akssl_status rc;

    pthread_mutex_lock(&s->lock);
    if (!s->over)
        s->over = pluck(s, &s->status_tag, after(timeout_ms)).type == GRPC_OP_COMPLETE;
    if (!s->over)
        rc = ak_fail(AKSSL_ERR_UNAVAILABLE, "%s: the stream has ended", s->call.rpc->path);
    else if (atomic_load(&s->cancelled))
        rc = ak_fail(AKSSL_ERR_CANCELLED, "%s: cancelled", s->call.rpc->path);
    else if (s->timed && s->call.code == GRPC_STATUS_DEADLINE_EXCEEDED)
        rc = ak_fail(AKSSL_ERR_CANCELLED, "%s: the time given to the stream is up",
                     s->call.rpc->path);
    else
        rc = outcome(&s->call);
    if (rc == AKSSL_ERR_DEADLINE) // the server's; ours says that the stream goes on
        rc = AKSSL_ERR_CANCELLED;
    pthread_mutex_unlock(&s->lock);
    return rc;
}

static akssl_status send_ops(ak_stream *s, const grpc_op *ops, size_t count)
{
    akssl_status rc = start(&s->call, ops, count, &s->send_tag);
    grpc_event event;

    if (rc < 0)
        return rc;
    event = pluck(s, &s->send_tag, after(s->patience_ms));
    if (event.type == GRPC_QUEUE_TIMEOUT) {
        grpc_call_cancel(s->call.grpc, NULL);
        pluck(s, &s->send_tag, after(0));
        return ak_fail(AKSSL_ERR_UNAVAILABLE, "%s: akssld has taken nothing for %lld ms",
                       s->call.rpc->path, (long long)s->patience_ms);
    }
    if (event.success)
        return AKSSL_OK;
    // The status may be held back until what came before it is received: do not insist.
    rc = ended(s, 200);
    if (rc == AKSSL_OK)
        rc = ak_fail(AKSSL_ERR_UNAVAILABLE, "%s: akssld has ended the stream", s->call.rpc->path);
    return rc;
}

static akssl_status begin(ak_stream *s, const ProtobufCMessage *request)
{
    grpc_byte_buffer *buffer = NULL;
    grpc_op status = status_op(&s->call);
    grpc_op ops[3];
    size_t count = 0;
    akssl_status rc = start(&s->call, &status, 1, &s->status_tag);

    if (rc < 0) {
        s->over = true; // nothing of it will come
        return rc;
    }
    ops[count++] = headers_op(&s->call);
    if (request) {
        buffer = ak_codec_encode(request);
        ops[count++] = message_op(buffer);
        ops[count++] = (grpc_op){ .op = GRPC_OP_SEND_CLOSE_FROM_CLIENT };
    }
    rc = send_ops(s, ops, count);
    grpc_byte_buffer_destroy(buffer);
    return rc;
}

akssl_status ak_stream_open(ak_stream **out, ak_channel *channel, ak_rpc_id rpc,
                            const ProtobufCMessage *request, int64_t timeout_ms)
{
    akssl_status rc = request ? check_size(ak_rpc_find(rpc), request) : AKSSL_OK;
    ak_stream *s;

    if (rc < 0)
        return rc;
    s = ak_alloc(1, sizeof *s);
    call_init(&s->call, channel, rpc, timeout_ms);
    s->timed = timeout_ms > 0;
    atomic_init(&s->cancelled, false);
    pthread_mutex_init(&s->lock, NULL);
    rc = begin(s, request);
    if (rc < 0)
        ak_stream_free(s);
    else
        *out = s;
    return rc;
}

akssl_status ak_stream_send(ak_stream *stream, const ProtobufCMessage *message)
{
    akssl_status rc = check_size(stream->call.rpc, message);
    grpc_byte_buffer *buffer;
    grpc_op op;

    if (rc < 0)
        return rc;
    buffer = ak_codec_encode(message);
    op = message_op(buffer);
    rc = send_ops(stream, &op, 1);
    grpc_byte_buffer_destroy(buffer);
    return rc;
}

void ak_stream_set_patience(ak_stream *stream, int64_t ms)
{
    stream->patience_ms = ms;
}

akssl_status ak_stream_close_send(ak_stream *stream)
{
    grpc_op op = { .op = GRPC_OP_SEND_CLOSE_FROM_CLIENT };

    return send_ops(stream, &op, 1);
}

static akssl_status ask(ak_stream *s)
{
    grpc_op ops[2] = { receive_op(&s->incoming), receive_headers_op(&s->call) };
    akssl_status rc;

    if (s->receiving)
        return AKSSL_OK;
    rc = start(&s->call, ops, s->headers_asked ? 1 : 2, &s->receive_tag);
    s->receiving = rc == 0;
    s->headers_asked = true;
    return rc;
}

akssl_status ak_stream_receive(ak_stream *stream, int64_t timeout_ms, ProtobufCMessage **message)
{
    akssl_status rc = ask(stream);
    grpc_event event;

    if (rc < 0)
        return rc;
    event = pluck(stream, &stream->receive_tag, after(timeout_ms));
    if (event.type == GRPC_QUEUE_TIMEOUT)
        return ak_fail(AKSSL_ERR_DEADLINE, "%s: nothing came within %lld ms",
                       stream->call.rpc->path, (long long)timeout_ms);
    stream->receiving = false;
    if (stream->incoming) {
        rc = decode(&stream->call, stream->incoming, message);
        grpc_byte_buffer_destroy(stream->incoming);
        stream->incoming = NULL;
        return rc;
    }
    rc = ended(stream, 0);
    if (rc == AKSSL_OK)
        *message = NULL;
    return rc;
}

void ak_stream_cancel(ak_stream *stream)
{
    atomic_store(&stream->cancelled, true);
    grpc_call_cancel(stream->call.grpc, NULL);
}

void ak_stream_free(ak_stream *stream)
{
    if (!stream)
        return;
    grpc_call_cancel(stream->call.grpc, NULL);
    if (stream->receiving)
        pluck(stream, &stream->receive_tag, gpr_inf_future(GPR_CLOCK_MONOTONIC));
    if (!stream->over)
        pluck(stream, &stream->status_tag, gpr_inf_future(GPR_CLOCK_MONOTONIC));
    grpc_byte_buffer_destroy(stream->incoming);
    call_fini(&stream->call);
    pthread_mutex_destroy(&stream->lock);
    free(stream);
}
