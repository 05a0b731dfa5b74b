// tests/unit/proto/base/option.c -- tests proto/base/option.c.

#include <stdbool.h>

#include "proto/base/error.h"
#include "proto/base/option.h"
#include "tests/check.h"

typedef struct thing {
    int64_t count;
    double rate;
    bool on;
    char *mode;
} thing;

static const ak_option table[] = {
    AK_OPTION_INT(thing, count, 3, 1, 10, "how many"),
    AK_OPTION_FLOAT(thing, rate, 0.5, 0, 1, "how fast"),
    AK_OPTION_BOOL(thing, on, false, "whether"),
    AK_OPTION_STRING(thing, mode, "a", "a|bc", "which"),
    AK_OPTION_END,
};

START_TEST(sets_and_prints)
{
    thing t = { 0 };
    char text[16];

    ak_option_defaults(table, &t);
    ck_assert_int_eq(t.count, 3);
    ck_assert_str_eq(t.mode, "a");
    ck_assert_int_eq(ak_option_set(table, &t, "count", "10"), 0);
    ck_assert_int_eq(ak_option_set(table, &t, "rate", "0.25"), 0);
    ck_assert_int_eq(ak_option_set(table, &t, "on", "yes"), 0);
    ck_assert_int_eq(ak_option_set(table, &t, "mode", "bc"), 0);
    ak_option_text(&table[1], &t, text, sizeof text);
    ck_assert_str_eq(text, "0.25");
    ck_assert(t.count == 10 && t.on && strcmp(t.mode, "bc") == 0);
    ak_option_fini(table, &t);
}
END_TEST

START_TEST(rejects_with_a_sentence)
{
    static const char *const bad[][2] = {
        { "count", "0" },  { "count", "11" },   { "count", "1.5" }, { "count", "" },
        { "rate", "nan" }, { "rate", "1e400" }, { "rate", "-0.1" }, { "on", "maybe" },
        { "mode", "b" },   { "mode", "a|bc" },
    };
    thing t = { 0 };

    ak_option_defaults(table, &t);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_int_eq(ak_option_set(table, &t, bad[i][0], bad[i][1]), AKSSL_ERR_INVALID);
        ck_assert_ptr_nonnull(strstr(ak_error_text(), bad[i][0]));
    }
    ck_assert_int_eq(ak_option_set(table, &t, "cuont", "1"), AKSSL_ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(ak_error_text(), "count"));
    ck_assert(t.count == 3 && t.rate == 0.5 && !t.on);
    ak_option_fini(table, &t);
}
END_TEST

START_TEST(prints_json)
{
    static const ak_option rows[] = {
        AK_OPTION_FLOAT(thing, rate, 0.5, 0, 1, "how \"fast\""),
        AK_OPTION_BOOL(thing, on, true, "whether"),
        AK_OPTION_STRING(thing, mode, "a", "a|bc", "a\\b\n"),
        AK_OPTION_END,
    };
    ak_str text = AK_STR_INIT;

    ak_option_json(rows, &text);
    ck_assert_str_eq(
        text.text,
        "[{\"name\": \"rate\", \"type\": \"float\", \"default\": 0.5, \"min\": 0, \"max\": 1, "
        "\"help\": \"how \\\"fast\\\"\"}, "
        "{\"name\": \"on\", \"type\": \"bool\", \"default\": true, \"help\": \"whether\"}, "
        "{\"name\": \"mode\", \"type\": \"string\", \"default\": \"a\", "
        "\"choices\": [\"a\", \"bc\"], \"help\": \"a\\\\b\\u000a\"}]");
    ak_str_fini(&text);
}
END_TEST

AK_TEST_MAIN(AK_CASE(sets_and_prints), AK_CASE(rejects_with_a_sentence), AK_CASE(prints_json))
