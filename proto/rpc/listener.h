// proto/rpc/listener.h -- our own unix listener, so that every connection's uid is known.
//
// Loop thread only.

#ifndef AK_RPC_LISTENER_H
#define AK_RPC_LISTENER_H

#include <sys/types.h>
#include <uv.h>

#include "akssl/status.h"

typedef struct ak_listener ak_listener;

// ak_listener_open listens on path with mode 0600.  accepted takes each connection's descriptor
// (non-blocking, close-on-exec).
akssl_status ak_listener_open(ak_listener **out, uv_loop_t *loop, const char *path,
                              void (*accepted)(void *ctx, int fd, uid_t uid),
                              void *ctx) AKSSL_MUST_CHECK;

// ak_listener_stop ends listening and removes the socket file.
void ak_listener_stop(ak_listener *listener);

// ak_listener_close frees the listener, then calls closed.
void ak_listener_close(ak_listener *listener, void (*closed)(void *ctx), void *ctx);

#endif
