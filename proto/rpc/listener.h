// proto/rpc/listener.h -- our own unix listener, so that every connection's uid is known.
//
// Loop thread only.  gRPC reports the caller of a call as "fd:N"; each connection is therefore
// moved to a descriptor number that was not used lately, and a table holds its uid.

#ifndef AK_RPC_LISTENER_H
#define AK_RPC_LISTENER_H

#include <sys/types.h>
#include <uv.h>

#include "akssl/status.h"

typedef struct ak_listener ak_listener;

enum { AK_LISTENER_CONNECTIONS = 256 }; // open at once; one more is closed at once

// ak_listener_open listens on path with mode 0600.  accepted takes each connection's descriptor
// (non-blocking, close-on-exec).
akssl_status ak_listener_open(ak_listener **out, uv_loop_t *loop, const char *path,
                              void (*accepted)(void *ctx, int fd), void *ctx) AKSSL_MUST_CHECK;

// ak_listener_uid gives the uid behind an accepted descriptor; (uid_t)-1 when it is none of ours.
uid_t ak_listener_uid(const ak_listener *listener, int fd);

// ak_listener_stop ends listening and removes the socket file; the table stays.
void ak_listener_stop(ak_listener *listener);

// ak_listener_close frees the listener, then calls closed.
void ak_listener_close(ak_listener *listener, void (*closed)(void *ctx), void *ctx);

#endif
