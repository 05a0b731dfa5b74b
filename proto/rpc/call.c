// proto/rpc/call.c -- a call under way, as the server sees it.
//
//     begin -> started -> [received | drained]* -> ended
//
// Three batches may be under way at once: `close` (from begin until gRPC says that the call is
// over), `sent` (one message or the status) and `got` (bidi: the next message).  The call is
// freed when all of them are back.

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <grpc/support/alloc.h>

#include "proto/base/alloc.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"
#include "proto/rpc/serving.h"

typedef struct outgoing {
    struct outgoing *next;
    grpc_byte_buffer *buffer;
    size_t size;
} outgoing;

struct ak_call {
    ak_server *server;
    ak_call *next, *previous; // of the server's
    grpc_call *grpc;
    ak_rpc_id rpc;
    uid_t uid;
    ak_badge *badge; // of a TCP connection
    char *secret, *token;
    void *user, *caller;

    ak_tag close, sent, got;
    int under_way;  // of the three
    int early;      // gRPC's word: ended before our status reached the caller
    bool closed;    // `close` is back
    bool announced; // `started` was called, so `ended` must be

    outgoing *first, **last, *flying;
    int64_t flying_ns; // since when
    size_t waiting;    // bytes in first.. and flying
    bool full;         // ak_call_send said so
    bool headers_sent;
    bool finishing; // status and sentence are set
    bool status_sent;
    akssl_status status;
    grpc_slice sentence;
    grpc_metadata trailer;

    grpc_byte_buffer *incoming;
};

static void start(ak_call *call, ak_tag *tag, const grpc_op *ops, size_t count)
{
    grpc_call_error error;

    ak_codec_give(tag);
    error = grpc_call_start_batch(call->grpc, ops, count, tag, NULL);
    assert(error == GRPC_CALL_OK);
    (void)error;
    call->under_way++;
}

// ---- sending

static void outgoing_free(outgoing *o)
{
    if (!o)
        return;
    grpc_byte_buffer_destroy(o->buffer);
    free(o);
}

static void drop_queue(ak_call *call)
{
    while (call->first) {
        outgoing *o = call->first;

        call->first = o->next;
        call->waiting -= o->size;
        outgoing_free(o);
    }
    call->last = &call->first;
}

static void enqueue(ak_call *call, const ProtobufCMessage *message)
{
    outgoing *o = ak_alloc(1, sizeof *o);

    o->buffer = ak_codec_encode(message);
    o->size = grpc_byte_buffer_length(o->buffer);
    *call->last = o;
    call->last = &o->next;
    call->waiting += o->size;
}

static void status_op(ak_call *call, grpc_op *op)
{
    char number[16];

    op->op = GRPC_OP_SEND_STATUS_FROM_SERVER;
    op->data.send_status_from_server.status = (grpc_status_code)ak_rpc_status_to_grpc(call->status);
    if (call->status == AKSSL_OK)
        return;
    snprintf(number, sizeof number, "%d", (int)call->status);
    call->trailer.key = grpc_slice_from_static_string(AK_RPC_STATUS_KEY);
    call->trailer.value = grpc_slice_from_copied_string(number);
    op->data.send_status_from_server.status_details = &call->sentence;
    op->data.send_status_from_server.trailing_metadata = &call->trailer;
    op->data.send_status_from_server.trailing_metadata_count = 1;
}

// pump starts the next batch of sends, if none is under way: a message, the status, or both.
static void pump(ak_call *call)
{
    grpc_op ops[3];
    size_t count = 0;

    if (call->flying || call->status_sent || call->closed || !(call->first || call->finishing))
        return;
    memset(ops, 0, sizeof ops);
    if (!call->headers_sent)
        ops[count++].op = GRPC_OP_SEND_INITIAL_METADATA;
    call->headers_sent = true;
    if (call->first) {
        call->flying = call->first;
        call->flying_ns = ak_clock_ns();
        call->first = call->flying->next;
        if (!call->first)
            call->last = &call->first;
        ops[count].op = GRPC_OP_SEND_MESSAGE;
        ops[count++].data.send_message.send_message = call->flying->buffer;
    }
    if (call->finishing && !call->first) {
        call->status_sent = true;
        status_op(call, &ops[count++]);
    }
    start(call, &call->sent, ops, count);
}

bool ak_call_send(ak_call *call, const ProtobufCMessage *message)
{
    if (call->closed || call->finishing)
        return false;
    enqueue(call, message);
    if (call->waiting > AK_CALL_LIMIT) {
        ak_call_fail(call, AKSSL_ERR_LIMIT, "the caller reads too slowly: too much waits for it");
        return true;
    }
    pump(call);
    if (call->waiting > AK_CALL_FULL)
        call->full = true;
    return call->full;
}

size_t ak_call_waiting(const ak_call *call)
{
    return call->waiting;
}

void ak_call_finish(ak_call *call)
{
    if (call->finishing)
        return;
    call->finishing = true;
    pump(call);
}

void ak_call_reply(ak_call *call, const ProtobufCMessage *message)
{
    if (call->closed || call->finishing)
        return;
    enqueue(call, message);
    ak_call_finish(call);
}

void ak_call_fail(ak_call *call, akssl_status status, const char *sentence)
{
    if (call->finishing)
        return;
    drop_queue(call);
    call->status = status < 0 ? status : AKSSL_ERR_INTERNAL;
    call->sentence = grpc_slice_from_copied_string(sentence);
    call->finishing = true;
    pump(call);
}

// The status cannot follow a message that is stuck: the call as a whole is ended.
void ak_call_sweep(ak_server *server)
{
    int64_t limit = ak_clock_ns() - server->patience_ms * 1000000;

    for (ak_call *call = server->first_call; call; call = call->next)
        if (call->flying && call->flying_ns < limit && ak_rpc_find(call->rpc)->kind != AK_RPC_BIDI)
            grpc_call_cancel_with_status(call->grpc, GRPC_STATUS_RESOURCE_EXHAUSTED,
                                         "the caller reads too slowly: the stream is given up",
                                         NULL);
}

// ---- the end

static void settle(ak_call *call)
{
    ak_server *s = call->server;

    if (call->under_way > 0)
        return;
    if (call->announced && s->events.ended)
        s->events.ended(s->ctx, call, call->early != 0);
    s->calls--;
    if (call->next)
        call->next->previous = call->previous;
    if (call->previous)
        call->previous->next = call->next;
    else
        s->first_call = call->next;
    drop_queue(call);
    grpc_slice_unref(call->sentence);
    grpc_slice_unref(call->trailer.value);
    grpc_call_unref(call->grpc);
    ak_badge_rele(call->badge);
    free(call->secret);
    free(call->token);
    free(call);
}

static void on_close(void *owner, bool ok)
{
    ak_call *call = owner;

    (void)ok; // this operation always succeeds
    call->under_way--;
    call->closed = true;
    drop_queue(call);
    settle(call);
}

static void on_sent(void *owner, bool ok)
{
    ak_call *call = owner;
    ak_server *s = call->server;

    call->under_way--;
    if (call->flying)
        call->waiting -= call->flying->size;
    outgoing_free(call->flying);
    call->flying = NULL;
    if (ok && call->full && !call->closed && !call->finishing && call->waiting <= AK_CALL_LOW) {
        call->full = false;
        if (s->events.drained)
            s->events.drained(s->ctx, call);
    }
    if (ok)
        pump(call);
    settle(call);
}

// ---- receiving

static void receive(ak_call *call)
{
    grpc_op op = { .op = GRPC_OP_RECV_MESSAGE };

    op.data.recv_message.recv_message = &call->incoming;
    start(call, &call->got, &op, 1);
}

static void fail_unreadable(ak_call *call)
{
    const ak_rpc *rpc = ak_rpc_find(call->rpc);

    ak_fail(AKSSL_ERR_INVALID, "%s: the request is no %s message: use the schema of this akssld",
            rpc->path, rpc->request->name);
    ak_call_fail(call, AKSSL_ERR_INVALID, ak_error_text());
}

static void deliver(ak_call *call, grpc_byte_buffer *incoming)
{
    ak_server *s = call->server;
    ProtobufCMessage *message;

    if (!incoming) { // the end of the caller's side, or of the caller: `ended` tells
        if (!grpc_call_failed_before_recv_message(call->grpc) && s->events.received)
            s->events.received(s->ctx, call, NULL);
        return;
    }
    message = ak_codec_decode(ak_rpc_find(call->rpc)->request, incoming);
    if (!message) {
        fail_unreadable(call);
        return;
    }
    if (s->events.received)
        s->events.received(s->ctx, call, message);
    protobuf_c_message_free_unpacked(message, NULL);
    if (!call->finishing && !call->closed)
        receive(call);
}

static void on_got(void *owner, bool ok)
{
    ak_call *call = owner;
    grpc_byte_buffer *incoming = call->incoming;

    call->incoming = NULL; // receive, called again, fills it from another thread
    call->under_way--;
    if (ok && !call->closed && !call->finishing)
        deliver(call, incoming);
    grpc_byte_buffer_destroy(incoming);
    settle(call);
}

// ---- the start

static void find_peer(ak_call *call)
{
    char *text = grpc_call_get_peer(call->grpc);
    const ak_peer *peer = NULL;

    if (text && strncmp(text, "fd:", 3) == 0)
        peer = ak_peers_find(&call->server->peers, atoi(text + 3));
    call->uid = peer ? peer->uid : (uid_t)-1;
    call->badge = ak_badge_hold(peer ? peer->badge : NULL);
    gpr_free(text);
}

static char *value_of(const grpc_metadata_array *metadata, const char *key)
{
    for (size_t i = 0; i < metadata->count; i++)
        if (grpc_slice_str_cmp(metadata->metadata[i].key, key) == 0)
            return ak_codec_text(metadata->metadata[i].value);
    return ak_strdup("");
}

static char *token_of(const grpc_metadata_array *metadata)
{
    char *text = value_of(metadata, "authorization");

    if (strncasecmp(text, AK_RPC_BEARER, strlen(AK_RPC_BEARER)) == 0)
        memmove(text, text + strlen(AK_RPC_BEARER), strlen(text + strlen(AK_RPC_BEARER)) + 1);
    else
        text[0] = '\0';
    return text;
}

static ak_call *call_new(ak_arrival *a)
{
    ak_call *call = ak_alloc(1, sizeof *call);
    grpc_op op = { .op = GRPC_OP_RECV_CLOSE_ON_SERVER };

    call->server = a->server;
    call->grpc = a->call;
    call->rpc = a->rpc;
    find_peer(call);
    call->secret = value_of(&a->metadata, AK_RPC_SECRET_KEY);
    call->token = token_of(&a->metadata);
    call->last = &call->first;
    call->sentence = grpc_empty_slice();
    call->trailer.value = grpc_empty_slice();
    call->close = (ak_tag){ .run = on_close, .owner = call };
    call->sent = (ak_tag){ .run = on_sent, .owner = call };
    call->got = (ak_tag){ .run = on_got, .owner = call };
    a->server->calls++;
    call->next = a->server->first_call;
    if (call->next)
        call->next->previous = call;
    a->server->first_call = call;
    op.data.recv_close_on_server.cancelled = &call->early;
    start(call, &call->close, &op, 1);
    return call;
}

static void announce(ak_call *call, grpc_byte_buffer *payload)
{
    ak_server *s = call->server;
    ProtobufCMessage *request = NULL;

    if (ak_rpc_find(call->rpc)->kind != AK_RPC_BIDI) {
        request = ak_codec_decode(ak_rpc_find(call->rpc)->request, payload);
        if (!request) {
            fail_unreadable(call);
            return;
        }
    }
    call->announced = true;
    s->events.started(s->ctx, call, call->rpc, request);
    if (request)
        protobuf_c_message_free_unpacked(request, NULL);
    else if (!call->finishing)
        receive(call);
}

void ak_call_begin(ak_arrival *a)
{
    ak_call *call = call_new(a);

    if (a->rpc == AK_RPC_COUNT) {
        char *method = ak_codec_text(a->details.method);

        ak_fail(AKSSL_ERR_UNSUPPORTED,
                "'%.200s': akssld %s knows no such call: use a client of its version", method,
                AKSSL_VERSION);
        free(method);
        ak_call_fail(call, AKSSL_ERR_UNSUPPORTED, ak_error_text());
    } else if (a->server->closing) {
        ak_call_fail(call, AKSSL_ERR_UNAVAILABLE, "akssld is stopping: try again later");
    } else if (a->server->calls > AK_SERVER_CALLS) {
        ak_call_fail(call, AKSSL_ERR_LIMIT, "akssld has too many calls under way: try again later");
    } else {
        announce(call, a->payload);
    }
    grpc_byte_buffer_destroy(a->payload);
    a->payload = NULL;
}

// ---- asked by handlers

ak_rpc_id ak_call_rpc(const ak_call *call)
{
    return call->rpc;
}

uid_t ak_call_uid(const ak_call *call)
{
    return call->uid;
}

const char *ak_call_secret(const ak_call *call)
{
    return call->secret;
}

const char *ak_call_token(const ak_call *call)
{
    return call->token;
}

const char *ak_call_peer(const ak_call *call)
{
    return call->badge ? call->badge->address : "";
}

const char *ak_call_peer_name(const ak_call *call)
{
    return call->badge ? call->badge->name : "";
}

void ak_call_vouch(ak_call *call)
{
    if (call->badge)
        atomic_store(&call->badge->known, true);
}

void ak_call_set_caller(ak_call *call, void *caller)
{
    call->caller = caller;
}

void *ak_call_caller(const ak_call *call)
{
    return call->caller;
}

akssl_status ak_call_outcome(const ak_call *call)
{
    return call->status;
}

void ak_call_set_user(ak_call *call, void *user)
{
    call->user = user;
}

void *ak_call_user(const ak_call *call)
{
    return call->user;
}
