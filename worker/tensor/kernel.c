// worker/tensor/kernel.c -- loops over floats, compiled for several instruction sets.

#include "worker/tensor/kernel.h"

#include <math.h>
#include <string.h>

#include "worker/tensor/exp.h"
#include "worker/tensor/pieces.h"

enum { PIECE = 16384 };

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

CLONES static void add(float *y, const float *a, const float *b, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = a[i] + b[i];
}

void ak_kernel_add(float *y, const float *a, const float *b, int64_t n, int threads)
{
    PIECES(n, PIECE, threads, add(y + lo, a + lo, b + lo, hi - lo));
}

CLONES static void average(float *y, const float *x, float keep, float take, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = y[i] * keep + x[i] * take;
}

void ak_kernel_average(float *y, const float *x, double keep, int64_t n, int threads)
{
    PIECES(n, PIECE, threads, average(y + lo, x + lo, (float)keep, (float)(1 - keep), hi - lo));
}

// ---- batch norm

int64_t ak_kernel_room(int64_t rows, int64_t channels)
{
    return (rows + AK_KERNEL_ROWS - 1) / AK_KERNEL_ROWS * channels * 2;
}

enum { LANE = 64 }; // channels summed at a time, in registers

// Sums of x - p and of its square, p being the first row: where a channel's mean is far greater
// than its deviation, squares of x itself would have lost the latter in single precision.
CLONES static void moments(const float *x, int64_t rows, int64_t channels, double *sums)
{
    for (int64_t c = 0; c < channels; c += LANE) {
        float s[LANE] = { 0 }, q[LANE] = { 0 };
        const float *p = x + c;
        int64_t n = least(LANE, channels - c);

        if (n == LANE) {
            for (int64_t r = 1; r < rows; r++) {
                const float *at = p + r * channels;

                for (int i = 0; i < LANE; i++) {
                    float d = at[i] - p[i];

                    s[i] += d;
                    q[i] += d * d;
                }
            }
        } else {
            for (int64_t r = 1; r < rows; r++) {
                const float *at = p + r * channels;

                for (int64_t i = 0; i < n; i++) {
                    float d = at[i] - p[i];

                    s[i] += d;
                    q[i] += d * d;
                }
            }
        }
        for (int64_t i = 0; i < n; i++) {
            double pivot = (double)p[i], sum = (double)s[i], all = (double)rows * pivot;

            sums[c + i] = sum + all;
            sums[channels + c + i] = (double)q[i] + pivot * (2 * sum + all);
        }
    }
}

static void add_pieces(double *sums, const double *room, int64_t pieces, int64_t n)
{
    memcpy(sums, room, (size_t)n * sizeof *sums);
    for (int64_t p = 1; p < pieces; p++)
        for (int64_t i = 0; i < n; i++)
            sums[i] += room[p * n + i];
}

void ak_kernel_moments(const float *x, int64_t rows, int64_t channels, double *sums, double *room,
                       int threads)
{
    PIECES(
        rows, AK_KERNEL_ROWS, threads,
        moments(x + lo * channels, hi - lo, channels, room + lo / AK_KERNEL_ROWS * channels * 2));
    add_pieces(sums, room, (rows + AK_KERNEL_ROWS - 1) / AK_KERNEL_ROWS, 2 * channels);
}

CLONES static void normalize(float *restrict y, const float *restrict x, const float *add_,
                             const float *restrict scale, const float *restrict shift, int64_t rows,
                             int64_t channels, bool relu)
{
    float floor_ = relu ? 0 : -INFINITY;

    for (int64_t r = 0; r < rows; r++, x += channels, y += channels) {
        if (add_) {
            for (int64_t c = 0; c < channels; c++) {
                float v = x[c] * scale[c] + shift[c] + add_[c];

                y[c] = v <= floor_ ? floor_ : v;
            }
            add_ += channels;
        } else {
            for (int64_t c = 0; c < channels; c++) {
                float v = x[c] * scale[c] + shift[c];

                y[c] = v <= floor_ ? floor_ : v;
            }
        }
    }
}

void ak_kernel_normalize(float *y, const float *x, const float *add_, const float *scale,
                         const float *shift, int64_t rows, int64_t channels, bool relu, int threads)
{
    PIECES(rows, AK_KERNEL_ROWS, threads,
           normalize(y + lo * channels, x + lo * channels, add_ ? add_ + lo * channels : NULL,
                     scale, shift, hi - lo, channels, relu));
}

// A NaN in y passes: the mask is "not y <= 0", so that a diverged run shows.
CLONES static void norm_sums(const float *dy, const float *y, const float *x, const float *mean,
                             const float *invstd, int64_t rows, int64_t channels, float *masked,
                             double *sums)
{
    for (int64_t c = 0; c < channels; c += LANE) {
        float s[LANE] = { 0 }, q[LANE] = { 0 }, m[LANE] = { 0 }, v[LANE] = { 0 };
        int64_t n = least(LANE, channels - c);

        for (int64_t i = 0; i < n; i++) {
            m[i] = mean[c + i];
            v[i] = invstd[c + i];
        }
        for (int64_t r = 0; r < rows; r++) {
            int64_t at = r * channels + c;

            if (y && n == LANE) {
                for (int i = 0; i < LANE; i++) {
                    float g = y[at + i] <= 0 ? 0 : dy[at + i];

                    s[i] += g;
                    q[i] += g * ((x[at + i] - m[i]) * v[i]);
                }
            } else {
                for (int64_t i = 0; i < n; i++) {
                    float g = y && y[at + i] <= 0 ? 0 : dy[at + i];

                    s[i] += g;
                    q[i] += g * ((x[at + i] - m[i]) * v[i]);
                }
            }
            if (masked)
                for (int64_t i = 0; i < n; i++)
                    masked[at + i] = y && y[at + i] <= 0 ? 0 : dy[at + i];
        }
        for (int64_t i = 0; i < n; i++) {
            sums[c + i] = s[i];
            sums[channels + c + i] = q[i];
        }
    }
}

void ak_kernel_norm_sums(const float *dy, const float *y, const float *x, const float *mean,
                         const float *invstd, int64_t rows, int64_t channels, float *masked,
                         double *sums, double *room, int threads)
{
    PIECES(rows, AK_KERNEL_ROWS, threads,
           norm_sums(dy + lo * channels, y ? y + lo * channels : NULL, x + lo * channels, mean,
                     invstd, hi - lo, channels, masked ? masked + lo * channels : NULL,
                     room + lo / AK_KERNEL_ROWS * channels * 2));
    add_pieces(sums, room, (rows + AK_KERNEL_ROWS - 1) / AK_KERNEL_ROWS, 2 * channels);
}

CLONES static void norm_backward(float *dx, const float *dy, const float *y, const float *x,
                                 const float *restrict a, const float *restrict b,
                                 const float *restrict k, int64_t rows, int64_t channels,
                                 bool accumulate)
{
    for (int64_t r = 0; r < rows; r++, dx += channels, dy += channels, x += channels) {
        for (int64_t c = 0; c < channels; c++) {
            float g = y && y[c] <= 0 ? 0 : dy[c];
            float v = a[c] * g + b[c] * x[c] + k[c];

            dx[c] = accumulate ? dx[c] + v : v;
        }
        if (y)
            y += channels;
    }
}

void ak_kernel_norm_backward(float *dx, const float *dy, const float *y, const float *x,
                             const float *a, const float *b, const float *k, int64_t rows,
                             int64_t channels, bool accumulate, int threads)
{
    PIECES(rows, AK_KERNEL_ROWS, threads,
           norm_backward(dx + lo * channels, dy + lo * channels, y ? y + lo * channels : NULL,
                         x + lo * channels, a, b, k, hi - lo, channels, accumulate));
}

// ---- activations and columns

CLONES static void relu_forward(float *y, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] <= 0 ? 0 : x[i];
}

void ak_kernel_relu(float *y, const float *x, int64_t n, int threads)
{
    PIECES(n, PIECE, threads, relu_forward(y + lo, x + lo, hi - lo));
}

CLONES static void relu_backward(float *dx, const float *dy, const float *y, int64_t n,
                                 bool accumulate)
{
    for (int64_t i = 0; i < n; i++) {
        float g = y[i] <= 0 ? 0 : dy[i];

        dx[i] = accumulate ? dx[i] + g : g;
    }
}

void ak_kernel_relu_backward(float *dx, const float *dy, const float *y, int64_t n, bool accumulate,
                             int threads)
{
    PIECES(n, PIECE, threads, relu_backward(dx + lo, dy + lo, y + lo, hi - lo, accumulate));
}

void ak_kernel_add_bias(float *y, const float *bias, int64_t rows, int64_t channels, int threads)
{
    PIECES(rows, 1, threads, add(y + lo * channels, y + lo * channels, bias, channels));
}

CLONES static void columns(float *restrict sums, const float *restrict x, int64_t rows,
                           int64_t channels)
{
    memcpy(sums, x, (size_t)channels * sizeof *sums);
    for (int64_t r = 1; r < rows; r++)
        for (int64_t c = 0; c < channels; c++)
            sums[c] += x[r * channels + c];
}

int64_t ak_kernel_columns_room(int64_t rows, int64_t channels)
{
    return (rows + AK_KERNEL_ROWS - 1) / AK_KERNEL_ROWS * channels;
}

void ak_kernel_column_sums(float *sums, float *room, const float *x, int64_t rows, int64_t channels,
                           int threads)
{
    PIECES(rows, AK_KERNEL_ROWS, threads,
           columns(room + lo / AK_KERNEL_ROWS * channels, x + lo * channels, hi - lo, channels));
    ak_kernel_fold(sums, room, (rows + AK_KERNEL_ROWS - 1) / AK_KERNEL_ROWS, channels);
}

void ak_kernel_fold(float *sums, const float *pieces, int64_t count, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        double sum = 0;

        for (int64_t p = 0; p < count; p++)
            sum += (double)pieces[p * n + i];
        sums[i] = (float)sum;
    }
}

enum { EXP_LANES = 16, EXP_PIECE = 1024 };

CLONES static float exp_piece(float *x, int64_t n, float shift)
{
    float sums[EXP_LANES] = { 0 }, sum = 0;
    int64_t i = 0;

    for (; i + EXP_LANES <= n; i += EXP_LANES)
        for (int k = 0; k < EXP_LANES; k++) {
            x[i + k] = ak_exp_of(x[i + k] - shift);
            sums[k] += x[i + k];
        }
    for (; i < n; i++) {
        x[i] = ak_exp_of(x[i] - shift);
        sum += x[i];
    }
    for (int k = 0; k < EXP_LANES; k++)
        sum += sums[k];
    return sum;
}

double ak_kernel_exp(float *x, int64_t n, float shift)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i += EXP_PIECE)
        sum += (double)exp_piece(x + i, least(EXP_PIECE, n - i), shift);
    return sum;
}

CLONES float ak_kernel_max(const float *x, int64_t n)
{
    float best = x[0];

    for (int64_t i = 1; i < n; i++)
        best = x[i] > best ? x[i] : best;
    return best;
}

CLONES double ak_kernel_dot(const float *a, const float *b, int64_t n)
{
    double lane[8] = { 0 }, sum = 0;
    int64_t i = 0;

    for (; i + 8 <= n; i += 8)
        for (int k = 0; k < 8; k++)
            lane[k] += (double)a[i + k] * (double)b[i + k];
    for (int k = 0; k < 8; k++)
        sum += lane[k];
    for (; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

// ---- pooling

// One cell of the window against the best so far, a lane of channels at a time.  A NaN stays.
CLONES static void max_pool_cell(float *restrict y, uint8_t *restrict from, const float *restrict x,
                                 int cell, int64_t channels)
{
    for (int64_t c = 0; c < channels; c++)
        from[c] = x[c] <= y[c] || y[c] != y[c] ? from[c] : (uint8_t)cell;
    for (int64_t c = 0; c < channels; c++)
        y[c] = x[c] <= y[c] || y[c] != y[c] ? y[c] : x[c];
}

static void max_pool_image(float *y, uint8_t *from, const float *x, int64_t h, int64_t w,
                           int64_t channels)
{
    int64_t oh = (h - 1) / 2 + 1, ow = (w - 1) / 2 + 1;

    for (int64_t p = 0; p < oh; p++) {
        for (int64_t q = 0; q < ow; q++, y += channels, from += channels) {
            bool first = true;

            for (int cell = 0; cell < 9; cell++) {
                int64_t i = 2 * p - 1 + cell / 3, j = 2 * q - 1 + cell % 3;
                const float *at = x + (i * w + j) * channels;

                if (i < 0 || i >= h || j < 0 || j >= w)
                    continue;
                if (first) {
                    memcpy(y, at, (size_t)channels * sizeof *y);
                    memset(from, cell, (size_t)channels);
                } else {
                    max_pool_cell(y, from, at, cell, channels);
                }
                first = false;
            }
        }
    }
}

void ak_kernel_max_pool(float *y, uint8_t *from, const float *x, int64_t n, int64_t h, int64_t w,
                        int64_t channels, int threads)
{
    int64_t out = ((h - 1) / 2 + 1) * ((w - 1) / 2 + 1) * channels, in = h * w * channels;

    PIECES(n, 1, threads,
           max_pool_image(y + lo * out, from + lo * out, x + lo * in, h, w, channels));
}

CLONES static void max_pool_back_cell(float *restrict dx, const float *restrict dy,
                                      const uint8_t *restrict from, int cell, int64_t channels)
{
    for (int64_t c = 0; c < channels; c++)
        dx[c] += from[c] == cell ? dy[c] : 0;
}

static void max_pool_back_image(float *dx, const float *dy, const uint8_t *from, int64_t h,
                                int64_t w, int64_t channels)
{
    int64_t oh = (h - 1) / 2 + 1, ow = (w - 1) / 2 + 1;

    for (int64_t p = 0; p < oh; p++) {
        for (int64_t q = 0; q < ow; q++, dy += channels, from += channels) {
            for (int cell = 0; cell < 9; cell++) {
                int64_t i = 2 * p - 1 + cell / 3, j = 2 * q - 1 + cell % 3;
                float *at = dx + (i * w + j) * channels;

                if (i < 0 || i >= h || j < 0 || j >= w)
                    continue;
                max_pool_back_cell(at, dy, from, cell, channels);
            }
        }
    }
}

void ak_kernel_max_pool_backward(float *dx, const float *dy, const uint8_t *from, int64_t n,
                                 int64_t h, int64_t w, int64_t channels, bool accumulate,
                                 int threads)
{
    int64_t out = ((h - 1) / 2 + 1) * ((w - 1) / 2 + 1) * channels, in = h * w * channels;

    if (!accumulate)
        memset(dx, 0, (size_t)(n * in) * sizeof *dx);
    PIECES(n, 1, threads,
           max_pool_back_image(dx + lo * in, dy + lo * out, from + lo * out, h, w, channels));
}

CLONES static void mean_pool_image(float *y, const float *x, int64_t cells, int64_t channels)
{
    float scale = 1.0f / (float)cells;

    memset(y, 0, (size_t)channels * sizeof *y);
    for (int64_t i = 0; i < cells; i++)
        for (int64_t c = 0; c < channels; c++)
            y[c] += x[i * channels + c];
    for (int64_t c = 0; c < channels; c++)
        y[c] *= scale;
}

void ak_kernel_mean_pool(float *y, const float *x, int64_t n, int64_t cells, int64_t channels,
                         int threads)
{
    PIECES(n, 1, threads,
           mean_pool_image(y + lo * channels, x + lo * cells * channels, cells, channels));
}

CLONES static void mean_pool_back_image(float *dx, const float *dy, int64_t cells, int64_t channels,
                                        bool accumulate)
{
    float scale = 1.0f / (float)cells;

    for (int64_t i = 0; i < cells; i++)
        for (int64_t c = 0; c < channels; c++) {
            float g = dy[c] * scale;

            dx[i * channels + c] = accumulate ? dx[i * channels + c] + g : g;
        }
}

void ak_kernel_mean_pool_backward(float *dx, const float *dy, int64_t n, int64_t cells,
                                  int64_t channels, bool accumulate, int threads)
{
    PIECES(n, 1, threads,
           mean_pool_back_image(dx + lo * cells * channels, dy + lo * channels, cells, channels,
                                accumulate));
}
