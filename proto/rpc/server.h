// proto/rpc/server.h -- the serving side of the transport.
//
// One thread sits in the completion queue and hands what completes to the libuv loop; every
// function here is the loop thread's, and every callback runs on it.  The listener is our own
// (a unix socket of mode 0600, and TCP behind gate.h), accepted by libuv and handed to gRPC, so
// that a call knows its caller's uid (SO_PEERCRED) or address.
//
// Messages of one call arrive in order; calls overtake each other.  A Commit may get here before
// the last pushes of its run's stream, although the worker sent them first: wait for their version.

#ifndef AK_RPC_SERVER_H
#define AK_RPC_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "proto/rpc/rpc.h"
#include "proto/rpc/tls.h"

typedef struct ak_server ak_server;
typedef struct ak_call ak_call; // one call under way; lives until its `ended` callback returns

typedef struct ak_server_events {
    // started: a call arrived.  request is its message (unary, server stream; borrowed for the
    // duration of the callback: copy what you keep) or NULL (bidi).  Unary: exactly one
    // ak_call_reply or ak_call_fail must follow, now or later.  Streams: ak_call_send any number
    // of times, then ak_call_finish or ak_call_fail.  A message that does not unpack never gets
    // here (INVALID_ARGUMENT), nor one over AK_RPC_MAX_MESSAGE (RESOURCE_EXHAUSTED).
    void (*started)(void *ctx, ak_call *call, ak_rpc_id rpc, const ProtobufCMessage *request);

    // received: the next message of a bidi call (borrowed, as above); NULL when the caller closed
    // its side: then ak_call_finish, or go on sending.  A message that does not unpack ends the
    // call.  The next one is taken from the wire when this returns.
    void (*received)(void *ctx, ak_call *call, const ProtobufCMessage *message);

    // drained: a stream that ak_call_send found full can take more.
    void (*drained)(void *ctx, ak_call *call);

    // ended: the call is over (answered, cancelled, deadline, or the caller is gone) and call
    // is about to be freed: drop every pointer to it.  cancelled says it ended before our answer
    // was out.  Called once for each `started`, never from inside an ak_call_ function.
    void (*ended)(void *ctx, ak_call *call, bool cancelled);
} ak_server_events;

// ak_server_open listens on the unix socket path, whose folder must exist.  The caller holds the
// lock that makes path its own; a stale socket there is replaced (ERR_EXISTS: another kind of
// file).  The path keeps under 108 bytes.  At most 1024 connections and 4096 calls are served at
// once; what comes over that is refused.  Every callback but started may be NULL.
akssl_status ak_server_open(ak_server **out, uv_loop_t *loop, const char *path,
                            const ak_server_events *events, void *ctx) AKSSL_MUST_CHECK;

// ak_server_listen serves TCP too, on "HOST:PORT", with its own 1024 connections (gate.h); tls
// NULL: without encryption.  At most once.
akssl_status ak_server_listen(ak_server *server, const char *listen,
                              const ak_tls *tls) AKSSL_MUST_CHECK;
int ak_server_port(const ak_server *server); // that it listens on; 0: no TCP

// ak_server_set_patience says for how long a stream's caller may take nothing of what waits for it,
// before the call ends with ERR_LIMIT; five minutes at first.  Bidi calls are left alone.
void ak_server_set_patience(ak_server *server, int64_t milliseconds);

// ak_server_close stops accepting, removes the socket, lets calls finish for grace_ms (new ones
// fail with ERR_UNAVAILABLE), cancels the rest, and calls closed once all is freed (the server
// too).  Call it once; the loop must go on running.
void ak_server_close(ak_server *server, uint64_t grace_ms, void (*closed)(void *ctx), void *ctx);

// ---- a call (from started until ended).  Once it is answered, failed or gone, further answers are
// dropped.

ak_rpc_id ak_call_rpc(const ak_call *call);
uid_t ak_call_uid(const ak_call *call);             // (uid_t)-1 over TCP
const char *ak_call_peer(const ak_call *call);      // "10.0.0.5:41234"; "" on the unix socket
const char *ak_call_peer_name(const ak_call *call); // in its certificate; "": it showed none
const char *ak_call_token(const ak_call *call);     // metadata "authorization: Bearer ...", or ""
const char *ak_call_secret(const ak_call *call);    // metadata AK_RPC_SECRET_KEY, or ""
void ak_call_set_user(ak_call *call, void *user);   // a pointer of the handler's
void *ak_call_user(const ak_call *call);

// ak_call_vouch says that somebody who may be here has called: its connection may stay.
void ak_call_vouch(ak_call *call);

// ak_call_set_caller keeps who calls with the call, for whoever serves it.
void ak_call_set_caller(ak_call *call, void *caller);
void *ak_call_caller(const ak_call *call);

// ak_call_outcome is what the call was answered with, or is about to be; OK before.
akssl_status ak_call_outcome(const ak_call *call);

// ak_call_reply answers a unary call with message (packed at once) and OK.
void ak_call_reply(ak_call *call, const ProtobufCMessage *message);

// ak_call_send queues one message of a stream.  It always takes it; true means that over 8 MiB
// wait, so hold back until `drained` (under 4 MiB wait).  A call with over 256 MiB fails.
bool ak_call_send(ak_call *call, const ProtobufCMessage *message);

// ak_call_waiting is how many bytes of a stream wait for its caller.
size_t ak_call_waiting(const ak_call *call);

// ak_call_finish ends a stream with OK after what is queued.
void ak_call_finish(ak_call *call);

// ak_call_fail ends any call with the status and this sentence; what is queued is dropped.
void ak_call_fail(ak_call *call, akssl_status status, const char *sentence);

#endif
