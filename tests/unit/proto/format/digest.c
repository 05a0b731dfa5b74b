// tests/unit/proto/format/digest.c -- tests proto/format/digest.c.

#include <stdio.h>
#include <unistd.h>

#include "proto/base/error.h"
#include "proto/format/digest.h"
#include "tests/check.h"

// Answers of xxhsum -H2.
START_TEST(known_answers)
{
    char digest[AK_DIGEST_TEXT];

    ak_digest_memory("", 0, digest);
    ck_assert_str_eq(digest, "99aa06d3014798d86001c324468d497f");
    ak_digest_memory("akssl", 5, digest);
    ck_assert_int_eq(strlen(digest), 32);
    ck_assert_str_ne(digest, "99aa06d3014798d86001c324468d497f");
}
END_TEST

START_TEST(file_equals_memory)
{
    char path[] = "/tmp/akssl-digest-XXXXXX", of_file[AK_DIGEST_TEXT], of_memory[AK_DIGEST_TEXT];
    size_t size = (3u << 20) + 17; // several chunks and a rest
    unsigned char *data = malloc(size);
    int fd = mkstemp(path);
    uint64_t got;

    ck_assert_int_ge(fd, 0);
    for (size_t i = 0; i < size; i++)
        data[i] = (unsigned char)(i * 31 + i / 977);
    ck_assert_int_eq(write(fd, data, size), (ssize_t)size);
    close(fd);
    ck_assert_int_eq(ak_digest_file(path, &got, of_file), 0);
    ak_digest_memory(data, size, of_memory);
    ck_assert_str_eq(of_file, of_memory);
    ck_assert_uint_eq(got, size);
    data[size - 1] ^= 1;
    ak_digest_memory(data, size, of_memory);
    ck_assert_str_ne(of_file, of_memory);
    unlink(path);
    free(data);
    ck_assert_int_eq(ak_digest_file(path, NULL, of_file), AKSSL_ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(ak_error_text(), path));
    ck_assert_int_lt(ak_digest_file("/", NULL, of_file), 0);
}
END_TEST

AK_TEST_MAIN(AK_CASE(known_answers), AK_CASE(file_equals_memory))
