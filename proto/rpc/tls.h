// proto/rpc/tls.h -- what TLS needs, from files: the server's context, the caller's credentials.

#ifndef AK_RPC_TLS_H
#define AK_RPC_TLS_H

#include <stdbool.h>

#include "akssl/status.h"

// PEM files.  A server needs certificate and key, and asks callers for a certificate when ca is
// given.  A caller trusts ca (NULL: what the system trusts), and shows certificate and key if there
// are any.  NULL and "" are the same.
typedef struct ak_tls {
    const char *ca, *certificate, *key;
    bool http; // a server agrees to speak HTTP/1.1 (ALPN), else gRPC's HTTP/2
} ak_tls;

struct ssl_ctx_st;
struct grpc_channel_credentials;

// ak_tls_serve makes a server's context: TLS 1.3 alone, one protocol, no tickets, no resumption.
// Free it with SSL_CTX_free.  ERR_NOT_FOUND, ERR_PERMISSION (a key that others may read too),
// ERR_INVALID (no certificate, or a key that does not fit it), ERR_UNSUPPORTED (another protocol).
akssl_status ak_tls_serve(struct ssl_ctx_st **out, const ak_tls *tls) AKSSL_MUST_CHECK;

// ak_tls_call makes a caller's credentials; release them with grpc_channel_credentials_release.
// ERR_INVALID: no certificate in ca, or a key that does not fit the certificate.
akssl_status ak_tls_call(struct grpc_channel_credentials **out, const ak_tls *tls) AKSSL_MUST_CHECK;

#endif
