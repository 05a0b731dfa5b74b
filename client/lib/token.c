// client/lib/token.c -- tokens: made, listed, revoked.

#include "akssl/token.h"

#include <stdlib.h>

#include "client/lib/lib.h"
#include "proto/base/alloc.h"
#include "proto/base/error.h"

akssl_status akssl_client_create_token(akssl_client *client, const char *user, const char *access,
                                       int64_t seconds, int64_t *id, char **text)
{
    Akssl__V1__CreateTokenRequest request = AKSSL__V1__CREATE_TOKEN_REQUEST__INIT;
    Akssl__V1__CreateTokenReply *reply;
    ProtobufCMessage *answer = NULL;
    akssl_status rc;

    request.user = (char *)user;
    request.access = (char *)access;
    request.has_seconds = 1;
    request.seconds = seconds;
    rc = ak_client_call(client, AK_RPC_create_token, &request.base, &answer);
    if (rc < 0)
        return rc;
    reply = (Akssl__V1__CreateTokenReply *)answer;
    if (!reply->token || !reply->secret) {
        rc = ak_fail(AKSSL_ERR_CORRUPT, "the daemon's answer has no token");
    } else {
        if (id)
            *id = reply->token->id;
        *text = ak_strdup(reply->secret);
    }
    akssl__v1__create_token_reply__free_unpacked(reply, NULL);
    return rc;
}

// The message stays with the list: its texts point into it.
typedef struct box {
    akssl_token_list list; // first, so that an akssl_token_list * is a box *
    akssl_token *tokens;
    Akssl__V1__ListTokensReply *message;
} box;

static akssl_token token_of(const Akssl__V1__Token *m)
{
    return (akssl_token){ m->id,         m->user ? m->user : "", m->access ? m->access : "",
                          m->created_ms, m->expires_ms,          m->revoked_ms };
}

akssl_status akssl_client_list_tokens(akssl_client *client, akssl_token_list **out)
{
    Akssl__V1__ListTokensRequest request = AKSSL__V1__LIST_TOKENS_REQUEST__INIT;
    ProtobufCMessage *answer = NULL;
    akssl_status rc = ak_client_call(client, AK_RPC_list_tokens, &request.base, &answer);
    box *b;

    if (rc < 0)
        return rc;
    b = ak_alloc(1, sizeof *b);
    b->message = (Akssl__V1__ListTokensReply *)answer;
    b->tokens = ak_alloc(b->message->n_tokens + 1, sizeof *b->tokens);
    for (size_t i = 0; i < b->message->n_tokens; i++)
        b->tokens[i] = token_of(b->message->tokens[i]);
    b->list = (akssl_token_list){ b->message->n_tokens, b->tokens };
    *out = &b->list;
    return rc;
}

akssl_status akssl_client_revoke_token(akssl_client *client, int64_t id)
{
    Akssl__V1__RevokeTokenRequest request = AKSSL__V1__REVOKE_TOKEN_REQUEST__INIT;
    ProtobufCMessage *answer = NULL;
    akssl_status rc;

    request.has_id = 1;
    request.id = id;
    rc = ak_client_call(client, AK_RPC_revoke_token, &request.base, &answer);
    if (rc >= 0)
        protobuf_c_message_free_unpacked(answer, NULL);
    return rc;
}

void akssl_token_list_free(akssl_token_list *list)
{
    box *b = (box *)list;

    if (!b)
        return;
    akssl__v1__list_tokens_reply__free_unpacked(b->message, NULL);
    free(b->tokens);
    free(b);
}
