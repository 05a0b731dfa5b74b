// akssl/token.h -- tokens: how an administrator lets others in over TCP.
//
// Threads, timeouts and codes are as in client.h.  For all three calls ERR_PERMISSION means that
// the caller is no administrator.

#ifndef AKSSL_TOKEN_H
#define AKSSL_TOKEN_H

#include <stddef.h>
#include <stdint.h>

#include <akssl/client.h>
#include <akssl/status.h>

#ifdef __cplusplus
extern "C" {
#endif

// akssl_token is what the daemon keeps of a token; not the token itself.
typedef struct akssl_token {
    int64_t id;         // to revoke it by
    const char *user;   // whose jobs it may change
    const char *access; // "read", "submit" or "admin"
    int64_t created_ms; // milliseconds since 1970
    int64_t expires_ms; // the same; 0: never
    int64_t revoked_ms; // the same; 0: it was not
} akssl_token;

// akssl_token_list is all tokens, newest first.
typedef struct akssl_token_list {
    size_t count;              // how many tokens there are
    const akssl_token *tokens; // the list's own
} akssl_token_list;

// akssl_client_create_token makes a token for user that is valid for so many seconds (0: for ever)
// and gives its text, which cannot be had again: free it with akssl_free.  id may be NULL.
// ERR_PERMISSION: only administrators may; ERR_INVALID.
AKSSL_API akssl_status akssl_client_create_token(akssl_client *client, const char *user,
                                                 const char *access, int64_t seconds, int64_t *id,
                                                 char **text) AKSSL_MUST_CHECK;

// akssl_client_list_tokens gives all tokens.  Free *out with akssl_token_list_free.
AKSSL_API akssl_status akssl_client_list_tokens(akssl_client *client,
                                                akssl_token_list **out) AKSSL_MUST_CHECK;

// akssl_client_revoke_token ends a token: calls with it fail from now on, and those under way end.
// ERR_NOT_FOUND: there is none of that id.
AKSSL_API akssl_status akssl_client_revoke_token(akssl_client *client, int64_t id) AKSSL_MUST_CHECK;

// akssl_token_list_free frees a list and its tokens; NULL is fine.
AKSSL_API void akssl_token_list_free(akssl_token_list *list);

#ifdef __cplusplus
}
#endif

#endif
