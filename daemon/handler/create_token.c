// daemon/handler/create_token.c -- CreateToken: the one moment at which a token's text is known.

#include <stdio.h>

#include "daemon/handler/tokens.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"

#define DAY ((int64_t)86400)

static akssl_status read_request(const Akssl__V1__CreateTokenRequest *message, ak_token *token)
{
    const char *access = message->access && message->access[0] ? message->access : "submit";
    int64_t seconds = message->has_seconds ? message->seconds : 90 * DAY;
    akssl_status rc = ak_token_check_user(message->user ? message->user : "");

    if (rc < 0)
        return rc;
    token->access = ak_access_parse(access);
    if (!token->access)
        return ak_fail(AKSSL_ERR_INVALID, "scope '%.64s': give read, submit or admin", access);
    if (seconds < 0 || seconds > 36500 * DAY)
        return ak_fail(AKSSL_ERR_INVALID, "a token is valid for up to 36500 days, or, with 0, for "
                                          "ever");
    snprintf(token->user, sizeof token->user, "%s", message->user);
    token->created_ms = ak_clock_wall_ms();
    token->expires_ms = seconds ? token->created_ms + seconds * 1000 : 0;
    return AKSSL_OK;
}

static akssl_status started(ak_daemon *d, ak_call *call, const ProtobufCMessage *request)
{
    Akssl__V1__CreateTokenReply reply = AKSSL__V1__CREATE_TOKEN_REPLY__INIT;
    char text[AK_TOKEN_TEXT];
    Akssl__V1__Token wire;
    ak_token token = { 0 };
    akssl_status rc = read_request((const Akssl__V1__CreateTokenRequest *)request, &token);

    if (rc == AKSSL_OK)
        rc = ak_token_make(text, token.hash);
    if (rc == AKSSL_OK)
        rc = ak_store_add_token(d->store, &token);
    if (rc < 0)
        return rc;
    wire = ak_tokens_wire(&token);
    reply.token = &wire;
    reply.secret = text;
    ak_call_reply(call, &reply.base);
    return AKSSL_OK;
}

const ak_handler ak_handler_create_token = {
    .access = AK_ACCESS_ADMIN,
    .started = started,
};
