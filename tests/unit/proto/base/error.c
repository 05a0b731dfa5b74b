// tests/unit/proto/base/error.c -- tests proto/base/error.c: what an errno means for a job,
// and who has failed.

#include "proto/base/error.h"

#include <errno.h>
#include <string.h>

#include "tests/check.h"

START_TEST(codes_of_errno)
{
    static const struct {
        int error;
        akssl_status code;
    } rows[] = {
        { ENOENT, AKSSL_ERR_NOT_FOUND }, { ENOSPC, AKSSL_ERR_NO_SPACE },
        { EDQUOT, AKSSL_ERR_NO_SPACE },  { EACCES, AKSSL_ERR_PERMISSION },
        { EPERM, AKSSL_ERR_PERMISSION }, { EEXIST, AKSSL_ERR_EXISTS },
        { ENOMEM, AKSSL_ERR_NO_MEMORY }, { EMFILE, AKSSL_ERR_LIMIT },
        { ENFILE, AKSSL_ERR_LIMIT },     { EIO, AKSSL_ERR_IO },
        { EROFS, AKSSL_ERR_IO },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert_int_eq(ak_fail_errno(rows[i].error, "file 'x'"), rows[i].code);
        ck_assert_ptr_nonnull(strstr(ak_error_text(), strerror(rows[i].error)));
    }
}
END_TEST

// A full, failing or read-only disk, a quota, no right to write: a job waits for a person.
START_TEST(a_job_waits_for_a_disk)
{
    static const int passes[] = { ENOSPC, EDQUOT, EIO, EROFS, EACCES, EPERM };
    static const int stays[] = { ENOENT, EEXIST, ENOMEM };

    for (size_t i = 0; i < sizeof passes / sizeof *passes; i++)
        ck_assert_msg(ak_is_unwritten(ak_fail_errno(passes[i], "file 'x'")), "%s",
                      strerror(passes[i]));
    for (size_t i = 0; i < sizeof stays / sizeof *stays; i++)
        ck_assert_msg(!ak_is_unwritten(ak_fail_errno(stays[i], "file 'x'")), "%s",
                      strerror(stays[i]));
}
END_TEST

START_TEST(an_answer_is_known_as_one)
{
    ck_assert_int_eq(ak_fail_told(AKSSL_ERR_UNAVAILABLE, "stopping: 100%"), AKSSL_ERR_UNAVAILABLE);
    ck_assert_str_eq(ak_error_text(), "stopping: 100%");
    ck_assert(ak_error_told());
    ck_assert_int_eq(ak_wrap(AKSSL_ERR_UNAVAILABLE, "watch"), AKSSL_ERR_UNAVAILABLE);
    ck_assert(ak_error_told());
    ck_assert_int_eq(ak_fail(AKSSL_ERR_UNAVAILABLE, "nobody is there"), AKSSL_ERR_UNAVAILABLE);
    ck_assert(!ak_error_told());
}
END_TEST

AK_TEST_MAIN(AK_CASE(codes_of_errno), AK_CASE(a_job_waits_for_a_disk),
             AK_CASE(an_answer_is_known_as_one))
