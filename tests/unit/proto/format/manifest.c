// tests/unit/proto/format/manifest.c -- tests proto/format/manifest.c.

#include "proto/format/manifest.h"

#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "proto/base/error.h"
#include "tests/check.h"

static const char digest[] = "0123456789abcdef0123456789abcdef";

static ak_manifest sample(int files)
{
    ak_manifest m = { .job = 7, .step = 12, .count = files };

    strcpy(m.run, "00112233445566778899aabbccddeeff");
    for (int i = 0; i < files; i++) {
        snprintf(m.files[i].name, sizeof m.files[i].name, "file-%d.safetensors", i);
        m.files[i].size = (uint64_t)i << 40;
        strcpy(m.files[i].digest, digest);
    }
    m.state.size = 99;
    strcpy(m.state.digest, digest);
    return m;
}

START_TEST(is_read_as_it_was_written)
{
    char path[96], temporary[104];

    snprintf(path, sizeof path, "/tmp/akssl-manifest-%ld", (long)getpid());
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    for (int files = 0; files <= AK_MANIFEST_FILES; files++) {
        ak_manifest in = sample(files), out;

        ck_assert_int_eq(ak_manifest_write(&in, path), 0);
        ck_assert_int_ne(access(temporary, F_OK), 0);
        ck_assert_msg(ak_manifest_read(&out, path) == 0, "%s", ak_error_text());
        ck_assert(out.job == 7 && out.step == 12 && out.count == files && out.state.size == 99);
        ck_assert_str_eq(out.run, in.run);
        ck_assert_str_eq(out.state.digest, digest);
        for (int i = 0; i < files; i++) {
            ck_assert_str_eq(out.files[i].name, in.files[i].name);
            ck_assert_str_eq(out.files[i].digest, digest);
            ck_assert_uint_eq(out.files[i].size, in.files[i].size);
        }
    }
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(ak_manifest_read(&(ak_manifest){ 0 }, path), AKSSL_ERR_NOT_FOUND);
    ck_assert_int_eq(ak_manifest_write(&(ak_manifest){ 0 }, "/nonexistent/folder/m"),
                     AKSSL_ERR_NOT_FOUND);
}
END_TEST

// Each byte cut off, and each line left out or said twice, makes it another text.
START_TEST(anything_else_is_refused)
{
    const ak_manifest in = sample(2);
    ak_str text = AK_STR_INIT;
    ak_manifest out;

    ak_manifest_print(&in, &text);
    ck_assert_int_eq(ak_manifest_parse(&out, text.text, text.length), 0);
    for (size_t size = 0; size < text.length; size++)
        ck_assert_int_eq(ak_manifest_parse(&out, text.text, size), AKSSL_ERR_CORRUPT);
    for (char *line = text.text; *line;) {
        size_t length = strcspn(line, "\n") + 1, before = (size_t)(line - text.text);
        bool file = strncmp(line, "file ", 5) == 0;
        ak_str other = AK_STR_INIT;

        ak_str_append_n(&other, text.text, before);
        ak_str_append(&other, line + length);
        ck_assert_int_eq(ak_manifest_parse(&out, other.text, other.length),
                         file ? AKSSL_OK : AKSSL_ERR_CORRUPT);
        ck_assert(!file || out.count == 1);
        ak_str_clear(&other);
        ak_str_append_n(&other, text.text, before + length);
        ak_str_append(&other, line);
        ck_assert_int_eq(ak_manifest_parse(&out, other.text, other.length),
                         file ? AKSSL_OK : AKSSL_ERR_CORRUPT);
        ak_str_fini(&other);
        line += length;
    }
    ak_str_fini(&text);
}
END_TEST

START_TEST(fields_have_their_form)
{
    static const char *const bad[][2] = {
        { "job 7", "job -7" },
        { "job 7", "job seven" },
        { "job 7", "job 7 " },
        { "job 7", "job 7 8" },
        { "step 12", "step" },
        { "step 12", "step 99999999999999999999" },
        { "akssl-commit 1", "akssl-commit 2" },
        { "state 99 ", "state 99 x" },
        { "run 0011", "run 00112" },
        { "state 99 0", "state 99 " },
    };
    const ak_manifest in = sample(1);
    ak_manifest out;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ak_str text = AK_STR_INIT, other = AK_STR_INIT;
        const char *at;

        ak_manifest_print(&in, &text);
        at = strstr(text.text, bad[i][0]);
        ck_assert_ptr_nonnull(at);
        ak_str_append_n(&other, text.text, (size_t)(at - text.text));
        ak_str_append(&other, bad[i][1]);
        ak_str_append(&other, at + strlen(bad[i][0]));
        ck_assert_msg(ak_manifest_parse(&out, other.text, other.length) == AKSSL_ERR_CORRUPT,
                      "'%s' was read", bad[i][1]);
        ck_assert_ptr_nonnull(strstr(ak_error_text(), "is not what a commit manifest has there"));
        ak_str_fini(&other);
        ak_str_fini(&text);
    }
}
END_TEST

AK_TEST_MAIN(AK_CASE(is_read_as_it_was_written), AK_CASE(anything_else_is_refused),
             AK_CASE(fields_have_their_form))
