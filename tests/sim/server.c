// tests/sim/server.c -- proto/rpc/server.h on the simulated network.

#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "tests/sim/net.h"
#include "tests/sim/procs.h"

enum { FULL = 6000, LOW = 2000 };
enum { LATE_S = 20, TWICE_S = 60 }; // that a packet is late by, at most

struct ak_server {
    uv_loop_t *loop;
    ak_server_events events;
    void *ctx;
    bool closing, closed;
    void (*on_closed)(void *ctx);
    void *closed_ctx;
    int calls;
};

void sim_net_begin(void)
{
    sim_here->net = sim_alloc(sizeof(sim_net));
}

static void clear(sim_queue *q)
{
    while (q->first) {
        sim_packet *next = q->first->next;

        free(q->first->bytes);
        free(q->first);
        q->first = next;
    }
    q->last = NULL;
}

void sim_net_end(void)
{
    for (ak_call *call = sim_here->net->calls; call; call = call->next) {
        clear(&call->up);
        clear(&call->down);
    }
}

static sim_packet *take(sim_queue *q)
{
    sim_packet *p = q->first;

    if (!p)
        return NULL;
    q->first = p->next;
    if (!q->first)
        q->last = NULL;
    return p;
}

static void put(sim_queue *q, const ProtobufCMessage *message)
{
    sim_packet *p = ak_alloc(1, sizeof *p);

    if (message) {
        p->size = protobuf_c_message_get_packed_size(message);
        p->bytes = ak_alloc(p->size + 1, 1);
        protobuf_c_message_pack(message, p->bytes);
    }
    if (q->last)
        q->last->next = p;
    else
        q->first = p;
    q->last = p;
}

// delay is a message's time; not before the one ahead of it.
static int64_t delay(sim_queue *q)
{
    int64_t at = sim_here->now + (sim_chance(10) ? sim_range(0, sim_here->plan.net_ms * SIM_MS)
                                                 : sim_range(0, SIM_MS));

    if (at < q->last_at)
        at = q->last_at;
    q->last_at = at;
    return at - sim_here->now;
}

static ak_server *server_of(const ak_call *call)
{
    return sim_here->up && call->life == sim_here->lives ? sim_here->net->server : NULL;
}

// ---- to the caller

static void end_for_caller(ak_call *call, akssl_status rc, const char *sentence)
{
    if (call->over)
        return;
    call->over = true;
    sim_cancel(&call->deadline);
    sim_trace("call %d %s ends for its caller: %s %s", call->id, ak_rpc_find(call->rpc)->path,
              akssl_strstatus(rc), sentence);
    if (call->caller.ended)
        call->caller.ended(call->caller.ctx, call, rc, sentence);
}

// wait puts an event of a caller that is frozen off.
static bool wait(ak_call *call, sim_action action)
{
    int64_t until = call->caller.frozen ? call->caller.frozen(call->caller.ctx) : 0;

    if (until <= sim_here->now)
        return false;
    sim_after(SIM_WORLD, until - sim_here->now, "thaws", action, call, NULL);
    return true;
}

static void on_cut(void *ctx)
{
    if (wait(ctx, on_cut))
        return;
    end_for_caller(ctx, AKSSL_ERR_UNAVAILABLE, "connection lost");
}

static void on_drained(void *ctx)
{
    ak_call *call = ctx;
    ak_server *server = server_of(call);

    if (server && call->here && !call->answered && server->events.drained)
        server->events.drained(server->ctx, call);
}

static void on_down(void *ctx)
{
    ak_call *call = ctx;
    sim_packet *p;
    ProtobufCMessage *message;

    if (wait(call, on_down))
        return;
    p = call->cut ? NULL : take(&call->down);
    if (!p)
        return;
    if (p->bytes && !call->over) {
        message = protobuf_c_message_unpack(ak_rpc_find(call->rpc)->reply, NULL, p->size, p->bytes);
        if (!message)
            sim_broken("call %d: a message to the caller does not unpack", call->id);
        if (call->caller.message)
            call->caller.message(call->caller.ctx, call, message);
        protobuf_c_message_free_unpacked(message, NULL);
    }
    call->down_bytes -= p->size;
    if (call->full && call->down_bytes < LOW) {
        call->full = false;
        sim_after(SIM_DAEMON, 0, "drained", on_drained, call, NULL);
    }
    if (!p->bytes)
        end_for_caller(call, call->rc, call->sentence ? call->sentence : "");
    free(p->bytes);
    free(p);
}

static void send_down(ak_call *call, const ProtobufCMessage *message)
{
    if (sim_here->dead || call->cut)
        return;
    put(&call->down, message);
    call->down_bytes += call->down.last->size;
    sim_after(SIM_WORLD, delay(&call->down), "down", on_down, call, NULL);
}

// ---- akssld's end

static void look_closed(ak_server *server);

static void on_ended(void *ctx)
{
    ak_call *call = ctx;
    ak_server *server = server_of(call);

    call->ended = true;
    if (!server || !call->here)
        return;
    call->here = false;
    if (server->events.ended)
        server->events.ended(server->ctx, call, !call->answered);
    server->calls--;
    look_closed(server);
}

static void end_here(ak_call *call, int64_t ns)
{
    sim_after(SIM_DAEMON, ns, "ended", on_ended, call, NULL);
}

static void answer(ak_call *call, akssl_status rc, const char *sentence)
{
    if (call->answered)
        return;
    call->answered = true;
    if (!sim_here->dead)
        sim_trace("answers call %d %s: %s %s", call->id, ak_rpc_find(call->rpc)->path,
                  akssl_strstatus(rc), sentence);
    call->rc = rc;
    call->sentence = sim_format("%s", sentence);
    send_down(call, NULL);
    end_here(call, sim_range(0, 5 * SIM_MS));
}

void ak_call_reply(ak_call *call, const ProtobufCMessage *message)
{
    if (call->answered)
        return;
    send_down(call, message);
    answer(call, AKSSL_OK, "");
}

bool ak_call_send(ak_call *call, const ProtobufCMessage *message)
{
    if (call->answered)
        return false;
    send_down(call, message);
    call->full = call->full || call->down_bytes > FULL;
    return call->full;
}

size_t ak_call_waiting(const ak_call *call)
{
    return call->down_bytes;
}

void ak_call_finish(ak_call *call)
{
    answer(call, AKSSL_OK, "");
}

void ak_call_fail(ak_call *call, akssl_status status, const char *sentence)
{
    answer(call, status, sentence);
}

// ---- from the caller

static void arrive(ak_server *server, ak_call *call, const ProtobufCMessage *message)
{
    if (call->here) {
        if (server->events.received)
            server->events.received(server->ctx, call, message);
        return;
    }
    call->here = true;
    server->calls++;
    sim_trace("call %d %s arrives", call->id, ak_rpc_find(call->rpc)->path);
    if (sim_here->plant == SIM_PLANT_ACK_COMMIT && call->rpc == AK_RPC_commit) {
        Akssl__V1__CommitReply reply = AKSSL__V1__COMMIT_REPLY__INIT;

        ak_call_reply(call, &reply.base);
    }
    server->events.started(server->ctx, call, call->rpc, message);
}

static void tell_late(ak_call *call, const ProtobufCMessage *message)
{
    sim_trace("call %d arrives late", call->id);
    if (call->caller.late && ak_rpc_find(call->rpc)->kind == AK_RPC_UNARY)
        call->caller.late(call->caller.ctx, call, message);
}

static bool is_heard(const ak_call *call)
{
    return (!call->cut || call->late_until) && !call->answered && !call->ended;
}

static void on_up(void *ctx)
{
    ak_call *call = ctx;
    ak_server *server = server_of(call);
    sim_packet *p;
    const ak_rpc *rpc = ak_rpc_find(call->rpc);
    bool first = !call->here;
    ProtobufCMessage *message = NULL;

    if (sim_here->now < call->late_until) {
        sim_after(SIM_DAEMON, call->late_until - sim_here->now, "late", on_up, call, NULL);
        return;
    }
    p = take(&call->up);
    if (!p)
        return;
    if (server && !sim_here->dead && is_heard(call)) {
        if (first && server->closing) {
            call->rc = AKSSL_ERR_UNAVAILABLE;
            call->answered = true;
            send_down(call, NULL);
        } else {
            if (p->bytes)
                message = protobuf_c_message_unpack(rpc->request, NULL, p->size, p->bytes);
            if (p->bytes && !message)
                sim_broken("call %d: a message to akssld does not unpack", call->id);
            if (call->cut && message)
                tell_late(call, message);
            arrive(server, call, first && rpc->kind == AK_RPC_BIDI ? NULL : message);
            if (message)
                protobuf_c_message_free_unpacked(message, NULL);
        }
    }
    free(p->bytes);
    free(p);
}

static void send_up(ak_call *call, const ProtobufCMessage *message)
{
    if (call->cut || call->over)
        return;
    put(&call->up, message);
    sim_after(SIM_DAEMON, delay(&call->up), "up", on_up, call, NULL);
}

static void on_deadline(void *ctx)
{
    ak_call *call = ctx;

    call->deadline = NULL;
    sim_net_drop(call);
    call->over = false;
    end_for_caller(call, AKSSL_ERR_DEADLINE, "deadline exceeded");
}

// ---- a call that is heard again

static void on_twice(void *ctx)
{
    ak_call *call = ctx;

    call->life = sim_here->lives;
    if (!server_of(call) || sim_here->dead)
        return;
    sim_after(SIM_DAEMON, 0, "twice", on_up, call, NULL);
    end_here(call, sim_range(0, sim_here->plan.net_ms * SIM_MS));
}

// The copy of a call is cut for its caller from the beginning; the akssld that it reaches may be a
// later one.
static void repeat(const ak_call *call, const ProtobufCMessage *request)
{
    sim_net *net = sim_here->net;
    int64_t late = sim_range(1, (sim_chance(70) ? 2 : TWICE_S) * SIM_S);
    ak_call *copy = sim_alloc(sizeof *copy);

    copy->next = net->calls;
    net->calls = copy;
    copy->id = ++net->last_id;
    copy->rpc = call->rpc;
    memcpy(copy->secret, call->secret, sizeof copy->secret);
    copy->run = call->run;
    copy->caller = call->caller;
    copy->over = copy->cut = true;
    copy->late_until = sim_here->now + late;
    put(&copy->up, request);
    sim_after(SIM_WORLD, late, "twice", on_twice, copy, NULL);
}

ak_call *sim_net_call(ak_rpc_id rpc, const char *secret, const char *run,
                      const ProtobufCMessage *request, int64_t deadline_ms,
                      const sim_caller *caller)
{
    sim_net *net = sim_here->net;
    ak_call *call = sim_alloc(sizeof *call);

    call->next = net->calls;
    net->calls = call;
    call->id = ++net->last_id;
    call->life = sim_here->lives;
    call->rpc = rpc;
    snprintf(call->secret, sizeof call->secret, "%s", secret);
    call->run = run;
    call->caller = *caller;
    if (!sim_here->up || !net->server || sim_here->dead) {
        call->cut = true;
        sim_after(SIM_WORLD, sim_range(0, 2 * SIM_MS), "refused", on_cut, call, NULL);
        return call;
    }
    if (deadline_ms)
        sim_after(SIM_WORLD, deadline_ms * SIM_MS, "deadline", on_deadline, call, &call->deadline);
    send_up(call, request);
    if (request && ak_rpc_find(rpc)->kind == AK_RPC_UNARY &&
        sim_here->now < sim_here->plan.faults_end && sim_chance(sim_here->plan.twice))
        repeat(call, request);
    return call;
}

void sim_net_send(ak_call *call, const ProtobufCMessage *message)
{
    send_up(call, message);
}

void sim_net_close_send(ak_call *call)
{
    send_up(call, NULL);
}

// leave ends a call for akssld; some of what is under way to it may come before that.
static void leave(ak_call *call)
{
    int64_t late = 0, end = sim_range(0, sim_here->plan.net_ms * SIM_MS);

    clear(&call->down);
    if (!server_of(call))
        return;
    if (call->up.first && sim_here->now < sim_here->plan.faults_end &&
        sim_chance(sim_here->plan.late)) {
        late = sim_range(1, LATE_S * SIM_S);
        call->late_until = sim_here->now + late;
    }
    end_here(call, late + end);
}

void sim_net_drop(ak_call *call)
{
    if (call->over)
        return;
    call->over = call->cut = true;
    sim_cancel(&call->deadline);
    leave(call);
}

void sim_net_cut(ak_call *call)
{
    if (call->over || call->cut)
        return;
    call->cut = true;
    sim_after(SIM_WORLD, sim_range(0, sim_here->plan.net_ms * SIM_MS), "cut", on_cut, call, NULL);
    leave(call);
}

void sim_net_cut_all(void)
{
    for (ak_call *call = sim_here->net->calls; call; call = call->next)
        sim_net_cut(call);
}

void sim_net_cut_some(void)
{
    int64_t count = 0, chosen;

    for (ak_call *call = sim_here->net->calls; call; call = call->next)
        count += !call->over && !call->cut;
    chosen = sim_range(0, count - 1);
    for (ak_call *call = sim_here->net->calls; call && count; call = call->next)
        if (!call->over && !call->cut && chosen-- == 0) {
            sim_trace("the connection of call %d is lost", call->id);
            sim_net_cut(call);
            return;
        }
}

// ---- the server

akssl_status ak_server_open(ak_server **out, uv_loop_t *loop, const char *path,
                            const ak_server_events *events, void *ctx)
{
    ak_server *server;

    if (sim_here->dead)
        return ak_fail(AKSSL_ERR_IO, "'%s': dead", path);
    server = sim_alloc(sizeof *server);
    *server = (ak_server){ .loop = loop, .events = *events, .ctx = ctx };
    loop->active_handles++;
    sim_here->net->server = *out = server;
    return AKSSL_OK;
}

// There is no TCP here.
akssl_status ak_server_listen(ak_server *server, const char *listen, const ak_tls *tls)
{
    (void)server;
    (void)tls;
    return ak_fail(AKSSL_ERR_UNSUPPORTED, "'%s': no TCP here", listen);
}

int ak_server_port(const ak_server *server)
{
    (void)server;
    return 0;
}

static void on_server_closed(void *ctx)
{
    ak_server *server = ctx;

    server->loop->active_handles--;
    sim_here->net->server = NULL;
    server->on_closed(server->closed_ctx);
}

static void look_closed(ak_server *server)
{
    if (!server->closing || server->calls || server->closed)
        return;
    server->closed = true;
    sim_after(SIM_DAEMON, 0, "server closed", on_server_closed, server, NULL);
}

static void on_grace(void *ctx)
{
    ak_server *server = ctx;

    for (ak_call *call = sim_here->net->calls; call; call = call->next)
        if (call->here && server_of(call) == server) {
            sim_net_cut(call);
            end_here(call, 0);
        }
    look_closed(server);
}

void ak_server_close(ak_server *server, uint64_t grace_ms, void (*closed)(void *ctx), void *ctx)
{
    server->closing = true;
    server->on_closed = closed;
    server->closed_ctx = ctx;
    sim_after(SIM_DAEMON, (int64_t)grace_ms * SIM_MS, "grace", on_grace, server, NULL);
}
