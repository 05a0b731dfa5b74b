// daemon/handler/health.h -- what Check and Watch of grpc.health.v1 share.

#ifndef AK_DAEMON_HANDLER_HEALTH_H
#define AK_DAEMON_HANDLER_HEALTH_H

#include <string.h>

#include "daemon/handler/handler.h"

// ak_health_of is the state of a service: "" is the whole program.
static inline Grpc__Health__V1__HealthCheckResponse__ServingStatus ak_health_of(const ak_daemon *d,
                                                                                const char *service)
{
    if (service[0] && strcmp(service, "akssl.v1.Lab") != 0 && strcmp(service, "akssl.v1.Run") != 0)
        return GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN;
    return d->stopping ? GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING
                       : GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
}

#endif
