// daemon/auth/certificates.c -- a CA and what it signs, by OpenSSL.

#include "daemon/auth/certificates.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "daemon/auth/token.h"
#include "daemon/files.h"
#include "proto/base/error.h"

enum { CA_DAYS = 3650, DAYS = 730, MAX_PEM = 1 << 16, MAX_NAME = 64 };

typedef struct pair {
    X509 *certificate;
    EVP_PKEY *key;
} pair;

static akssl_status failed(const char *what)
{
    return ak_fail(AKSSL_ERR_INTERNAL, "OpenSSL cannot make %s", what);
}

static void pair_fini(pair *p)
{
    X509_free(p->certificate);
    EVP_PKEY_free(p->key);
}

// ---- files

static akssl_status write_bio(BIO *bio, const char *folder, const char *name, const char *kind)
{
    char *path = ak_path("%s/%s.%s", folder, name, kind);
    char *text = NULL;
    long size = BIO_get_mem_data(bio, &text);
    akssl_status rc = size > 0 ? ak_files_write(path, text, (size_t)size) : failed(path);

    free(path);
    return rc;
}

// The key goes first: a certificate whose key was lost would be of no use.
static akssl_status write_pair(const pair *p, const char *folder, const char *name)
{
    BIO *key = BIO_new(BIO_s_secmem()), *certificate = BIO_new(BIO_s_mem());
    akssl_status rc = AKSSL_OK;

    if (!key || !certificate ||
        PEM_write_bio_PrivateKey(key, p->key, NULL, NULL, 0, NULL, NULL) != 1 ||
        PEM_write_bio_X509(certificate, p->certificate) != 1)
        rc = failed("a certificate's file");
    if (rc == AKSSL_OK)
        rc = write_bio(key, folder, name, "key");
    if (rc == AKSSL_OK)
        rc = write_bio(certificate, folder, name, "crt");
    BIO_free(key);
    BIO_free(certificate);
    return rc;
}

static akssl_status read_bio(const char *folder, const char *name, const char *kind, BIO **out)
{
    char *path = ak_path("%s/%s.%s", folder, name, kind);
    ak_str text = AK_STR_INIT;
    akssl_status rc = ak_files_read(path, MAX_PEM, &text);

    if (rc == AKSSL_OK) {
        *out = BIO_new(BIO_s_mem());
        if (!*out || BIO_write(*out, text.text, (int)text.length) != (int)text.length)
            rc = failed(path);
    }
    ak_str_fini(&text);
    free(path);
    return rc;
}

static akssl_status read_ca(const char *folder, pair *ca)
{
    BIO *key = NULL, *certificate = NULL;
    akssl_status rc = read_bio(folder, "ca", "key", &key);

    if (rc == AKSSL_OK)
        rc = read_bio(folder, "ca", "crt", &certificate);
    if (rc == AKSSL_OK) {
        ca->key = PEM_read_bio_PrivateKey(key, NULL, NULL, NULL);
        ca->certificate = PEM_read_bio_X509(certificate, NULL, NULL, NULL);
        if (!ca->key || !ca->certificate || X509_check_private_key(ca->certificate, ca->key) != 1)
            rc = ak_fail(AKSSL_ERR_CORRUPT,
                         "'%s/ca.key' and '%s/ca.crt' do not fit: remove both to begin again",
                         folder, folder);
    }
    BIO_free(key);
    BIO_free(certificate);
    return rc;
}

// ---- making

static bool add_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *extension;
    bool ok;

    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    ok = extension && X509_add_ext(x, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return ok;
}

static bool set_serial(X509 *x)
{
    BIGNUM *number = BN_new();
    bool ok = number && BN_rand(number, 127, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
              BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x)) != NULL;

    BN_free(number);
    return ok;
}

static bool set_basics(X509 *x, EVP_PKEY *key, const char *name, int days)
{
    X509_NAME *subject = X509_get_subject_name(x);

    return X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x) &&
           X509_gmtime_adj(X509_getm_notBefore(x), -3600) && // clocks differ
           X509_gmtime_adj(X509_getm_notAfter(x), 86400L * days) && X509_set_pubkey(x, key) == 1 &&
           X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1,
                                      -1, 0) == 1;
}

// make signs a new pair; issuer NULL: a CA, which signs itself.  names: its alternative names.
static akssl_status make(pair *p, const pair *issuer, const char *name, const char *names,
                         const char *usage)
{
    X509 *x = p->certificate = X509_new();
    X509 *by = issuer ? issuer->certificate : x;
    bool ok;

    p->key = EVP_EC_gen("P-256");
    ok = x && p->key && set_basics(x, p->key, name, issuer ? DAYS : CA_DAYS) &&
         X509_set_issuer_name(x, X509_get_subject_name(by)) == 1 &&
         add_extension(x, by, NID_basic_constraints,
                       issuer ? "critical,CA:FALSE" : "critical,CA:TRUE,pathlen:0") &&
         add_extension(x, by, NID_key_usage,
                       issuer ? "critical,digitalSignature" : "critical,keyCertSign,cRLSign") &&
         add_extension(x, by, NID_subject_key_identifier, "hash") &&
         (!usage || add_extension(x, by, NID_ext_key_usage, usage)) &&
         (!names || add_extension(x, by, NID_subject_alt_name, names)) &&
         X509_sign(x, issuer ? issuer->key : p->key, EVP_sha256()) > 0;
    return ok ? AKSSL_OK : failed("a certificate");
}

// ---- names

static akssl_status add_name(ak_str *names, const char *host)
{
    unsigned char address[16];
    size_t length = strlen(host);

    if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1) {
        ak_str_format(names, ",IP:%s", host);
        return AKSSL_OK;
    }
    if (!length || length > 253 ||
        strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-*") != length)
        return ak_fail(AKSSL_ERR_INVALID, "host '%.300s': give a name or an address", host);
    ak_str_format(names, ",DNS:%s", host);
    return AKSSL_OK;
}

static akssl_status make_names(const char *hosts, ak_str *names)
{
    char host[300], self[256] = "localhost";
    akssl_status rc = AKSSL_OK;

    gethostname(self, sizeof self - 1);
    ak_str_append(names, "DNS:localhost,IP:127.0.0.1,IP:::1");
    if (!hosts[0])
        rc = add_name(names, self);
    while (*hosts && rc == AKSSL_OK) {
        size_t length = strcspn(hosts, "\n");

        snprintf(host, sizeof host, "%.*s", (int)(length < sizeof host ? length : sizeof host),
                 hosts);
        rc = add_name(names, host);
        hosts += length + (hosts[length] == '\n');
    }
    return rc;
}

// ---- what akssld asks for

static akssl_status find_or_make_ca(const char *folder, pair *ca)
{
    char *path = ak_path("%s/ca.key", folder);
    char host[200] = "", name[MAX_NAME + 1];
    akssl_status rc;

    if (access(path, F_OK) == 0) {
        rc = read_ca(folder, ca);
    } else {
        gethostname(host, sizeof host - 1);
        snprintf(name, sizeof name, "akssl CA of %.40s", host);
        rc = make(ca, NULL, name, NULL, NULL);
        if (rc == AKSSL_OK)
            rc = write_pair(ca, folder, "ca");
    }
    free(path);
    return rc;
}

akssl_status ak_certificates_init(const char *folder, const char *hosts)
{
    ak_str names = AK_STR_INIT;
    pair ca = { 0 }, server = { 0 };
    akssl_status rc = make_names(hosts, &names);

    if (rc == AKSSL_OK)
        rc = ak_files_make(folder);
    if (rc == AKSSL_OK)
        rc = find_or_make_ca(folder, &ca);
    if (rc == AKSSL_OK)
        rc = make(&server, &ca, "akssld", names.text, "serverAuth");
    if (rc == AKSSL_OK)
        rc = write_pair(&server, folder, "server");
    pair_fini(&ca);
    pair_fini(&server);
    ak_str_fini(&names);
    return rc;
}

akssl_status ak_certificates_client(const char *folder, const char *name)
{
    pair ca = { 0 }, client = { 0 };
    akssl_status rc = ak_token_check_user(name);

    if (rc == AKSSL_OK && (strcmp(name, "ca") == 0 || strcmp(name, "server") == 0))
        rc = ak_fail(AKSSL_ERR_INVALID, "'%s' is akssld's own: give another name", name);
    if (rc == AKSSL_OK) {
        rc = read_ca(folder, &ca);
        if (rc == AKSSL_ERR_NOT_FOUND)
            rc = ak_wrap(rc, "there is no CA yet: run --init-tls without --client first");
    }
    if (rc == AKSSL_OK)
        rc = make(&client, &ca, name, NULL, "clientAuth");
    if (rc == AKSSL_OK)
        rc = write_pair(&client, folder, name);
    pair_fini(&ca);
    pair_fini(&client);
    return rc;
}
