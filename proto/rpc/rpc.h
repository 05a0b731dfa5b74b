// proto/rpc/rpc.h -- the table of calls, and what both ends share.

#ifndef AK_RPC_RPC_H
#define AK_RPC_RPC_H

#include <protobuf-c/protobuf-c.h>

#include "akssl.pb-c.h"
#include "health.pb-c.h"
#include "reflection.pb-c.h"

#include "akssl/status.h"
#include "proto/spec/spec.h"

enum {
    AK_RPC_MAX_MESSAGE = 4 << 20, // bytes a receiver takes
    AK_RPC_CHUNK = 1 << 20,       // bytes of tensor or log in one message
};

#define AK_RPC_SECRET_KEY "akssl-run-secret" // metadata of the Run service
#define AK_RPC_BEARER "Bearer "              // what a token in the metadata "authorization" follows

typedef enum ak_rpc_kind { AK_RPC_UNARY = 1, AK_RPC_SERVER_STREAM, AK_RPC_BIDI } ak_rpc_kind;

typedef enum ak_rpc_id {
#define AK_RPC(id, path, request, reply, kind) AK_RPC_##id,
#include "proto/rpc/rpcs.def"
#undef AK_RPC
    AK_RPC_COUNT
} ak_rpc_id;

typedef struct ak_rpc {
    const char *path;
    const ProtobufCMessageDescriptor *request, *reply;
    ak_rpc_kind kind;
} ak_rpc;

// ak_rpc_find gives the row of a call.
const ak_rpc *ak_rpc_find(ak_rpc_id id);

// ak_rpc_status_to_grpc and back.  gRPC's codes are fewer (LIMIT, NO_SPACE and NO_MEMORY are all
// RESOURCE_EXHAUSTED), so that our server sends the akssl_status along and our channel prefers it.
int ak_rpc_status_to_grpc(akssl_status status);
akssl_status ak_rpc_status_from_grpc(int code);

// ak_rpc_spec_encode makes the wire's spec of spec; free with akssl__v1__job_spec__free_unpacked.
Akssl__V1__JobSpec *ak_rpc_spec_encode(const ak_spec *spec);

// ak_rpc_spec_encode_given leaves out what was not given, which is then the receiver's to settle.
Akssl__V1__JobSpec *ak_rpc_spec_encode_given(const ak_spec *spec);

// ak_rpc_spec_decode puts the fields that message has on top of *spec (start from ak_spec_init),
// with the table's checks.
akssl_status ak_rpc_spec_decode(ak_spec *spec, const Akssl__V1__JobSpec *message) AKSSL_MUST_CHECK;

#endif
