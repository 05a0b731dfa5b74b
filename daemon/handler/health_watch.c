// daemon/handler/health_watch.c -- grpc.health.v1 Watch: the state now; the stream's end is the
// change to come, since a daemon that stops serving closes it.

#include "daemon/handler/health.h"

static akssl_status started(ak_daemon *d, ak_call *call, const ProtobufCMessage *request)
{
    const Grpc__Health__V1__HealthCheckRequest *message =
        (const Grpc__Health__V1__HealthCheckRequest *)request;
    Grpc__Health__V1__HealthCheckResponse reply = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;

    reply.status = ak_health_of(d, message->service);
    ak_call_send(call, &reply.base);
    return AKSSL_OK;
}

const ak_handler ak_handler_health_watch = {
    .access = AK_ACCESS_ANYBODY,
    .started = started,
};
