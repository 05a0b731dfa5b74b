// worker/tensor/kernel_maps.h -- the loops of ak_maps, for one file a kind of numbers.
//
// The file says REAL (the number as it is stored), GET and SET (to a float and from it) and TABLE
// (the table's name) before it includes this; without, it gets nothing.

#ifdef REAL

#include <math.h>
#include <string.h>

#include "worker/tensor/kernel.h"
#include "worker/tensor/pieces.h"

enum { PIECE = 16384 };

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

CLONES static void add(REAL *y, const REAL *a, const REAL *b, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = SET(GET(a[i]) + GET(b[i]));
}

static void all_add(void *to, const void *left, const void *right, int64_t n, int threads)
{
    REAL *y = to;
    const REAL *a = left, *b = right;

    PIECES(n, PIECE, threads, add(y + lo, a + lo, b + lo, hi - lo));
}

static void all_pass(void *up, const void *down, int64_t n, bool accumulate, int threads)
{
    REAL *dx = up;
    const REAL *dy = down;

    if (accumulate)
        all_add(dx, dx, dy, n, threads);
    else
        PIECES(n, PIECE, threads, memcpy(dx + lo, dy + lo, (size_t)(hi - lo) * sizeof *dx));
}

// ---- batch norm

enum {
    LANE = 64, // channels summed at a time, in registers
    AHEAD = 8, // rows; the CPU does not see by itself what comes next where rows are long
    LINE = 64  // bytes that come into the cache together
};

static inline void fetch(const REAL *at)
{
    for (size_t i = 0; i < LANE * sizeof *at; i += LINE)
        __builtin_prefetch((const char *)at + i);
}

// Sums of x - p and of its square, p being the first row: where a channel's mean is far greater
// than its deviation, squares of x itself would have lost the latter in single precision.
CLONES static void moments(const REAL *x, int64_t rows, int64_t channels, double *sums)
{
    for (int64_t c = 0; c < channels; c += LANE) {
        float s[LANE] = { 0 }, q[LANE] = { 0 };
        const REAL *p = x + c;
        int64_t n = least(LANE, channels - c);

        if (n == LANE) {
            for (int64_t r = 1; r < rows; r++) {
                const REAL *at = p + r * channels;

                fetch(at + AHEAD * channels);
                for (int i = 0; i < LANE; i++) {
                    float d = GET(at[i]) - GET(p[i]);

                    s[i] += d;
                    q[i] += d * d;
                }
            }
        } else {
            for (int64_t r = 1; r < rows; r++) {
                const REAL *at = p + r * channels;

                for (int64_t i = 0; i < n; i++) {
                    float d = GET(at[i]) - GET(p[i]);

                    s[i] += d;
                    q[i] += d * d;
                }
            }
        }
        for (int64_t i = 0; i < n; i++) {
            double pivot = (double)GET(p[i]), sum = (double)s[i], all = (double)rows * pivot;

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

static void all_moments(const void *map, int64_t rows, int64_t channels, double *sums, double *room,
                        int threads)
{
    const REAL *x = map;

    PIECES(
        rows, AK_KERNEL_ROWS, threads,
        moments(x + lo * channels, hi - lo, channels, room + lo / AK_KERNEL_ROWS * channels * 2));
    add_pieces(sums, room, (rows + AK_KERNEL_ROWS - 1) / AK_KERNEL_ROWS, 2 * channels);
}

CLONES static void normalize(REAL *restrict y, const REAL *restrict x, const REAL *add_,
                             const float *restrict scale, const float *restrict shift, int64_t rows,
                             int64_t channels, bool relu)
{
    float floor_ = relu ? 0 : -INFINITY;

    for (int64_t r = 0; r < rows; r++, x += channels, y += channels) {
        if (add_) {
            for (int64_t c = 0; c < channels; c++) {
                float v = GET(x[c]) * scale[c] + shift[c] + GET(add_[c]);

                y[c] = SET(v <= floor_ ? floor_ : v);
            }
            add_ += channels;
        } else {
            for (int64_t c = 0; c < channels; c++) {
                float v = GET(x[c]) * scale[c] + shift[c];

                y[c] = SET(v <= floor_ ? floor_ : v);
            }
        }
    }
}

static void all_normalize(void *out, const void *map, const void *added, const float *scale,
                          const float *shift, int64_t rows, int64_t channels, bool relu,
                          int threads)
{
    REAL *y = out;
    const REAL *x = map, *add_ = added;

    PIECES(rows, AK_KERNEL_ROWS, threads,
           normalize(y + lo * channels, x + lo * channels, add_ ? add_ + lo * channels : NULL,
                     scale, shift, hi - lo, channels, relu));
}

// A NaN in y passes: the mask is "not y <= 0", so that a diverged run shows.
CLONES static void norm_sums(const REAL *dy, const REAL *y, const REAL *x, const float *mean,
                             const float *invstd, int64_t rows, int64_t channels, REAL *masked,
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

            fetch(dy + at + AHEAD * channels);
            fetch(x + at + AHEAD * channels);
            if (y && n == LANE) {
                fetch(y + at + AHEAD * channels);
                for (int i = 0; i < LANE; i++) {
                    float g = GET(y[at + i]) <= 0 ? 0 : GET(dy[at + i]);

                    s[i] += g;
                    q[i] += g * ((GET(x[at + i]) - m[i]) * v[i]);
                }
            } else {
                for (int64_t i = 0; i < n; i++) {
                    float g = y && GET(y[at + i]) <= 0 ? 0 : GET(dy[at + i]);

                    s[i] += g;
                    q[i] += g * ((GET(x[at + i]) - m[i]) * v[i]);
                }
            }
            if (masked)
                for (int64_t i = 0; i < n; i++)
                    masked[at + i] = y && GET(y[at + i]) <= 0 ? 0 : dy[at + i];
        }
        for (int64_t i = 0; i < n; i++) {
            sums[c + i] = s[i];
            sums[channels + c + i] = q[i];
        }
    }
}

static void all_norm_sums(const void *down, const void *out, const void *map, const float *mean,
                          const float *invstd, int64_t rows, int64_t channels, void *mask,
                          double *sums, double *room, int threads)
{
    const REAL *dy = down, *y = out, *x = map;
    REAL *masked = mask;

    PIECES(rows, AK_KERNEL_ROWS, threads,
           norm_sums(dy + lo * channels, y ? y + lo * channels : NULL, x + lo * channels, mean,
                     invstd, hi - lo, channels, masked ? masked + lo * channels : NULL,
                     room + lo / AK_KERNEL_ROWS * channels * 2));
    add_pieces(sums, room, (rows + AK_KERNEL_ROWS - 1) / AK_KERNEL_ROWS, 2 * channels);
}

CLONES static void norm_backward(REAL *dx, const REAL *dy, const REAL *y, const REAL *x,
                                 const float *restrict a, const float *restrict b,
                                 const float *restrict k, int64_t rows, int64_t channels,
                                 bool accumulate)
{
    for (int64_t r = 0; r < rows; r++, dx += channels, dy += channels, x += channels) {
        for (int64_t c = 0; c < channels; c++) {
            float g = y && GET(y[c]) <= 0 ? 0 : GET(dy[c]);
            float v = a[c] * g + b[c] * GET(x[c]) + k[c];

            dx[c] = SET(accumulate ? GET(dx[c]) + v : v);
        }
        if (y)
            y += channels;
    }
}

static void all_norm_backward(void *up, const void *down, const void *out, const void *map,
                              const float *a, const float *b, const float *k, int64_t rows,
                              int64_t channels, bool accumulate, int threads)
{
    REAL *dx = up;
    const REAL *dy = down, *y = out, *x = map;

    PIECES(rows, AK_KERNEL_ROWS, threads,
           norm_backward(dx + lo * channels, dy + lo * channels, y ? y + lo * channels : NULL,
                         x + lo * channels, a, b, k, hi - lo, channels, accumulate));
}

// ---- pooling

// One cell of the window against the best so far, a lane of channels at a time.  A NaN stays.
CLONES static void max_pool_cell(REAL *restrict y, uint8_t *restrict from, const REAL *restrict x,
                                 int cell, int64_t channels)
{
    for (int64_t c = 0; c < channels; c++)
        from[c] = GET(x[c]) <= GET(y[c]) || GET(y[c]) != GET(y[c]) ? from[c] : (uint8_t)cell;
    for (int64_t c = 0; c < channels; c++)
        y[c] = GET(x[c]) <= GET(y[c]) || GET(y[c]) != GET(y[c]) ? y[c] : x[c];
}

static void max_pool_image(REAL *y, uint8_t *from, const REAL *x, int64_t h, int64_t w,
                           int64_t channels)
{
    int64_t oh = (h - 1) / 2 + 1, ow = (w - 1) / 2 + 1;

    for (int64_t p = 0; p < oh; p++) {
        for (int64_t q = 0; q < ow; q++, y += channels, from += channels) {
            bool first = true;

            for (int cell = 0; cell < 9; cell++) {
                int64_t i = 2 * p - 1 + cell / 3, j = 2 * q - 1 + cell % 3;
                const REAL *at = x + (i * w + j) * channels;

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

static void all_max_pool(void *pooled, uint8_t *from, const void *map, int64_t n, int64_t h,
                         int64_t w, int64_t channels, int threads)
{
    REAL *y = pooled;
    const REAL *x = map;
    int64_t out = ((h - 1) / 2 + 1) * ((w - 1) / 2 + 1) * channels, in = h * w * channels;

    PIECES(n, 1, threads,
           max_pool_image(y + lo * out, from + lo * out, x + lo * in, h, w, channels));
}

CLONES static void max_pool_back_cell(REAL *restrict dx, const REAL *restrict dy,
                                      const uint8_t *restrict from, int cell, int64_t channels)
{
    for (int64_t c = 0; c < channels; c++)
        dx[c] = SET(GET(dx[c]) + (from[c] == cell ? GET(dy[c]) : 0));
}

static void max_pool_back_image(REAL *dx, const REAL *dy, const uint8_t *from, int64_t h, int64_t w,
                                int64_t channels)
{
    int64_t oh = (h - 1) / 2 + 1, ow = (w - 1) / 2 + 1;

    for (int64_t p = 0; p < oh; p++) {
        for (int64_t q = 0; q < ow; q++, dy += channels, from += channels) {
            for (int cell = 0; cell < 9; cell++) {
                int64_t i = 2 * p - 1 + cell / 3, j = 2 * q - 1 + cell % 3;
                REAL *at = dx + (i * w + j) * channels;

                if (i < 0 || i >= h || j < 0 || j >= w)
                    continue;
                max_pool_back_cell(at, dy, from, cell, channels);
            }
        }
    }
}

static void all_max_pool_backward(void *up, const void *down, const uint8_t *from, int64_t n,
                                  int64_t h, int64_t w, int64_t channels, bool accumulate,
                                  int threads)
{
    REAL *dx = up;
    const REAL *dy = down;
    int64_t out = ((h - 1) / 2 + 1) * ((w - 1) / 2 + 1) * channels, in = h * w * channels;

    if (!accumulate)
        memset(dx, 0, (size_t)(n * in) * sizeof *dx);
    PIECES(n, 1, threads,
           max_pool_back_image(dx + lo * in, dy + lo * out, from + lo * out, h, w, channels));
}

CLONES static void mean_pool_image(float *y, const REAL *x, int64_t cells, int64_t channels)
{
    float scale = 1.0f / (float)cells;

    memset(y, 0, (size_t)channels * sizeof *y);
    for (int64_t i = 0; i < cells; i++)
        for (int64_t c = 0; c < channels; c++)
            y[c] += GET(x[i * channels + c]);
    for (int64_t c = 0; c < channels; c++)
        y[c] *= scale;
}

static void all_mean_pool(float *y, const void *map, int64_t n, int64_t cells, int64_t channels,
                          int threads)
{
    const REAL *x = map;

    PIECES(n, 1, threads,
           mean_pool_image(y + lo * channels, x + lo * cells * channels, cells, channels));
}

CLONES static void mean_pool_back_image(REAL *dx, const float *dy, int64_t cells, int64_t channels,
                                        bool accumulate)
{
    float scale = 1.0f / (float)cells;

    for (int64_t i = 0; i < cells; i++)
        for (int64_t c = 0; c < channels; c++) {
            float g = dy[c] * scale;

            dx[i * channels + c] = SET(accumulate ? GET(dx[i * channels + c]) + g : g);
        }
}

static void all_mean_pool_backward(void *up, const float *dy, int64_t n, int64_t cells,
                                   int64_t channels, bool accumulate, int threads)
{
    REAL *dx = up;

    PIECES(n, 1, threads,
           mean_pool_back_image(dx + lo * cells * channels, dy + lo * channels, cells, channels,
                                accumulate));
}

const ak_maps TABLE = {
    .add = all_add,
    .pass = all_pass,
    .moments = all_moments,
    .normalize = all_normalize,
    .norm_sums = all_norm_sums,
    .norm_backward = all_norm_backward,
    .max_pool = all_max_pool,
    .max_pool_backward = all_max_pool_backward,
    .mean_pool = all_mean_pool,
    .mean_pool_backward = all_mean_pool_backward,
};

#endif
