// worker/train/histogram.c -- how the numbers of an array are spread.

#include "worker/train/histogram.h"

#include <math.h>

static void measure(ak_histogram *h, const float *values, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        double value = (double)values[i];

        if (!isfinite(value))
            continue;
        h->least = h->count ? fmin(h->least, value) : value;
        h->greatest = h->count ? fmax(h->greatest, value) : value;
        h->sum += value;
        h->squares += value * value;
        h->count++;
    }
}

void ak_histogram_of(ak_histogram *h, const float *values, int64_t count)
{
    double scale;

    *h = (ak_histogram){ 0 };
    measure(h, values, count);
    scale = h->greatest > h->least ? AK_HISTOGRAM_BINS / (h->greatest - h->least) : 0;
    for (int64_t i = 0; i < count; i++) {
        double value = (double)values[i];
        int bin = AK_HISTOGRAM_BINS - 1;

        if (!isfinite(value))
            continue;
        if (scale > 0 && (value - h->least) * scale < bin)
            bin = (int)((value - h->least) * scale);
        h->in[bin]++;
    }
}

double ak_histogram_edge(const ak_histogram *h, int bin)
{
    if (bin == AK_HISTOGRAM_BINS - 1)
        return h->greatest;
    return h->least + (bin + 1) * (h->greatest - h->least) / AK_HISTOGRAM_BINS;
}
