// daemon/handler/handlers.c -- the table of handlers, and the dispatcher.

#include "daemon/handler/handler.h"

#include <inttypes.h>
#include <stdio.h>

#include "daemon/control.h"
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

// check_owner lets a job be changed by its owner and administrators alone.
static akssl_status check_owner(ak_daemon *d, ak_caller *caller, int64_t id)
{
    const ak_job *job;
    ak_job *stored;
    char what[32];
    akssl_status rc = ak_control_find(d, id, &job, &stored);

    if (rc < 0)
        return rc;
    snprintf(what, sizeof what, "job %" PRId64, id);
    caller->job = id;
    rc = ak_auth_check_owner(caller, what, job->owner);
    ak_job_free(stored);
    return rc;
}

static akssl_status begin(ak_daemon *d, ak_call *call, const ProtobufCMessage *request)
{
    const ak_handler *handler = table[ak_call_rpc(call)];
    akssl_status rc = AKSSL_OK;

    if (handler->job_at)
        rc = check_owner(d, ak_call_caller(call),
                         *(const int64_t *)(const void *)((const char *)request + handler->job_at));
    if (rc == AKSSL_OK)
        rc = handler->started(d, call, request);
    if (rc == AKSSL_OK && handler->access == AK_ACCESS_RUN)
        ak_call_vouch(call);
    return rc;
}

static void refuse(const ak_daemon *d, ak_call *call, akssl_status rc)
{
    ak_log_write(d->log, rc == AKSSL_ERR_INTERNAL ? AK_LOG_ERROR : AK_LOG_DEBUG, "%s: %s",
                 ak_rpc_find(ak_call_rpc(call))->path, ak_error_text());
    ak_call_fail(call, rc, ak_error_text());
}

void ak_handler_entered(void *ctx, ak_call *call, const ProtobufCMessage *request, akssl_status rc)
{
    ak_daemon *d = ctx;

    if (rc == AKSSL_OK && d->closing)
        rc = ak_fail(AKSSL_ERR_UNAVAILABLE, "akssld is stopping: try again later");
    if (rc == AKSSL_OK)
        rc = begin(d, call, request);
    if (rc < 0)
        refuse(d, call, rc);
}

static void started(void *ctx, ak_call *call, ak_rpc_id rpc, const ProtobufCMessage *request)
{
    ak_daemon *d = ctx;
    ak_caller *caller;
    akssl_status rc = ak_auth_enter(d->auth, call, request, table[rpc]->access, &caller);

    ak_call_set_caller(call, caller);
    if (rc == AKSSL_OK && !caller->waits)
        rc = begin(d, call, request);
    if (rc < 0)
        refuse(d, call, rc);
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
    ak_daemon *d = ctx;
    akssl_status rc = ak_call_outcome(call);

    if (handler->ended)
        handler->ended(d, call);
    if (rc == AKSSL_OK && cancelled)
        rc = AKSSL_ERR_CANCELLED;
    ak_audit_call(d->audit, ak_call_caller(call), handler->access >= AK_ACCESS_SUBMIT, rc);
    ak_auth_leave(d->auth, ak_call_caller(call));
}

const ak_server_events *ak_handler_events(void)
{
    static const ak_server_events events = { started, received, drained, ended };

    return &events;
}
