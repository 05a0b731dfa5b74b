// daemon/handler/list_tokens.c -- ListTokens: whose they are and until when; no token can be told.

#include <stdlib.h>

#include "daemon/handler/tokens.h"
#include "proto/base/alloc.h"

typedef struct listing {
    ak_token *tokens;
    size_t count;
} listing;

static void see(void *ctx, const ak_token *token)
{
    listing *l = ctx;

    if (l->count < AK_STORE_TOKENS)
        l->tokens[l->count++] = *token;
}

static void reply(ak_call *call, const listing *l)
{
    Akssl__V1__ListTokensReply message = AKSSL__V1__LIST_TOKENS_REPLY__INIT;
    Akssl__V1__Token *wires = ak_alloc(l->count + 1, sizeof *wires);
    Akssl__V1__Token **list = ak_alloc(l->count + 1, sizeof *list);

    for (size_t i = 0; i < l->count; i++) {
        wires[i] = ak_tokens_wire(&l->tokens[i]);
        list[i] = &wires[i];
    }
    message.tokens = list;
    message.n_tokens = l->count;
    ak_call_reply(call, &message.base);
    free(list);
    free(wires);
}

static akssl_status started(ak_daemon *d, ak_call *call, const ProtobufCMessage *request)
{
    listing l = { .tokens = ak_alloc(AK_STORE_TOKENS, sizeof *l.tokens) };
    akssl_status rc = ak_store_tokens(d->store, see, &l);

    (void)request;
    if (rc == AKSSL_OK)
        reply(call, &l);
    free(l.tokens);
    return rc;
}

const ak_handler ak_handler_list_tokens = {
    .access = AK_ACCESS_ADMIN,
    .started = started,
};
