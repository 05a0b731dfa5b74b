// worker/train/histogram.h -- how the numbers of an array are spread.

#ifndef AK_TRAIN_HISTOGRAM_H
#define AK_TRAIN_HISTOGRAM_H

#include <stdint.h>

enum { AK_HISTOGRAM_BINS = 30 }; // as TensorFlow's own summaries have

// Bin i holds the values in [edge i, edge i + 1), the last one also its upper edge; edge i is
// least + i * (greatest - least) / bins.  Equal values all lie in the last.
typedef struct ak_histogram {
    int64_t count; // of finite values; 0: the rest is 0, too
    double least, greatest, sum, squares;
    int64_t in[AK_HISTOGRAM_BINS];
} ak_histogram;

// ak_histogram_of looks at count values; those that are not finite are left out.  Any thread.
void ak_histogram_of(ak_histogram *h, const float *values, int64_t count);

// ak_histogram_edge is the upper edge of a bin.
double ak_histogram_edge(const ak_histogram *h, int bin);

#endif
