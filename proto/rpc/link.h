// proto/rpc/link.h -- one connection of the gate; gate.c's alone, on its thread.
//
//     [shaking] --handshake--> [open] --either side ends, or fails--> [closing] --> freed
//
//     TLS --receive--> in --deliver--> plain socket --> gRPC
//     TLS <--transmit-- out <--fetch-- plain socket <-- gRPC

#ifndef AK_RPC_LINK_H
#define AK_RPC_LINK_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "proto/rpc/badge.h"

struct ssl_ctx_st;
typedef struct ak_link ak_link;

typedef struct ak_link_events {
    // opened: the handshake is over, and the other end of the socket pair is gRPC's.
    void (*opened)(void *ctx, int fd, ak_badge *badge);
    // closed: the link is about to be freed.
    void (*closed)(void *ctx, ak_link *link);
} ak_link_events;

// ak_link_new takes the connection fd.  opened may be called before it returns.
ak_link *ak_link_new(uv_loop_t *loop, struct ssl_ctx_st *tls, int fd, ak_badge *badge,
                     const ak_link_events *events, void *ctx);

bool ak_link_shaking(const ak_link *link);
bool ak_link_known(const ak_link *link);
uint64_t ak_link_since(const ak_link *link); // uv_now at its start

// ak_link_close ends it; closed is called later.  It may be called again.
void ak_link_close(ak_link *link);
bool ak_link_closing(const ak_link *link);

#endif
