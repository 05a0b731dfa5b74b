// daemon/handler/revoke_token.c -- RevokeToken: durable, then the token's calls under way end.

#include "daemon/handler/tokens.h"
#include "proto/base/clock.h"

static akssl_status started(ak_daemon *d, ak_call *call, const ProtobufCMessage *request)
{
    const Akssl__V1__RevokeTokenRequest *message = (const Akssl__V1__RevokeTokenRequest *)request;
    Akssl__V1__Token reply = AKSSL__V1__TOKEN__INIT;
    akssl_status rc = ak_store_revoke_token(d->store, message->id, ak_clock_wall_ms());

    if (rc < 0)
        return rc;
    reply.has_id = 1;
    reply.id = message->id;
    ak_call_reply(call, &reply.base);
    ak_auth_end_token(d->auth, message->id);
    return AKSSL_OK;
}

const ak_handler ak_handler_revoke_token = {
    .access = AK_ACCESS_ADMIN,
    .started = started,
};
