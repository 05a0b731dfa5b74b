// tests/unit/client/cli/spark.c -- tests client/cli/spark.c.

#include "client/cli/spark.h"

#include <math.h>

#include "tests/check.h"

START_TEST(it_shows_a_course)
{
    char text[AK_SPARK_BYTES];
    ak_spark spark = { 0 };

    ak_spark_add(&spark, 4);
    ak_spark_text(&spark, text);
    ck_assert_str_eq(text, "");
    ak_spark_add(&spark, NAN);
    ak_spark_add(&spark, 2);
    ak_spark_add(&spark, 0.5);
    ak_spark_text(&spark, text);
    ck_assert_str_eq(text, "\xe2\x96\x88\xe2\x96\x84\xe2\x96\x81");
}
END_TEST

START_TEST(it_keeps_the_last)
{
    char text[AK_SPARK_BYTES];
    ak_spark spark = { 0 };

    for (int i = 0; i < 100; i++)
        ak_spark_add(&spark, i == 3 ? 1e9 : 7); // long gone, and equals are in the middle
    ck_assert_int_eq(spark.count, AK_SPARK_CELLS);
    ak_spark_text(&spark, text);
    ck_assert_int_eq(strlen(text), AK_SPARK_BYTES - 1);
    for (size_t i = 0; i < AK_SPARK_CELLS; i++)
        ck_assert(memcmp(text + 3 * i, "\xe2\x96\x85", 3) == 0);
}
END_TEST

AK_TEST_MAIN(AK_CASE(it_shows_a_course), AK_CASE(it_keeps_the_last))
