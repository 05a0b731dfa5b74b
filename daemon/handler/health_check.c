// daemon/handler/health_check.c -- grpc.health.v1 Check.

#include "daemon/handler/health.h"
#include "proto/base/error.h"

static akssl_status started(ak_daemon *d, ak_call *call, const ProtobufCMessage *request)
{
    const Grpc__Health__V1__HealthCheckRequest *message =
        (const Grpc__Health__V1__HealthCheckRequest *)request;
    Grpc__Health__V1__HealthCheckResponse reply = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;

    reply.status = ak_health_of(d, message->service);
    if (reply.status == GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN)
        return ak_fail(AKSSL_ERR_NOT_FOUND,
                       "service '%.64s': there are akssl.v1.Lab and akssl.v1.Run",
                       message->service);
    ak_call_reply(call, &reply.base);
    return AKSSL_OK;
}

const ak_handler ak_handler_health_check = {
    .access = AK_ACCESS_ANYBODY,
    .started = started,
};
