// proto/rpc/channel.h -- the calling side of the transport: blocking, with a deadline each.
//
// A channel may be used by several threads; a call and a stream by one thread at a time, except
// that ak_stream_cancel may come from any thread.

#ifndef AK_RPC_CHANNEL_H
#define AK_RPC_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/rpc/rpc.h"
#include "proto/rpc/tls.h"

typedef struct ak_channel ak_channel;
typedef struct ak_stream ak_stream;

// Borrowed for the call.  Every text but address may be NULL.
typedef struct ak_channel_options {
    const char *address; // as address.h has it; a relative path is one of the working folder now
    const char *secret;  // goes along as AK_RPC_SECRET_KEY
    const char *token;   // goes along as "authorization: Bearer TOKEN"
    ak_tls tls;          // for HOST:PORT
} ak_channel_options;

// ak_channel_open_with prepares a channel.  It does not connect: the first call does, and a later
// one connects again.  ERR_INVALID: an address, a token or a certificate that cannot be; a file
// that cannot be read fails as tls.h says.
akssl_status ak_channel_open_with(ak_channel **out,
                                  const ak_channel_options *options) AKSSL_MUST_CHECK;

// ak_channel_open is the same with an address and a secret (may be NULL).
akssl_status ak_channel_open(ak_channel **out, const char *address,
                             const char *secret) AKSSL_MUST_CHECK;

// ak_channel_close is NULL-safe; no call may be under way.  The last use of gRPC in a process,
// ended in the midst of a write, waits for the library's own poller: 10 s at most.
void ak_channel_close(ak_channel *channel);

const char *ak_channel_address(const ak_channel *channel); // a unix socket's path absolute

// ak_channel_connect works on a connection for up to timeout_ms.  A call of a channel that has lost
// its connection fails at once, and nobody goes on with a TLS handshake between calls: whoever
// wants to come back calls this first.  ERR_UNAVAILABLE: it is not there yet.
akssl_status ak_channel_connect(ak_channel *channel, int64_t timeout_ms) AKSSL_MUST_CHECK;

// ak_channel_revive is ak_channel_connect for a channel whose last try to connect has failed; to
// others it does nothing.  The call that follows says whether it helped.
akssl_status ak_channel_revive(ak_channel *channel, int64_t timeout_ms);

// ak_channel_call makes a unary call.  *reply is the caller's: free it with
// protobuf_c_message_free_unpacked(reply, NULL).  Fails with the server's status and sentence,
// ERR_UNAVAILABLE when nothing listens, ERR_DEADLINE after timeout_ms (at least 1), ERR_LIMIT for a
// request over AK_RPC_MAX_MESSAGE.  A server that is going away (gRPC CANCELLED or UNAVAILABLE at
// shutdown) reads as ERR_UNAVAILABLE.  ak_error_told tells a server's own ERR_UNAVAILABLE or
// ERR_DEADLINE, which has its trailer, from gRPC's.
akssl_status ak_channel_call(ak_channel *channel, ak_rpc_id rpc, const ProtobufCMessage *request,
                             int64_t timeout_ms, ProtobufCMessage **reply) AKSSL_MUST_CHECK;

// ak_stream_open starts a server stream (request sent, our side closed) or a bidi call (request
// NULL).  timeout_ms bounds the whole stream (0: none): when it is up, the stream fails with
// ERR_CANCELLED.
akssl_status ak_stream_open(ak_stream **out, ak_channel *channel, ak_rpc_id rpc,
                            const ProtobufCMessage *request, int64_t timeout_ms) AKSSL_MUST_CHECK;

// ak_stream_send sends one message of a bidi call and waits until the transport took it, which a
// server that does not read delays until the stream ends or is cancelled.  One thread may send
// while another receives.  Fails with what ended the stream.
akssl_status ak_stream_send(ak_stream *stream, const ProtobufCMessage *message) AKSSL_MUST_CHECK;

// ak_stream_set_patience has every later send end the stream with ERR_UNAVAILABLE once the
// transport has not taken its message for that long; 0, as at first: never.  The sending thread's.
void ak_stream_set_patience(ak_stream *stream, int64_t ms);

// ak_stream_close_send says that no more will be sent.
akssl_status ak_stream_close_send(ak_stream *stream) AKSSL_MUST_CHECK;

// ak_stream_receive waits up to timeout_ms (0: as long as the stream lives) for the next message:
// *message is the caller's, or NULL with OK at the end of a stream that ended with OK.
// ERR_DEADLINE when none came in time: the stream goes on, call it again (a server that ends it
// with this status reads as ERR_CANCELLED).  Once a stream has ended, every call says the same.
akssl_status ak_stream_receive(ak_stream *stream, int64_t timeout_ms,
                               ProtobufCMessage **message) AKSSL_MUST_CHECK;

void ak_stream_cancel(ak_stream *stream); // any thread; receive then fails with ERR_CANCELLED
void ak_stream_free(ak_stream *stream);   // cancels what is open; NULL-safe

#endif
