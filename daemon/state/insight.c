// daemon/state/insight.c -- what a tensor of the state looks like, in a few numbers.

#include "daemon/state/insight.h"

#include <math.h>
#include <stdlib.h>

#include "proto/base/alloc.h"
#include "proto/format/digest.h"

// Welford's update, so that a large mean does not eat a small spread:
//     d = x - m;  m += d / n;  s += d (x - m);  std = sqrt(s / n)
static void take_row(const float *x, size_t width, double n, double *m, double *s, double *norm)
{
    double square = 0;

    for (size_t j = 0; j < width; j++) {
        double value = (double)x[j];
        double d = value - m[j];

        m[j] += d / n;
        s[j] += d * (value - m[j]);
        square += value * value;
    }
    *norm += sqrt(square);
}

akssl_status ak_insight_make(ak_insight *insight, const ak_state_tensor *tensor)
{
    size_t rows = (size_t)tensor->info.filled;
    size_t width = tensor->size / sizeof(float) / (size_t)tensor->info.shape[0];
    double *m = ak_try_alloc(width, 2 * sizeof(double));
    ak_insight result = { .std_min = INFINITY };
    const float *x = ak_state_data(tensor);

    if (!m)
        return AKSSL_ERR_NO_MEMORY;
    for (size_t i = 0; i < rows; i++)
        take_row(x + i * width, width, (double)i + 1, m, m + width, &result.mean_norm);
    for (size_t j = 0; j < width; j++) {
        double std = rows ? sqrt(m[width + j] / (double)rows) : 0;

        result.std += std / (double)width;
        result.std_min = std < result.std_min ? std : result.std_min;
        result.std_max = std > result.std_max ? std : result.std_max;
    }
    free(m);
    result.mean_norm = rows ? result.mean_norm / (double)rows : 0;
    ak_digest_memory(x, tensor->size, result.digest);
    *insight = result;
    return AKSSL_OK;
}
