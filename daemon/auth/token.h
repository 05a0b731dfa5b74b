// daemon/auth/token.h -- bearer tokens: 256 random bits for the person, their SHA-256 for the
// store.

#ifndef AK_DAEMON_AUTH_TOKEN_H
#define AK_DAEMON_AUTH_TOKEN_H

#include <stdint.h>

#include "akssl/status.h"
#include "daemon/auth/access.h"

enum {
    AK_TOKEN_TEXT = 6 + 64 + 1, // "akssl_", hexadecimal, NUL
    AK_TOKEN_HASH = 32,
    AK_PERSON_NAME = 33, // with its NUL
};

// What the store has of a token.
typedef struct ak_token {
    int64_t id;
    char user[AK_PERSON_NAME];
    ak_access access; // READ, SUBMIT or ADMIN
    unsigned char hash[AK_TOKEN_HASH];
    int64_t created_ms, expires_ms, revoked_ms; // since 1970; 0: never, not
} ak_token;

// ak_token_make draws a token: text for the person, its hash for the store.
akssl_status ak_token_make(char text[AK_TOKEN_TEXT],
                           unsigned char hash[AK_TOKEN_HASH]) AKSSL_MUST_CHECK;

// ak_token_hash hashes what a caller showed; ERR_UNAUTHENTICATED when it cannot be a token.
akssl_status ak_token_hash(const char *text, unsigned char hash[AK_TOKEN_HASH]) AKSSL_MUST_CHECK;

// ak_token_from_header takes the token out of the value of HTTP's Authorization: "Bearer TOKEN", or
// "Basic" with it as the password.  ERR_UNAUTHENTICATED when it is neither.
akssl_status ak_token_from_header(const char *value, char text[AK_TOKEN_TEXT]) AKSSL_MUST_CHECK;

// ak_access_text gives "read", "submit" or "admin"; "" for the rest.  parse gives 0 for another
// word.
const char *ak_access_text(ak_access access);
ak_access ak_access_parse(const char *text);

// ak_token_check_user refuses what is no login name: 1 to 32 of a-z A-Z 0-9 . _ -, not '-' first.
akssl_status ak_token_check_user(const char *user) AKSSL_MUST_CHECK;

#endif
