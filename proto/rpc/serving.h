// proto/rpc/serving.h -- what server.c and call.c share; nobody else includes it.
//
//     gRPC threads -> completion queue -> [our thread] -> list + uv_async -> [loop thread]
//
// A batch of operations carries a tag; the tag's run is called on the loop thread when the batch
// is complete.  A tag is in at most one batch at a time, so that the list is intrusive.

#ifndef AK_RPC_SERVING_H
#define AK_RPC_SERVING_H

#include <stdbool.h>

#include "proto/rpc/codec.h"
#include "proto/rpc/gate.h"
#include "proto/rpc/listener.h"
#include "proto/rpc/peers.h"
#include "proto/rpc/server.h"

typedef struct ak_tag {
    void (*run)(void *owner, bool ok);
    void *owner;
    struct ak_tag *next;
    bool ok;
} ak_tag;

// One waits in gRPC for the next call of each method, and one for calls of no known method.
typedef struct ak_arrival {
    ak_tag tag;
    ak_server *server;
    ak_rpc_id rpc; // AK_RPC_COUNT: unknown methods
    void *method;
    grpc_call *call;
    grpc_call_details details; // unknown methods
    gpr_timespec deadline;
    grpc_metadata_array metadata;
    grpc_byte_buffer *payload;
} ak_arrival;

struct ak_server {
    uv_loop_t *loop;
    ak_server_events events;
    void *ctx;
    grpc_server *grpc;
    grpc_completion_queue *queue;
    grpc_server_credentials *credentials;
    ak_listener *listener;
    ak_gate *gate; // NULL: no TCP
    ak_peers peers;
    ak_arrival arrivals[AK_RPC_COUNT + 1];
    int calls;           // under way
    ak_call *first_call; // of them
    int64_t patience_ms; // with a caller that takes nothing

    uv_thread_t thread;
    uv_async_t wake;
    uv_mutex_t lock;
    ak_tag *first, **last; // what completed; under lock

    bool closing;
    uv_timer_t grace, sweep;
    ak_tag shut, drained;
    int handles; // of libuv, not closed yet
    void (*closed)(void *ctx);
    void *closed_ctx;
};

enum {
    AK_SERVER_CALLS = 4096,    // under way at once, over all connections
    AK_CALL_FULL = 8 << 20,    // bytes waiting that make ak_call_send say so
    AK_CALL_LOW = 4 << 20,     // and those at which `drained` follows
    AK_CALL_LIMIT = 256 << 20, // a sender that does not hold back fails here
};

enum { AK_SERVER_PATIENCE_MS = 300000, AK_SERVER_SWEEPS = 4 }; // sweeps in that time

// ak_call_sweep ends the calls whose callers have taken nothing of what waits for them for so long.
void ak_call_sweep(ak_server *server);

// ak_call_begin starts the life of a call that arrived; it takes the arrival's call and payload.
void ak_call_begin(ak_arrival *arrival);

#endif
