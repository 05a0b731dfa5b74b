// proto/rpc/gate.h -- TCP connections: accepted, made private, and handed on as plain sockets.
//
//     caller --TCP, TLS--> [gate's thread: handshake, then bytes both ways] --socket pair--> gRPC
//
// A thread of its own, so that neither a flood of handshakes nor bulk data holds up the loop that
// owns the daemon's state.  gRPC sees plain connections, as it does from the unix socket; its own
// TCP listener has no bound on connections, and is deaf for good once descriptors have run out.
//
// Bounds: AK_PEERS_TCP connections.  One that is still shaking hands after handshake_ms is closed,
// and so is one on which nobody has shown who they are (ak_badge) after anonymous_ms.  When all
// places are taken, the oldest such connection makes room, handshakes first; when there is none,
// the newcomer is closed.

#ifndef AK_RPC_GATE_H
#define AK_RPC_GATE_H

#include <uv.h>

#include "proto/rpc/badge.h"
#include "proto/rpc/tls.h"

typedef struct ak_gate ak_gate;

enum { AK_GATE_HANDSHAKE_MS = 10000, AK_GATE_ANONYMOUS_MS = 30000 };

// ak_gate_open listens on "HOST:PORT" (an IPv6 host in brackets; port 0: any) and starts the
// thread. tls NULL: without encryption.  entered is called on loop's thread for each connection
// that is ready, with a descriptor (non-blocking, close-on-exec) and a hold of its badge, both its
// to keep. ERR_INVALID, ERR_NOT_FOUND (no such host), ERR_EXISTS (the port is taken).
akssl_status ak_gate_open(ak_gate **out, uv_loop_t *loop, const char *listen, const ak_tls *tls,
                          void (*entered)(void *ctx, int fd, ak_badge *badge),
                          void *ctx) AKSSL_MUST_CHECK;

int ak_gate_port(const ak_gate *gate); // that it listens on

// ak_gate_stop accepts no more; connections go on.
void ak_gate_stop(ak_gate *gate);

// ak_gate_close ends connections and thread, frees the gate, then calls closed.
void ak_gate_close(ak_gate *gate, void (*closed)(void *ctx), void *ctx);

#endif
