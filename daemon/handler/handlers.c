// daemon/handler/handlers.c -- the table of handlers, and the dispatcher.

#include "daemon/handler/handler.h"
#include "proto/base/error.h"

#define AK_HANDLER(name) extern const ak_handler ak_handler_##name;
#include "daemon/handler/handlers.def"
#undef AK_HANDLER

static const ak_handler *const table[AK_RPC_COUNT] = {
#define AK_HANDLER(name) [AK_RPC_##name] = &ak_handler_##name,
#include "daemon/handler/handlers.def"
#undef AK_HANDLER
};

const ak_handler *ak_handler_find(ak_rpc_id rpc)
{
    return table[rpc];
}

static void started(void *ctx, ak_call *call, ak_rpc_id rpc, const ProtobufCMessage *request)
{
    ak_daemon *d = ctx;
    akssl_status rc = table[rpc]->started(d, call, request);

    if (rc == AKSSL_OK)
        return;
    ak_log_write(d->log, rc == AKSSL_ERR_INTERNAL ? AK_LOG_ERROR : AK_LOG_DEBUG, "%s: %s",
                 ak_rpc_find(rpc)->path, ak_error_text());
    ak_call_fail(call, rc, ak_error_text());
}

static void received(void *ctx, ak_call *call, const ProtobufCMessage *message)
{
    const ak_handler *handler = table[ak_call_rpc(call)];

    if (handler->received)
        handler->received(ctx, call, message);
}

static void drained(void *ctx, ak_call *call)
{
    const ak_handler *handler = table[ak_call_rpc(call)];

    if (handler->drained)
        handler->drained(ctx, call);
}

static void ended(void *ctx, ak_call *call, bool cancelled)
{
    const ak_handler *handler = table[ak_call_rpc(call)];

    (void)cancelled;
    if (handler->ended)
        handler->ended(ctx, call);
}

const ak_server_events *ak_handler_events(void)
{
    static const ak_server_events events = { started, received, drained, ended };

    return &events;
}
