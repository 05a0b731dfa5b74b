// proto/rpc/server.c -- the completion-queue thread, arriving calls, and an orderly end.

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <grpc/grpc_posix.h>
#include <grpc/grpc_security.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "proto/rpc/serving.h"

// ---- from the completion queue to the loop

static void post(ak_server *s, ak_tag *tag, bool ok)
{
    bool was_empty;

    tag->ok = ok;
    tag->next = NULL;
    uv_mutex_lock(&s->lock);
    was_empty = !s->first;
    *s->last = tag;
    s->last = &tag->next;
    uv_mutex_unlock(&s->lock);
    if (was_empty)
        uv_async_send(&s->wake);
}

static void wait_for_completions(void *arg)
{
    ak_server *s = arg;

    for (;;) {
        grpc_event event =
            grpc_completion_queue_next(s->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);

        if (event.type == GRPC_QUEUE_SHUTDOWN)
            break;
        ak_codec_get(event.tag);
        post(s, event.tag, event.success != 0);
    }
    post(s, &s->drained, true);
}

static void on_wake(uv_async_t *wake)
{
    ak_server *s = wake->data;
    ak_tag *tag, *next;

    uv_mutex_lock(&s->lock);
    tag = s->first;
    s->first = NULL;
    s->last = &s->first;
    uv_mutex_unlock(&s->lock);
    for (; tag; tag = next) {
        next = tag->next;
        tag->run(tag->owner, tag->ok);
    }
}

// ---- arriving calls

static void arm(ak_arrival *a)
{
    ak_server *s = a->server;
    bool payload = a->rpc < AK_RPC_COUNT && ak_rpc_find(a->rpc)->kind != AK_RPC_BIDI;
    grpc_call_error error;

    a->call = NULL;
    grpc_metadata_array_init(&a->metadata);
    grpc_call_details_init(&a->details);
    ak_codec_give(&a->tag);
    if (a->rpc == AK_RPC_COUNT)
        error = grpc_server_request_call(s->grpc, &a->call, &a->details, &a->metadata, s->queue,
                                         s->queue, &a->tag);
    else
        error = grpc_server_request_registered_call(s->grpc, a->method, &a->call, &a->deadline,
                                                    &a->metadata, payload ? &a->payload : NULL,
                                                    s->queue, s->queue, &a->tag);
    assert(error == GRPC_CALL_OK);
    (void)error;
}

static void on_arrival(void *owner, bool ok)
{
    ak_arrival *a = owner;

    if (ok)
        ak_call_begin(a);
    grpc_metadata_array_destroy(&a->metadata);
    grpc_call_details_destroy(&a->details);
    if (ok && !a->server->closing)
        arm(a);
}

// ---- closing: shutdown -> (grace: cancel) -> on_shut -> queue drained -> handles closed

static void on_grace_over(uv_timer_t *timer)
{
    ak_server *s = timer->data;

    grpc_server_cancel_all_calls(s->grpc);
}

static void on_sweep(uv_timer_t *timer)
{
    ak_call_sweep(timer->data);
}

void ak_server_set_patience(ak_server *server, int64_t milliseconds)
{
    uint64_t every = (uint64_t)milliseconds / AK_SERVER_SWEEPS;

    server->patience_ms = milliseconds;
    uv_timer_start(&server->sweep, on_sweep, every, every);
}

void ak_server_close(ak_server *server, uint64_t grace_ms, void (*closed)(void *ctx), void *ctx)
{
    assert(!server->closing);
    server->closing = true;
    server->closed = closed;
    server->closed_ctx = ctx;
    ak_listener_stop(server->listener);
    if (server->gate)
        ak_gate_stop(server->gate);
    ak_codec_give(&server->shut);
    grpc_server_shutdown_and_notify(server->grpc, server->queue, &server->shut);
    uv_timer_start(&server->grace, on_grace_over, grace_ms, 0);
}

static void on_shut(void *owner, bool ok)
{
    ak_server *s = owner;

    (void)ok;
    uv_timer_stop(&s->grace);
    uv_timer_stop(&s->sweep);
    grpc_server_destroy(s->grpc);
    grpc_completion_queue_shutdown(s->queue);
}

static void all_closed(ak_server *s)
{
    if (--s->handles > 0)
        return;
    uv_mutex_destroy(&s->lock);
    ak_peers_fini(&s->peers);
    ak_codec_stop();
    if (s->closed)
        s->closed(s->closed_ctx);
    free(s);
}

static void on_handle_closed(uv_handle_t *handle)
{
    all_closed(handle->data);
}

static void on_part_closed(void *ctx)
{
    all_closed(ctx);
}

static void release(ak_server *s)
{
    grpc_completion_queue_destroy(s->queue);
    grpc_server_credentials_release(s->credentials);
    s->handles = s->gate ? 5 : 4;
    uv_close((uv_handle_t *)&s->wake, on_handle_closed);
    uv_close((uv_handle_t *)&s->grace, on_handle_closed);
    uv_close((uv_handle_t *)&s->sweep, on_handle_closed);
    ak_listener_close(s->listener, on_part_closed, s);
    if (s->gate)
        ak_gate_close(s->gate, on_part_closed, s);
}

static void on_drained(void *owner, bool ok)
{
    ak_server *s = owner;

    (void)ok;
    uv_thread_join(&s->thread);
    release(s);
}

// abandon ends a server that has no thread yet; the loop frees it.
static void abandon(ak_server *s)
{
    gpr_timespec never = gpr_inf_future(GPR_CLOCK_MONOTONIC);

    grpc_server_shutdown_and_notify(s->grpc, s->queue, &s->shut);
    grpc_completion_queue_next(s->queue, never, NULL);
    grpc_server_destroy(s->grpc);
    grpc_completion_queue_shutdown(s->queue);
    grpc_completion_queue_next(s->queue, never, NULL);
    release(s);
}

// ---- opening

static void serve(ak_server *s, int fd, uid_t uid, ak_badge *badge)
{
    fd = ak_peers_add(&s->peers, fd, uid, badge);
    if (fd >= 0)
        grpc_server_add_channel_from_fd(s->grpc, fd, s->credentials); // takes fd
}

static void on_connection(void *ctx, int fd, uid_t uid)
{
    serve(ctx, fd, uid, NULL);
}

static void on_guest(void *ctx, int fd, ak_badge *badge)
{
    ak_server *s = ctx;

    if (!s->closing) {
        serve(s, fd, (uid_t)-1, badge);
        return;
    }
    close(fd);
    ak_badge_rele(badge);
}

static grpc_arg number(const char *key, int value)
{
    grpc_arg arg = { .type = GRPC_ARG_INTEGER, .key = (char *)key };

    arg.value.integer = value;
    return arg;
}

static grpc_server *server_with_limits(void)
{
    grpc_arg args[] = {
        number(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, AK_RPC_MAX_MESSAGE),
        number(GRPC_ARG_MAX_CONCURRENT_STREAMS, 256),
        // A caller that is connected but silent for two minutes is gone; ours ping less often
        // than we permit.
        number(GRPC_ARG_KEEPALIVE_TIME_MS, 60000),
        number(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 60000),
        number(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1),
        number(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0),
        number(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 5000),
    };
    grpc_channel_args all = { sizeof args / sizeof *args, args };

    return grpc_server_create(&all, NULL);
}

static void register_methods(ak_server *s)
{
    for (int id = 0; id <= AK_RPC_COUNT; id++) {
        ak_arrival *a = &s->arrivals[id];

        *a = (ak_arrival){ .server = s, .rpc = (ak_rpc_id)id };
        a->tag = (ak_tag){ .run = on_arrival, .owner = a };
        if (id == AK_RPC_COUNT)
            break;
        a->method = grpc_server_register_method(s->grpc, ak_rpc_find(a->rpc)->path, NULL,
                                                ak_rpc_find(a->rpc)->kind == AK_RPC_BIDI
                                                    ? GRPC_SRM_PAYLOAD_NONE
                                                    : GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER,
                                                0);
        assert(a->method); // two rows of rpcs.def with one path
    }
}

static void prepare(ak_server *s, uv_loop_t *loop)
{
    s->loop = loop;
    s->last = &s->first;
    s->shut = (ak_tag){ .run = on_shut, .owner = s };
    s->drained = (ak_tag){ .run = on_drained, .owner = s };
    uv_mutex_init(&s->lock);
    uv_async_init(loop, &s->wake, on_wake);
    uv_timer_init(loop, &s->grace);
    uv_timer_init(loop, &s->sweep);
    s->wake.data = s->grace.data = s->sweep.data = s;
    ak_server_set_patience(s, AK_SERVER_PATIENCE_MS);
    ak_codec_start();
    s->queue = grpc_completion_queue_create_for_next(NULL);
    s->credentials = grpc_insecure_server_credentials_create();
    s->grpc = server_with_limits();
    grpc_server_register_completion_queue(s->grpc, s->queue, NULL);
    register_methods(s);
}

akssl_status ak_server_open(ak_server **out, uv_loop_t *loop, const char *path,
                            const ak_server_events *events, void *ctx)
{
    ak_server *s = ak_alloc(1, sizeof *s);
    akssl_status rc = ak_listener_open(&s->listener, loop, path, on_connection, s);

    if (rc < 0) {
        free(s);
        return rc;
    }
    s->events = *events;
    s->ctx = ctx;
    ak_peers_init(&s->peers);
    prepare(s, loop);
    grpc_server_start(s->grpc);
    if (uv_thread_create(&s->thread, wait_for_completions, s) != 0) {
        abandon(s);
        return ak_fail(AKSSL_ERR_LIMIT, "socket '%s': no thread to serve it: raise ulimit -u",
                       path);
    }
    for (int id = 0; id <= AK_RPC_COUNT; id++)
        arm(&s->arrivals[id]);
    *out = s;
    return AKSSL_OK;
}

akssl_status ak_server_listen(ak_server *server, const char *listen, const ak_tls *tls)
{
    return ak_gate_open(&server->gate, server->loop, listen, tls, on_guest, server);
}

int ak_server_port(const ak_server *server)
{
    return server->gate ? ak_gate_port(server->gate) : 0;
}
