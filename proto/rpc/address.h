// proto/rpc/address.h -- where a daemon is: "unix:/path" or a path, "HOST:PORT", and, for those who
// ask for it by its long name, "plaintext:HOST:PORT".

#ifndef AK_RPC_ADDRESS_H
#define AK_RPC_ADDRESS_H

#include "akssl/status.h"

typedef enum ak_address_kind {
    AK_ADDRESS_UNIX = 1,
    AK_ADDRESS_TLS,
    AK_ADDRESS_PLAINTEXT,
} ak_address_kind;

// ak_address_kind_of tells what address is by its start; *rest (may be NULL) is the path or
// HOST:PORT in it.
ak_address_kind ak_address_kind_of(const char *address, const char **rest);

// ak_address_split cuts "HOST:PORT" or "[IPv6]:PORT" in two.  ERR_INVALID.
akssl_status ak_address_split(const char *text, char host[256], int *port) AKSSL_MUST_CHECK;

#endif
