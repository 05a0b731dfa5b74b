// client/cli/spark.c -- the course of a figure, as a line of small bars.

#include "client/cli/spark.h"

#include <math.h>
#include <string.h>

void ak_spark_add(ak_spark *spark, double value)
{
    if (!isfinite(value))
        return;
    if (spark->count == AK_SPARK_CELLS)
        memmove(spark->values, spark->values + 1, --spark->count * sizeof *spark->values);
    spark->values[spark->count++] = value;
}

void ak_spark_text(const ak_spark *spark, char *text)
{
    double least = INFINITY, most = -INFINITY;

    text[0] = '\0';
    if (spark->count < 2)
        return;
    for (size_t i = 0; i < spark->count; i++) {
        least = fmin(least, spark->values[i]);
        most = fmax(most, spark->values[i]);
    }
    for (size_t i = 0; i < spark->count; i++) { // U+2581 to U+2588
        double share = most > least ? (spark->values[i] - least) / (most - least) : 0.5;
        const char bar[] = { '\xe2', '\x96', (char)(0x81 + (int)(share * 7 + 0.5)), '\0' };

        strcat(text, bar);
    }
}
