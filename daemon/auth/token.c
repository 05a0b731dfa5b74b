// daemon/auth/token.c -- tokens, drawn and hashed.

#include "daemon/auth/token.h"

#include <string.h>

#include <openssl/evp.h>
#include <uv.h>

#include "proto/base/error.h"

#define PREFIX "akssl_" // so that scanners for leaked secrets know one

enum { MAX_BASIC = 512 }; // characters of base64

static const char hex[] = "0123456789abcdef";

static akssl_status digest(const char *text, unsigned char hash[AK_TOKEN_HASH])
{
    unsigned int size = 0;

    if (EVP_Digest(text, strlen(text), hash, &size, EVP_sha256(), NULL) == 1 &&
        size == AK_TOKEN_HASH)
        return AKSSL_OK;
    return ak_fail(AKSSL_ERR_INTERNAL, "OpenSSL has no SHA-256");
}

akssl_status ak_token_make(char text[AK_TOKEN_TEXT], unsigned char hash[AK_TOKEN_HASH])
{
    size_t start = strlen(PREFIX);
    unsigned char bytes[32];

    if (uv_random(NULL, NULL, bytes, sizeof bytes, 0, NULL) < 0)
        return ak_fail(AKSSL_ERR_INTERNAL, "this system gives no random numbers");
    memcpy(text, PREFIX, start);
    for (size_t i = 0; i < 2 * sizeof bytes; i++)
        text[start + i] = hex[i % 2 ? bytes[i / 2] & 15 : bytes[i / 2] >> 4];
    text[AK_TOKEN_TEXT - 1] = '\0';
    return digest(text, hash);
}

static akssl_status refuse(void)
{
    return ak_fail(AKSSL_ERR_UNAUTHENTICATED,
                   "what was shown is no token of akssld's: give the whole line that "
                   "`akssl-client token create` printed");
}

akssl_status ak_token_hash(const char *text, unsigned char hash[AK_TOKEN_HASH])
{
    size_t start = strlen(PREFIX);

    if (strlen(text) != AK_TOKEN_TEXT - 1 || strncmp(text, PREFIX, start) != 0 ||
        strspn(text + start, hex) != AK_TOKEN_TEXT - 1 - start)
        return refuse();
    return digest(text, hash);
}

// "USER:PASSWORD" in base64; the user's name is nothing to us.
static akssl_status read_basic(const char *value, char text[AK_TOKEN_TEXT])
{
    unsigned char plain[3 * MAX_BASIC / 4 + 1];
    size_t length = strlen(value);
    const char *password;
    int size;

    if (!length || length > MAX_BASIC || length % 4 != 0)
        return refuse();
    size = EVP_DecodeBlock(plain, (const unsigned char *)value, (int)length);
    if (size < 0)
        return refuse();
    plain[size] = '\0';
    password = strchr((const char *)plain, ':');
    if (!password || strlen(password + 1) != AK_TOKEN_TEXT - 1)
        return refuse();
    memcpy(text, password + 1, AK_TOKEN_TEXT);
    return AKSSL_OK;
}

akssl_status ak_token_from_header(const char *value, char text[AK_TOKEN_TEXT])
{
    if (strncasecmp(value, "Basic ", 6) == 0)
        return read_basic(value + 6, text);
    if (strncasecmp(value, "Bearer ", 7) != 0 || strlen(value + 7) != AK_TOKEN_TEXT - 1)
        return refuse();
    memcpy(text, value + 7, AK_TOKEN_TEXT);
    return AKSSL_OK;
}

static const struct {
    ak_access access;
    const char *text;
} levels[] = {
    { AK_ACCESS_READ, "read" },
    { AK_ACCESS_SUBMIT, "submit" },
    { AK_ACCESS_ADMIN, "admin" },
};

const char *ak_access_text(ak_access access)
{
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        if (levels[i].access == access)
            return levels[i].text;
    return "";
}

ak_access ak_access_parse(const char *text)
{
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        if (strcmp(levels[i].text, text) == 0)
            return levels[i].access;
    return 0;
}

akssl_status ak_token_check_user(const char *user)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t length = strlen(user);

    if (!length || length >= AK_PERSON_NAME || strspn(user, letters) != length || user[0] == '-')
        return ak_fail(AKSSL_ERR_INVALID,
                       "user '%.64s': give a login name, 1 to %d letters, digits, '.', '_' or '-'",
                       user, AK_PERSON_NAME - 1);
    return AKSSL_OK;
}
