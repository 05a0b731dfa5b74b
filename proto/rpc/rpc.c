// proto/rpc/rpc.c -- the table of calls, and status codes on the wire.

#include "proto/rpc/rpc.h"

#include <assert.h>
#include <stddef.h>

#include <grpc/status.h>

#define AK_RPC_KIND_UNARY AK_RPC_UNARY
#define AK_RPC_KIND_SERVER_STREAM AK_RPC_SERVER_STREAM
#define AK_RPC_KIND_BIDI AK_RPC_BIDI

static const ak_rpc table[AK_RPC_COUNT] = {
#define AK_RPC(id, path_, request_, reply_, kind_)                                                 \
    [AK_RPC_##id] = { path_, &request_##__descriptor, &reply_##__descriptor, AK_RPC_KIND_##kind_ },
#include "proto/rpc/rpcs.def"
#undef AK_RPC
};

const ak_rpc *ak_rpc_find(ak_rpc_id id)
{
    assert((unsigned)id < AK_RPC_COUNT);
    return &table[id];
}

int ak_rpc_status_to_grpc(akssl_status status)
{
    switch (status) {
    case AKSSL_OK:
        return GRPC_STATUS_OK;
    case AKSSL_ERR_INVALID:
        return GRPC_STATUS_INVALID_ARGUMENT;
    case AKSSL_ERR_NOT_FOUND:
        return GRPC_STATUS_NOT_FOUND;
    case AKSSL_ERR_EXISTS:
        return GRPC_STATUS_ALREADY_EXISTS;
    case AKSSL_ERR_STATE:
        return GRPC_STATUS_FAILED_PRECONDITION;
    case AKSSL_ERR_UNAVAILABLE:
        return GRPC_STATUS_UNAVAILABLE;
    case AKSSL_ERR_DEADLINE:
        return GRPC_STATUS_DEADLINE_EXCEEDED;
    case AKSSL_ERR_CANCELLED:
        return GRPC_STATUS_CANCELLED;
    case AKSSL_ERR_PERMISSION:
        return GRPC_STATUS_PERMISSION_DENIED;
    case AKSSL_ERR_UNAUTHENTICATED:
        return GRPC_STATUS_UNAUTHENTICATED;
    case AKSSL_ERR_LIMIT:
    case AKSSL_ERR_NO_SPACE:
    case AKSSL_ERR_NO_MEMORY:
        return GRPC_STATUS_RESOURCE_EXHAUSTED;
    case AKSSL_ERR_IO:
        return GRPC_STATUS_ABORTED;
    case AKSSL_ERR_CORRUPT:
        return GRPC_STATUS_DATA_LOSS;
    case AKSSL_ERR_UNSUPPORTED:
        return GRPC_STATUS_UNIMPLEMENTED;
    case AKSSL_ERR_INTERNAL:
        return GRPC_STATUS_INTERNAL;
    }
    return GRPC_STATUS_UNKNOWN;
}

akssl_status ak_rpc_status_from_grpc(int code)
{
    switch (code) {
    case GRPC_STATUS_OK:
        return AKSSL_OK;
    case GRPC_STATUS_INVALID_ARGUMENT:
    case GRPC_STATUS_OUT_OF_RANGE:
        return AKSSL_ERR_INVALID;
    case GRPC_STATUS_NOT_FOUND:
        return AKSSL_ERR_NOT_FOUND;
    case GRPC_STATUS_ALREADY_EXISTS:
        return AKSSL_ERR_EXISTS;
    case GRPC_STATUS_FAILED_PRECONDITION:
        return AKSSL_ERR_STATE;
    case GRPC_STATUS_UNAVAILABLE:
        return AKSSL_ERR_UNAVAILABLE;
    case GRPC_STATUS_DEADLINE_EXCEEDED:
        return AKSSL_ERR_DEADLINE;
    case GRPC_STATUS_CANCELLED:
        return AKSSL_ERR_CANCELLED;
    case GRPC_STATUS_PERMISSION_DENIED:
        return AKSSL_ERR_PERMISSION;
    case GRPC_STATUS_UNAUTHENTICATED:
        return AKSSL_ERR_UNAUTHENTICATED;
    case GRPC_STATUS_RESOURCE_EXHAUSTED:
        return AKSSL_ERR_LIMIT;
    case GRPC_STATUS_ABORTED:
        return AKSSL_ERR_IO;
    case GRPC_STATUS_DATA_LOSS:
        return AKSSL_ERR_CORRUPT;
    case GRPC_STATUS_UNIMPLEMENTED:
        return AKSSL_ERR_UNSUPPORTED;
    default:
        return AKSSL_ERR_INTERNAL;
    }
}
