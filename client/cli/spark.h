// client/cli/spark.h -- the course of a figure, as a line of small bars.

#ifndef AK_CLI_SPARK_H
#define AK_CLI_SPARK_H

#include <stddef.h>

enum { AK_SPARK_CELLS = 24, AK_SPARK_BYTES = AK_SPARK_CELLS * 3 + 1 };

// The last values, oldest first; start from zero.
typedef struct ak_spark {
    double values[AK_SPARK_CELLS];
    size_t count;
} ak_spark;

// ak_spark_add adds a value; one that is no number is left out.
void ak_spark_add(ak_spark *spark, double value);

// ak_spark_text writes a bar of UTF-8 for each value, from the least to the greatest of them; ""
// for fewer than two.  text has AK_SPARK_BYTES bytes.
void ak_spark_text(const ak_spark *spark, char *text);

#endif
