// daemon/handler/health_watch.c -- grpc.health.v1 Watch: the state now; the stream's end is the
// change to come, since a daemon that stops serving closes it.

#include "daemon/handler/health.h"
#include "proto/base/error.h"

// Nobody has vouched for these callers: they must leave room for those that somebody has.
enum { WATCHES = 256 };

static akssl_status started(ak_daemon *d, ak_call *call, const ProtobufCMessage *request)
{
    const Grpc__Health__V1__HealthCheckRequest *message =
        (const Grpc__Health__V1__HealthCheckRequest *)request;
    Grpc__Health__V1__HealthCheckResponse reply = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;

    if (d->health_watches == WATCHES)
        return ak_fail(AKSSL_ERR_LIMIT, "health: %d watch it already: ask with Check", WATCHES);
    d->health_watches++;
    ak_call_set_user(call, d);
    reply.status = ak_health_of(d, message->service);
    ak_call_send(call, &reply.base);
    return AKSSL_OK;
}

static void ended(ak_daemon *d, ak_call *call)
{
    d->health_watches -= ak_call_user(call) != NULL;
}

const ak_handler ak_handler_health_watch = {
    .access = AK_ACCESS_ANYBODY,
    .started = started,
    .ended = ended,
};
