// daemon/http/healthz.c -- /healthz: whether akssld takes jobs.

#include "daemon/http/route.h"
#include "proto/base/error.h"

static akssl_status look(ak_ask *ask)
{
    if (ask->d->stopping)
        return ak_fail(AKSSL_ERR_UNAVAILABLE, "akssld is stopping");
    if (ask->d->behind)
        return ak_fail(
            AKSSL_ERR_UNAVAILABLE,
            "akssld cannot write its database: its log says what is wrong with the disk");
    ak_str_append(&ask->body, "ok\n");
    return AKSSL_OK;
}

const ak_route ak_route_healthz = {
    .path = "/healthz",
    .type = "text/plain; charset=utf-8",
    .access = AK_ACCESS_ANYBODY,
    .look = look,
};
