// tests/unit/client/cli/text.c -- tests client/cli/text.c and table.c.

#include "client/cli/text.h"

#include <math.h>

#include "client/cli/table.h"
#include "tests/check.h"

static char *put(const char *text)
{
    char *copy = NULL;
    size_t length;
    FILE *out = open_memstream(&copy, &length);

    ak_text_put(out, text);
    fclose(out);
    return copy;
}

START_TEST(makes_text_harmless)
{
    char *clean = put("a\033[31mb\nc\x7f\td\xc2\x9bm \xc3\xa4");

    ck_assert_str_eq(clean, "a?[31mb c? d?m \xc3\xa4");
    free(clean);
}
END_TEST

START_TEST(counts_columns)
{
    ck_assert_uint_eq(ak_text_cells("\xc3\xa4"
                                    "b\xe2\x96\x88"),
                      3);
    ck_assert_uint_eq(ak_text_fit("\xc3\xa4"
                                  "b\xe2\x96\x88",
                                  1),
                      2);
    ck_assert_uint_eq(ak_text_fit("\xc3\xa4"
                                  "b\xe2\x96\x88",
                                  2),
                      3);
    ck_assert_uint_eq(ak_text_fit("abc", 9), 3);
    ck_assert_uint_eq(ak_text_fit("abc", 0), 0);
}
END_TEST

START_TEST(writes_durations)
{
    static const struct {
        double seconds;
        const char *text;
    } rows[] = {
        { 0, "0s" },       { 59.4, "59s" },     { 59.6, "1m00s" }, { 3599, "59m59s" },
        { 7500, "2h05m" }, { 356400, "4d03h" }, { -1, "-" },       { NAN, "-" },
        { INFINITY, "-" }, { 1e300, "-" },
    };
    char text[32];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ak_text_duration(rows[i].seconds, text, sizeof text);
        ck_assert_str_eq(text, rows[i].text);
    }
    ak_text_number(NAN, 4, text, sizeof text);
    ck_assert_str_eq(text, "-");
    ak_text_number(4.123456, 4, text, sizeof text);
    ck_assert_str_eq(text, "4.123");
    ak_text_age(-1, text, sizeof text);
    ck_assert_str_eq(text, "-");
    ak_text_time(-1, text, sizeof text);
    ck_assert_str_eq(text, "-");
}
END_TEST

START_TEST(lines_up_columns)
{
    static const char *const headings[] = { ">ID", "NAME", "REASON", NULL };
    ak_table *table = ak_table_new(headings);
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);

    for (int i = 0; i < 2; i++) {
        ak_table_add(table, i ? "10" : "9");
        ak_table_add(table, i ? "\xc3\xa4\xc3\xb6" : "longer");
        ak_table_add(table, i ? "" : "why\033");
    }
    ak_table_print(table, out);
    fclose(out);
    ck_assert_str_eq(text, "ID  NAME    REASON\n"
                           " 9  longer  why?\n"
                           "10  \xc3\xa4\xc3\xb6      \n");
    free(text);
    ak_table_free(table);
    ak_table_free(NULL);
}
END_TEST

AK_TEST_MAIN(AK_CASE(makes_text_harmless), AK_CASE(counts_columns), AK_CASE(writes_durations),
             AK_CASE(lines_up_columns))
