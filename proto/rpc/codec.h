// proto/rpc/codec.h -- messages as gRPC's buffers; only files of this folder include it.

#ifndef AK_RPC_CODEC_H
#define AK_RPC_CODEC_H

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>

#include "proto/rpc/rpc.h"

// Trailing metadata of a failed call: the akssl_status as a number, since several of them share
// one gRPC code.  A caller that does not know it loses nothing but that distinction.
#define AK_RPC_STATUS_KEY "akssl-status"

// ak_codec_start and ak_codec_stop bracket the life of every server and channel.  The library's
// own log is silenced, unless GRPC_VERBOSITY is set: users see our sentences.
void ak_codec_start(void);
void ak_codec_stop(void);

// ak_codec_encode packs a message; free the buffer with grpc_byte_buffer_destroy.
grpc_byte_buffer *ak_codec_encode(const ProtobufCMessage *message);

// ak_codec_decode unpacks a buffer (which stays the caller's); NULL when it is no such message.
// Free with protobuf_c_message_free_unpacked.
ProtobufCMessage *ak_codec_decode(const ProtobufCMessageDescriptor *type, grpc_byte_buffer *buffer);

// ak_codec_text copies a slice as a string; free with free().
char *ak_codec_text(grpc_slice slice);

// gRPC is not instrumented, so that the thread sanitizer cannot see that a tag's owner hands it
// over through the completion queue: say so.
#if defined(__SANITIZE_THREAD__)
#define AK_CODEC_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define AK_CODEC_TSAN 1
#endif
#endif
#ifdef AK_CODEC_TSAN
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#define ak_codec_give(tag) __tsan_release(tag)
#define ak_codec_get(tag) __tsan_acquire(tag)
#else
#define ak_codec_give(tag) ((void)(tag))
#define ak_codec_get(tag) ((void)(tag))
#endif

#endif
