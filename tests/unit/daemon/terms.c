// tests/unit/daemon/terms.c -- tests daemon/terms.c.

#include "daemon/terms.h"
#include "proto/base/error.h"
#include "tests/check.h"

START_TEST(times_are_sbatchs)
{
    static const struct {
        const char *text;
        int64_t seconds;
    } rows[] = { { "", 0 },
                 { "UNLIMITED", 0 },
                 { "1", 60 },
                 { "90:30", 5430 },
                 { "1:30:00", 5400 },
                 { "2-12", 216000 },
                 { "0:05", 5 },
                 { "1-0:30", 88200 },
                 { "1-02:03:04", 93784 },
                 { "36500-0", INT64_C(3153600000) } };
    ak_terms terms;
    char text[32];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert_int_eq(ak_terms_parse(&terms, rows[i].text, ""), 0);
        ck_assert_int_eq(terms.limit_ms, rows[i].seconds * 1000);
    }
    ak_terms_time_text(INT64_C(93784000), text);
    ck_assert_str_eq(text, "1-02:03:04");
    ak_terms_time_text(5000, text);
    ck_assert_str_eq(text, "00:00:05");
}
END_TEST

START_TEST(other_times_are_refused)
{
    static const char *const bad[] = {
        "0",  "-1",  "1h", "1:2:3:4", "1-",    "1-2-3", ":5",
        "5:", "1.5", " 5", "36501-0", "never", "1--2",  "99999999999999999999"
    };
    ak_terms terms = { .limit_ms = 7 };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_msg(ak_terms_parse(&terms, bad[i], "") == AKSSL_ERR_INVALID, "%s", bad[i]);
        ck_assert_ptr_nonnull(strstr(ak_error_text(), "time '"));
    }
    ck_assert_int_eq(terms.limit_ms, 7);
}
END_TEST

START_TEST(dependencies)
{
    static const char *const bad[] = { "x", "0", "1,", ",1", "1:", "1:okay", "1:never", "1;2" };
    ak_terms terms;

    ck_assert_int_eq(ak_terms_parse(&terms, "", "3,4:any,5:ok"), 0);
    ck_assert_int_eq(terms.after_count, 3);
    ck_assert(terms.after[0].job == 3 && !terms.after[0].any);
    ck_assert(terms.after[1].job == 4 && terms.after[1].any);
    ck_assert(terms.after[2].job == 5 && !terms.after[2].any);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(ak_terms_parse(&terms, "", bad[i]) == AKSSL_ERR_INVALID, "%s", bad[i]);
}
END_TEST

AK_TEST_MAIN(AK_CASE(times_are_sbatchs), AK_CASE(other_times_are_refused), AK_CASE(dependencies))
