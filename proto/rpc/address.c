// proto/rpc/address.c -- addresses, read.

#include "proto/rpc/address.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/error.h"

ak_address_kind ak_address_kind_of(const char *address, const char **rest)
{
    static const char plaintext[] = "plaintext:", unix_socket[] = "unix:";
    ak_address_kind kind = AK_ADDRESS_UNIX;
    const char *at = address;

    if (strncmp(address, unix_socket, sizeof unix_socket - 1) == 0) {
        at += sizeof unix_socket - 1;
        at += strncmp(at, "//", 2) == 0 ? 2 : 0;
    } else if (strncmp(address, plaintext, sizeof plaintext - 1) == 0) {
        at += sizeof plaintext - 1;
        kind = AK_ADDRESS_PLAINTEXT;
    } else if (address[strcspn(address, ":/")] == ':') {
        kind = AK_ADDRESS_TLS;
    }
    if (rest)
        *rest = at;
    return kind;
}

akssl_status ak_address_split(const char *text, char host[256], int *port)
{
    const char *colon = strrchr(text, ':');
    const char *from = text, *end = colon;
    char *rest = NULL;
    long number = colon ? strtol(colon + 1, &rest, 10) : 0;

    if (colon && text[0] == '[' && colon > text + 2 && colon[-1] == ']') {
        from = text + 1;
        end = colon - 1;
    } else if (text[0] == '[') {
        colon = NULL;
    } else if (colon && memchr(text, ':', (size_t)(colon - text))) {
        colon = NULL; // an IPv6 address without brackets
    }
    if (!colon || end == from || end - from > 255 || !colon[1] || *rest || number < 0 ||
        number > 65535)
        return ak_fail(AKSSL_ERR_INVALID,
                       "address '%.300s': give HOST:PORT, with an IPv6 host in brackets", text);
    memcpy(host, from, (size_t)(end - from));
    host[end - from] = '\0';
    *port = (int)number;
    return AKSSL_OK;
}
