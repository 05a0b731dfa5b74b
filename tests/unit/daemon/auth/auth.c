// tests/unit/daemon/auth/auth.c -- tests daemon/auth/: tokens, their rows, roots, certificates.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "daemon/auth/certificates.h"
#include "daemon/auth/roots.h"
#include "daemon/auth/token.h"
#include "daemon/files.h"
#include "daemon/store/store.h"
#include "proto/base/confine.h"
#include "proto/base/error.h"
#include "proto/rpc/tls.h"
#include "tests/unit/daemon/folder.h"

START_TEST(tokens)
{
    static const char *const bad[] = { "", "akssl_", "akssl_0g", "AKSSL_", "Bearer" };
    unsigned char hash[AK_TOKEN_HASH], again[AK_TOKEN_HASH];
    char one[AK_TOKEN_TEXT], other[AK_TOKEN_TEXT];

    ck_assert_int_eq(ak_token_make(one, hash), 0);
    ck_assert_int_eq(ak_token_hash(one, again), 0);
    ck_assert_mem_eq(hash, again, sizeof hash);
    ck_assert_int_eq(ak_token_make(other, again), 0);
    ck_assert_str_ne(one, other);
    ck_assert_mem_ne(hash, again, sizeof hash);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_int_eq(ak_token_hash(bad[i], again), AKSSL_ERR_UNAUTHENTICATED);
    one[10] = 'G'; // no hexadecimal digit
    ck_assert_int_eq(ak_token_hash(one, again), AKSSL_ERR_UNAUTHENTICATED);
    ck_assert_ptr_null(strstr(ak_error_text(), one)); // what was shown is not repeated
}
END_TEST

START_TEST(tokens_in_headers)
{
    static const char *const bad[] = { "",        "Bearer",     "Bearer ",    "Bearer x", "Basic ",
                                       "Basic Q", "Basic QQ==", "Basic %%%%", "Digest x" };
    unsigned char hash[AK_TOKEN_HASH], plain[200], coded[400];
    char one[AK_TOKEN_TEXT], got[AK_TOKEN_TEXT], value[500];
    static const char *const names[] = { "any:", ":", "a b:", "\xc3\xa9:" };

    ck_assert_int_eq(ak_token_make(one, hash), 0);
    snprintf(value, sizeof value, "bearer %s", one);
    ck_assert_int_eq(ak_token_from_header(value, got), 0);
    ck_assert_str_eq(got, one);
    strcat(value, "x");
    ck_assert_int_eq(ak_token_from_header(value, got), AKSSL_ERR_UNAUTHENTICATED);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int size = snprintf((char *)plain, sizeof plain, "%s%s", names[i], one);

        EVP_EncodeBlock(coded, plain, size);
        snprintf(value, sizeof value, "Basic %s", (const char *)coded);
        ck_assert_int_eq(ak_token_from_header(value, got), 0);
        ck_assert_str_eq(got, one);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_int_eq(ak_token_from_header(bad[i], got), AKSSL_ERR_UNAUTHENTICATED);
    memset(value, 'A', sizeof value);
    memcpy(value, "Basic ", 6);
    value[sizeof value - 1] = '\0';
    ck_assert_int_eq(ak_token_from_header(value, got), AKSSL_ERR_UNAUTHENTICATED);
}
END_TEST

START_TEST(names_and_levels)
{
    static const char *const good[] = { "alice", "Bob.7", "a", "_x-y" };
    static const char *const bad[] = {
        "", "-a", "uid:5", "a b", "a/b", "a\nb", "an-name-that-is-one-letter-too-lo"
    };

    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ck_assert_int_eq(ak_token_check_user(good[i]), 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_int_eq(ak_token_check_user(bad[i]), AKSSL_ERR_INVALID);
    for (ak_access a = AK_ACCESS_READ; a <= AK_ACCESS_ADMIN; a++)
        ck_assert_int_eq(ak_access_parse(ak_access_text(a)), a);
    ck_assert_int_eq(ak_access_parse("run"), 0);
    ck_assert_int_eq(ak_access_parse(""), 0);
}
END_TEST

static void count(void *ctx, const ak_token *token)
{
    ck_assert_int_gt(token->id, 0);
    ++*(int *)ctx;
}

START_TEST(stored)
{
    char *folder = folder_make(), *path = ak_path("%s/db", folder), text[AK_TOKEN_TEXT];
    ak_token token = {
        .user = "alice", .access = AK_ACCESS_SUBMIT, .created_ms = 5, .expires_ms = 7
    };
    ak_token found, second = { .user = "bob", .access = AK_ACCESS_READ };
    ak_store *store = NULL;
    int n = 0;

    ck_assert_int_eq(ak_store_open(&store, path), 0);
    ck_assert_int_eq(ak_token_make(text, token.hash), 0);
    ck_assert_int_eq(ak_store_find_token(store, token.hash, &found), AKSSL_ERR_NOT_FOUND);
    ck_assert_int_eq(ak_store_add_token(store, &token), 0);
    memcpy(second.hash, token.hash, sizeof token.hash);
    ck_assert_int_lt(ak_store_add_token(store, &second), 0); // no two of one hash
    ck_assert_int_eq(ak_token_make(text, second.hash), 0);
    ck_assert_int_eq(ak_store_add_token(store, &second), 0);
    ak_store_close(store);
    ck_assert_int_eq(ak_store_open(&store, path), 0);
    ck_assert_int_eq(ak_store_find_token(store, token.hash, &found), 0);
    ck_assert_str_eq(found.user, "alice");
    ck_assert(found.id == token.id && found.access == AK_ACCESS_SUBMIT && found.created_ms == 5 &&
              found.expires_ms == 7 && !found.revoked_ms);
    ck_assert_int_eq(ak_store_revoke_token(store, token.id, 9), 0);
    ck_assert_int_eq(ak_store_revoke_token(store, token.id, 11), 0);
    ck_assert_int_eq(ak_store_revoke_token(store, 77, 9), AKSSL_ERR_NOT_FOUND);
    ck_assert_int_eq(ak_store_find_token(store, token.hash, &found), 0);
    ck_assert_int_eq(found.revoked_ms, 9);
    ck_assert_int_eq(ak_store_tokens(store, count, &n), 0);
    ck_assert_int_eq(n, 2);
    ak_store_close(store);
    free(path);
    folder_remove(folder);
}
END_TEST

START_TEST(what_roots_cover)
{
    static const char roots[] = "/data\n/mnt/sets/";

    ck_assert(ak_confine_covers(roots, "/data"));
    ck_assert(ak_confine_covers(roots, "/data/a"));
    ck_assert(ak_confine_covers(roots, "/mnt/sets/x/y"));
    ck_assert(!ak_confine_covers(roots, "/database"));
    ck_assert(!ak_confine_covers(roots, "/dat"));
    ck_assert(!ak_confine_covers(roots, "/mnt/setsx"));
    ck_assert(!ak_confine_covers(roots, "/"));
    ck_assert(!ak_confine_covers("", "/data"));
    ck_assert(ak_confine_covers("/", "/anything"));
}
END_TEST

START_TEST(links_lead_nowhere)
{
    char *folder = folder_make(), *in = ak_path("%s/in", folder), *out = ak_path("%s/out", folder);
    char *file = ak_path("%s/file", in), *secret = ak_path("%s/secret", out);
    char *link = ak_path("%s/link", in), *up = ak_path("%s/../out/secret", in);
    char *real = realpath(folder, NULL), *root = ak_path("%s/in", real);
    int fd;

    mkdir(in, 0700);
    mkdir(out, 0700);
    ck_assert_int_eq(ak_files_write(file, "x", 1), 0);
    ck_assert_int_eq(ak_files_write(secret, "x", 1), 0);
    ck_assert_int_eq(symlink(secret, link), 0);
    unsetenv(AK_CONFINE_ROOTS);
    ck_assert_int_eq(ak_confine_open(&fd, link), 0);
    close(fd);
    setenv(AK_CONFINE_ROOTS, root, 1);
    ck_assert_int_eq(ak_confine_open(&fd, file), 0);
    close(fd);
    ck_assert_int_eq(ak_confine_open(&fd, link), AKSSL_ERR_PERMISSION);
    ck_assert_int_eq(ak_confine_open(&fd, up), AKSSL_ERR_PERMISSION);
    ck_assert_int_eq(ak_confine_open(&fd, "/etc/passwd"), AKSSL_ERR_PERMISSION);
    unsetenv(AK_CONFINE_ROOTS);
    free(root);
    free(real);
    free(up);
    free(link);
    free(secret);
    free(file);
    free(out);
    free(in);
    folder_remove(folder);
}
END_TEST

START_TEST(certificates)
{
    char *folder = folder_make(), *tls = ak_path("%s/tls", folder);
    char *crt = ak_path("%s/server.crt", tls), *key = ak_path("%s/server.key", tls);
    char *ca = ak_path("%s/ca.crt", tls), *other = ak_path("%s/eve.key", tls);
    SSL_CTX *ctx = NULL;

    ck_assert_int_eq(ak_certificates_client(tls, "eve"), AKSSL_ERR_NOT_FOUND);
    ck_assert_int_eq(ak_certificates_init(tls, "bad host"), AKSSL_ERR_INVALID);
    ck_assert_int_eq(ak_certificates_init(tls, "lab.example\n10.0.0.7\nfd00::7"), 0);
    ck_assert_int_eq(ak_certificates_client(tls, "ca"), AKSSL_ERR_INVALID);
    ck_assert_int_eq(ak_certificates_client(tls, "../eve"), AKSSL_ERR_INVALID);
    ck_assert_int_eq(ak_certificates_client(tls, "eve"), 0);
    ck_assert_msg(ak_tls_serve(&ctx, &(ak_tls){ ca, crt, key, false }) == 0, "%s", ak_error_text());
    SSL_CTX_free(ctx);
    ck_assert_int_eq(ak_tls_serve(&ctx, &(ak_tls){ NULL, crt, other, false }), AKSSL_ERR_INVALID);
    ck_assert_int_eq(ak_tls_serve(&ctx, &(ak_tls){ NULL, key, key, false }), AKSSL_ERR_INVALID);
    ck_assert_int_eq(ak_tls_serve(&ctx, &(ak_tls){ NULL, crt, "/nonexistent", false }),
                     AKSSL_ERR_NOT_FOUND);
    ck_assert_int_eq(chmod(key, 0640), 0);
    ck_assert_int_eq(ak_tls_serve(&ctx, &(ak_tls){ NULL, crt, key, false }), AKSSL_ERR_PERMISSION);
    free(other);
    free(ca);
    free(key);
    free(crt);
    free(tls);
    folder_remove(folder);
}
END_TEST

AK_TEST_MAIN(AK_CASE(tokens), AK_CASE(tokens_in_headers), AK_CASE(names_and_levels),
             AK_CASE(stored), AK_CASE(what_roots_cover), AK_CASE(links_lead_nowhere),
             AK_CASE(certificates))
