// daemon/state/insight.c -- what a tensor of the state looks like, in a few numbers.

#include "daemon/state/insight.h"

#include <math.h>
#include <stdlib.h>

#include "daemon/state/spectrum.h"
#include "proto/base/alloc.h"
#include "proto/format/digest.h"

// Welford's update, so that a large mean does not eat a small spread:
//     d = x - m;  m += d / n;  s += d (x - m);  std = sqrt(s / n)
static double take_row(const float *x, size_t width, double n, double *m, double *s)
{
    double square = 0;

    for (size_t j = 0; j < width; j++) {
        double value = (double)x[j];
        double d = value - m[j];

        m[j] += d / n;
        s[j] += d * (value - m[j]);
        square += value * value;
    }
    return sqrt(square);
}

static void measure(ak_insight *out, const float *x, size_t rows, size_t width, double *m)
{
    double sum = 0;

    for (size_t i = 0; i < rows; i++) {
        double norm = take_row(x + i * width, width, (double)i + 1, m, m + width);

        sum += norm;
        out->min_norm = i && out->min_norm <= norm ? out->min_norm : norm;
        out->max_norm = i && out->max_norm >= norm ? out->max_norm : norm;
    }
    out->mean_norm = rows ? sum / (double)rows : 0;
    for (size_t j = 0; j < width; j++) {
        double std = rows ? sqrt(m[width + j] / (double)rows) : 0;

        out->std += std / (double)width;
        out->std_min = !j || std < out->std_min ? std : out->std_min;
        out->std_max = !j || std > out->std_max ? std : out->std_max;
    }
}

// ---- effective rank

// The covariance's eigenvalues but for zeros are those of the rows' products (Gram's matrix),
//     G[i][j] = sum over k of (x[i][k] - m[k]) (x[j][k] - m[k]),   m the mean of the chosen rows,
// which is small: made in strips of columns that are centred first.
enum { STRIP = 256, VALUES = 4 << 20 };

//
// x is the first row's part of the strip; a column is taken relative to its first value, so that
// equal rows become exactly 0.
static void centre(const float *x, size_t rows, size_t width, size_t count, size_t columns,
                   double *strip)
{
    for (size_t k = 0; k < columns; k++) {
        double mean = 0;

        for (size_t i = 0; i < count; i++) {
            double value = (double)x[i * rows / count * width + k] - (double)x[k];

            strip[i * STRIP + k] = value;
            mean += value / (double)count;
        }
        for (size_t i = 0; i < count; i++)
            strip[i * STRIP + k] -= mean;
    }
}

static void add_products(const double *strip, size_t count, size_t columns, double *gram)
{
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j <= i; j++) {
            double sum = 0;

            for (size_t k = 0; k < columns; k++)
                sum += strip[i * STRIP + k] * strip[j * STRIP + k];
            gram[i * count + j] += sum;
        }
}

static akssl_status find_rank(ak_insight *out, const float *x, size_t rows, size_t width)
{
    size_t most = VALUES / width > 2 ? VALUES / width : 2;
    size_t count = rows < AK_INSIGHT_ROWS ? rows : AK_INSIGHT_ROWS;
    double values[AK_INSIGHT_ROWS];
    double *gram;

    count = count < most ? count : most;
    gram = ak_try_alloc(count * (count + STRIP) + 1, sizeof *gram);
    if (!gram)
        return AKSSL_ERR_NO_MEMORY;
    for (size_t from = 0; count && from < width; from += STRIP) {
        size_t columns = width - from < STRIP ? width - from : STRIP;

        centre(x + from, rows, width, count, columns, gram + count * count);
        add_products(gram + count * count, count, columns, gram);
    }
    out->effective_rank = ak_spectrum_values(gram, (int)count, values) < 0
                              ? (double)NAN
                              : ak_spectrum_rank(values, (int)count);
    free(gram);
    return AKSSL_OK;
}

// Of the rows, counted back from the newest, each `pushed` are of one step.
static void find_ages(ak_insight *out, const ak_state_info *info, int64_t pushed)
{
    double sum = 0, age = 0;

    out->occupancy = (double)info->filled / (double)info->shape[0];
    out->age_mean = out->age_max = (double)NAN;
    if (!pushed || !info->filled)
        return;
    for (int64_t i = 0; i < info->filled; i++) {
        age = (double)(i / pushed < info->version ? i / pushed : info->version);
        sum += age;
    }
    out->age_mean = sum / (double)info->filled;
    out->age_max = age;
}

akssl_status ak_insight_make(ak_insight *insight, const ak_state_tensor *tensor, int64_t pushed)
{
    size_t rows = (size_t)tensor->info.filled;
    size_t width = tensor->size / sizeof(float) / (size_t)tensor->info.shape[0];
    double *m = ak_try_alloc(width, 2 * sizeof(double));
    ak_insight result = { 0 };
    const float *x = ak_state_data(tensor);
    akssl_status rc;

    if (!m)
        return AKSSL_ERR_NO_MEMORY;
    measure(&result, x, rows, width, m);
    free(m);
    rc = find_rank(&result, x, rows, width);
    if (rc < 0)
        return rc;
    find_ages(&result, &tensor->info, pushed);
    ak_digest_memory(x, tensor->size, result.digest);
    *insight = result;
    return AKSSL_OK;
}
