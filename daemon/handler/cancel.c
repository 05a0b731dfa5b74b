// daemon/handler/cancel.c -- Cancel: the wish is durable, then answered, then carried out.
//
// A job that runs is told as RUNNING, "is being cancelled": its processes need a moment.

#include "daemon/control.h"
#include "daemon/handler/handler.h"
#include "daemon/wire.h"

typedef struct answer {
    ak_daemon *d;
    ak_call *call;
} answer;

static void seen(void *ctx, const ak_job *job)
{
    answer *a = ctx;

    ak_wire_reply(a->call, job, a->d->config->state_dir);
}

static akssl_status started(ak_daemon *d, ak_call *call, const ProtobufCMessage *request)
{
    const Akssl__V1__JobRequest *message = (const Akssl__V1__JobRequest *)request;

    return ak_control_cancel(d, message->id, seen, &(answer){ d, call });
}

const ak_handler ak_handler_cancel = { .started = started };
