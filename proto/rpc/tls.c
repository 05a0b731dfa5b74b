// proto/rpc/tls.c -- the server's context and the caller's credentials.

#include "proto/rpc/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <grpc/grpc_security.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "proto/base/error.h"
#include "proto/base/str.h"

enum { MAX_FILE = 1 << 20 };

static bool given(const char *path)
{
    return path && path[0];
}

static akssl_status read_all(int fd, const char *path, ak_str *text)
{
    char piece[4096];
    ssize_t n;

    while ((n = read(fd, piece, sizeof piece)) != 0) {
        if (n < 0)
            return ak_fail_errno(errno, "file '%s'", path);
        if (text->length + (size_t)n > MAX_FILE)
            return ak_fail(AKSSL_ERR_LIMIT, "file '%s' has over %d bytes: give a PEM file", path,
                           MAX_FILE);
        ak_str_append_n(text, piece, (size_t)n);
    }
    if (!text->text || !strstr(text->text, "-----BEGIN "))
        return ak_fail(AKSSL_ERR_INVALID, "file '%s' is no PEM file: it has no BEGIN line", path);
    return AKSSL_OK;
}

// read_pem reads a whole PEM file; a private one must be its owner's alone.
static akssl_status read_pem(const char *path, bool is_private, ak_str *text)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    akssl_status rc;

    if (fd < 0)
        return ak_fail_errno(errno, "file '%s'", path);
    if (is_private && fstat(fd, &st) == 0 && st.st_mode & 077)
        rc = ak_fail(AKSSL_ERR_PERMISSION, "key '%s' can be read by others: chmod 600 it", path);
    else
        rc = read_all(fd, path, text);
    close(fd);
    return rc;
}

// ---- serving

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *size,
                           const unsigned char *offered, unsigned int length, void *ctx)
{
    const unsigned char *ours = ctx; // its length, then itself
    unsigned char *chosen = NULL;

    (void)ssl;
    if (SSL_select_next_proto(&chosen, size, ours, ours[0] + 1u, offered, length) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static akssl_status wrong(const char *what, const char *path)
{
    const char *why = ERR_reason_error_string(ERR_peek_last_error());

    return ak_fail(AKSSL_ERR_INVALID, "%s '%s': %s: `akssld --init-tls` makes new ones", what, path,
                   why ? why : "cannot be used");
}

static akssl_status check_key(const char *path)
{
    ak_str text = AK_STR_INIT;
    akssl_status rc = read_pem(path, true, &text);

    ak_str_fini(&text);
    return rc;
}

static akssl_status check_readable(const char *path)
{
    return access(path, R_OK) < 0 ? ak_fail_errno(errno, "file '%s'", path) : AKSSL_OK;
}

static akssl_status load(SSL_CTX *ctx, const ak_tls *tls)
{
    akssl_status rc = check_readable(tls->certificate);

    if (rc == AKSSL_OK)
        rc = check_key(tls->key);
    if (rc == AKSSL_OK && given(tls->ca))
        rc = check_readable(tls->ca);
    if (rc < 0)
        return rc;
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(ctx, tls->certificate) != 1)
        return wrong("certificate", tls->certificate);
    if (SSL_CTX_use_PrivateKey_file(ctx, tls->key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ctx) != 1)
        return wrong("key", tls->key);
    if (!given(tls->ca))
        return AKSSL_OK;
    if (SSL_CTX_load_verify_locations(ctx, tls->ca, NULL) != 1)
        return wrong("CA", tls->ca);
    SSL_CTX_set_client_CA_list(ctx, SSL_load_client_CA_file(tls->ca));
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return AKSSL_OK;
}

akssl_status ak_tls_serve(SSL_CTX **out, const ak_tls *tls)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    akssl_status rc;

    if (!ctx || SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1) {
        SSL_CTX_free(ctx);
        return ak_fail(AKSSL_ERR_UNSUPPORTED, "this OpenSSL has no TLS 1.3");
    }
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ctx, 0);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_alpn_select_cb(ctx, choose_protocol,
                               (void *)(tls->http ? "\x08http/1.1" : "\x02h2"));
    rc = load(ctx, tls);
    if (rc < 0)
        SSL_CTX_free(ctx);
    else
        *out = ctx;
    return rc;
}

// ---- calling

// gRPC takes any text, and then finds no address to call: what cannot be is refused here.
static akssl_status check_ca(const char *path, const ak_str *pem)
{
    BIO *text = BIO_new_mem_buf(pem->text, (int)pem->length);
    X509 *first = PEM_read_bio_X509_AUX(text, NULL, NULL, NULL);
    akssl_status rc = AKSSL_OK;

    if (!first)
        rc =
            ak_fail(AKSSL_ERR_INVALID,
                    "CA '%s' has no certificate that can be read: give akssld's own, tls/ca.crt in "
                    "its state folder",
                    path);
    X509_free(first);
    BIO_free(text);
    return rc;
}

static akssl_status check_pair(const ak_tls *tls, const ak_str *certificate, const ak_str *key)
{
    BIO *texts[2] = { BIO_new_mem_buf(certificate->text, (int)certificate->length),
                      BIO_new_mem_buf(key->text, (int)key->length) };
    X509 *x509 = PEM_read_bio_X509_AUX(texts[0], NULL, NULL, NULL);
    EVP_PKEY *own = PEM_read_bio_PrivateKey(texts[1], NULL, NULL, (void *)""); // asks nobody
    akssl_status rc = AKSSL_OK;

    if (!x509 || !own || X509_check_private_key(x509, own) != 1)
        rc = ak_fail(AKSSL_ERR_INVALID, "certificate '%s' and key '%s' do not fit", //
                     tls->certificate, tls->key);
    EVP_PKEY_free(own);
    X509_free(x509);
    BIO_free(texts[0]);
    BIO_free(texts[1]);
    return rc;
}

akssl_status ak_tls_call(grpc_channel_credentials **out, const ak_tls *tls)
{
    ak_str ca = AK_STR_INIT, certificate = AK_STR_INIT, key = AK_STR_INIT;
    grpc_ssl_pem_key_cert_pair pair;
    akssl_status rc = AKSSL_OK;

    if (given(tls->certificate) != given(tls->key))
        return ak_fail(AKSSL_ERR_INVALID, "a certificate needs its key, and a key its certificate: "
                                          "give both or neither");
    if (given(tls->ca))
        rc = read_pem(tls->ca, false, &ca);
    if (rc == AKSSL_OK && given(tls->certificate))
        rc = read_pem(tls->certificate, false, &certificate);
    if (rc == AKSSL_OK && given(tls->key))
        rc = read_pem(tls->key, true, &key);
    if (rc == AKSSL_OK && ca.text)
        rc = check_ca(tls->ca, &ca);
    if (rc == AKSSL_OK && key.text)
        rc = check_pair(tls, &certificate, &key);
    if (rc == AKSSL_OK) {
        pair = (grpc_ssl_pem_key_cert_pair){ key.text, certificate.text };
        *out = grpc_ssl_credentials_create(ca.text, key.text ? &pair : NULL, NULL, NULL);
        if (!*out)
            rc = ak_fail(AKSSL_ERR_INTERNAL, "gRPC makes no credentials of what TLS was given");
    }
    ERR_clear_error(); // gRPC reads this thread's too
    ak_str_fini(&ca);
    ak_str_fini(&certificate);
    ak_str_fini(&key);
    return rc;
}
