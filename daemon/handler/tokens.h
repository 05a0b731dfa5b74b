// daemon/handler/tokens.h -- a token as the wire has it.

#ifndef AK_DAEMON_HANDLER_TOKENS_H
#define AK_DAEMON_HANDLER_TOKENS_H

#include "daemon/handler/handler.h"

// ak_tokens_wire makes a message that borrows from token.
static inline Akssl__V1__Token ak_tokens_wire(const ak_token *token)
{
    Akssl__V1__Token m = AKSSL__V1__TOKEN__INIT;

    m.has_id = m.has_created_ms = m.has_expires_ms = m.has_revoked_ms = 1;
    m.id = token->id;
    m.user = (char *)token->user;
    m.access = (char *)ak_access_text(token->access);
    m.created_ms = token->created_ms;
    m.expires_ms = token->expires_ms;
    m.revoked_ms = token->revoked_ms;
    return m;
}

#endif
