// worker/tensor/dense/bf16_rows.c -- layer norm and GELU of bf16 rows for AVX512_BF16.

#include "worker/tensor/dense/rows.h"

#include <math.h>
#include <stddef.h>

#define LANES 16
#include "worker/tensor/lanes.h"
#include "worker/tensor/pairs.h"

#define LOOP _Pragma("GCC unroll 16") for

// ---- vectors of a row, of which the last may be a part

INLINE vec get_row(const ak_half *at, int64_t count)
{
    if (count >= LANES)
        return widened(at);
    return (vec)_mm512_slli_epi32(
        _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(first_of(count), at)), 16);
}

INLINE void put_row(ak_half *to, vec v, int64_t count)
{
    if (count >= LANES)
        put_halves(to, v);
    else
        _mm256_mask_storeu_epi16(to, first_of(count), narrowed(v));
}

INLINE vec get_floats(const float *at, int64_t count)
{
    return count >= LANES ? get(at) : (vec)_mm512_maskz_loadu_ps(first_of(count), at);
}

INLINE void put_floats(float *to, vec v, int64_t count)
{
    if (count >= LANES)
        put(to, v);
    else
        _mm512_mask_storeu_ps(to, first_of(count), (__m512)v);
}

INLINE vec only(vec v, int64_t count)
{
    return count >= LANES ? v : (vec)_mm512_maskz_mov_ps(first_of(count), (__m512)v);
}

INLINE float total(vec v)
{
    return _mm512_reduce_add_ps((__m512)v);
}

// Runs `step` over the vectors of `n` numbers: i is where one begins, some how many it has. Written
// out twice, so that whole vectors ask nothing.
#define VECTORS_OF(n, step)                                                                        \
    do {                                                                                           \
        int64_t i = 0;                                                                             \
        for (; i + LANES <= (n); i += LANES) {                                                     \
            enum { some = LANES };                                                                 \
            step;                                                                                  \
        }                                                                                          \
        if (i < (n)) {                                                                             \
            int64_t some = (n)-i;                                                                  \
            step;                                                                                  \
        }                                                                                          \
    } while (0)

// ---- layer norm

INLINE float mean_of(const ak_half *x, int64_t width)
{
    vec sum = { 0 };

    VECTORS_OF(width, sum += get_row(x + i, some));
    return total(sum) / (float)width;
}

INLINE vec square_of(vec v)
{
    return v * v;
}

INLINE float spread_of(const ak_half *x, float mean, int64_t width)
{
    vec sum = { 0 };

    VECTORS_OF(width, sum += square_of(only(get_row(x + i, some) - mean, some)));
    return total(sum);
}

// One row's [from, to), as y from `from` on.
INLINE void norm_row(ak_half *y, const ak_half *x, float mean, float inverse, const float *w,
                     const float *b, int64_t n)
{
    VECTORS_OF(n, put_row(y + i,
                          (get_row(x + i, some) - mean) * inverse * get_floats(w + i, some) +
                              get_floats(b + i, some),
                          some));
}

static void norm_again(ak_half *y, const ak_half *x, const float *stats, const float *w,
                       const float *b, int64_t rows, int64_t width, int64_t from, int64_t to)
{
    for (int64_t r = 0; r < rows; r++)
        norm_row(y + r * (to - from), x + r * width + from, stats[2 * r], stats[2 * r + 1],
                 w + from, b + from, to - from);
}

static void norm(ak_half *y, float *stats, const ak_half *x, const float *w, const float *b,
                 int64_t rows, int64_t width, double eps)
{
    for (int64_t r = 0; r < rows; r++, stats += 2, x += width, y += width) {
        stats[0] = mean_of(x, width);
        stats[1] = (float)(1 / sqrt((double)spread_of(x, stats[0], width) / (double)width + eps));
        norm_row(y, x, stats[0], stats[1], w, b, width);
    }
}

// One row's dx = inverse (w dy - mean(w dy) - xhat mean(w dy xhat)).
INLINE void norm_row_back(ak_half *dx, const float *dy, const ak_half *x, float mean, float inverse,
                          const float *w, int64_t width, bool add)
{
    vec sum = { 0 }, product = { 0 }, g, v;
    float level, along;

    VECTORS_OF(width, {
        g = get_floats(w + i, some) * get_floats(dy + i, some);
        sum += g;
        product += g * (get_row(x + i, some) - mean);
    });
    level = total(sum) / (float)width;
    along = total(product) / (float)width * inverse * inverse;
    VECTORS_OF(width, {
        g = get_floats(w + i, some) * get_floats(dy + i, some);
        v = (g - level - (get_row(x + i, some) - mean) * along) * inverse;
        put_row(dx + i, add ? v + get_row(dx + i, some) : v, some);
    });
}

// The sums of `vectors` neighbouring vectors of columns over all rows.
INLINE void sum_columns(float *sums, const float *dy, const ak_half *x, const float *stats,
                        int64_t rows, int64_t width, int vectors, int64_t some)
{
    vec scaled[4], plain[4];

    LOOP(int v = 0; v < vectors; v++) scaled[v] = plain[v] = (vec){ 0 };
    for (int64_t r = 0; r < rows; r++, dy += width, x += width)
        LOOP(int v = 0; v < vectors; v++)
        {
            vec g = get_floats(dy + v * LANES, some), off = get_row(x + v * LANES, some);

            scaled[v] += g * ((off - stats[2 * r]) * stats[2 * r + 1]);
            plain[v] += g;
        }
    LOOP(int v = 0; v < vectors; v++)
    {
        put_floats(sums + v * LANES, scaled[v], some);
        put_floats(sums + width + v * LANES, plain[v], some);
    }
}

static void all_columns(float *sums, const float *dy, const ak_half *x, const float *stats,
                        int64_t rows, int64_t width)
{
    int64_t i = 0;

    for (; i + 4 * LANES <= width; i += 4 * LANES)
        sum_columns(sums + i, dy + i, x + i, stats, rows, width, 4, LANES);
    for (; i + LANES <= width; i += LANES)
        sum_columns(sums + i, dy + i, x + i, stats, rows, width, 1, LANES);
    if (i < width)
        sum_columns(sums + i, dy + i, x + i, stats, rows, width, 1, width - i);
}

static void norm_backward(ak_half *dx, float *sums, const float *dy, const ak_half *x,
                          const float *stats, const float *w, int64_t rows, int64_t width, bool add)
{
    if (sums)
        all_columns(sums, dy, x, stats, rows, width);
    for (int64_t r = 0; dx && r < rows; r++)
        norm_row_back(dx + r * width, dy + r * width, x + r * width, stats[2 * r], stats[2 * r + 1],
                      w, width, add);
}

// ---- GELU

// 1/2 + x P(x^2) for x within +-4.2, and the value there beyond: Phi of the normal distribution,
// and the derivative Phi(x) + x phi(x) of x Phi(x), both odd but for the 1/2.
static const float phi[] = { 0.398907438f,    -0.0663603703f,   0.00983012941f,
                             -0.00111414762f, 9.45743211e-05f,  -5.76076048e-06f,
                             2.34366839e-07f, -5.63329779e-09f, 5.99804014e-11f };
static const float slope[] = { 0.79777427f,     -0.265461222f,    0.0591687606f,   -0.0090784601f,
                               0.00100670777f,  -8.09449873e-05f, 4.58054157e-06f, -1.71655557e-07f,
                               3.79770573e-09f, -3.73555428e-11f };

INLINE vec odd(vec x, const float *p, int terms)
{
    vec near =
        (vec)_mm512_max_ps(_mm512_min_ps((__m512)x, _mm512_set1_ps(4.2f)), _mm512_set1_ps(-4.2f));
    vec square = near * near, sum = p[terms - 1] - (vec){ 0 };

    LOOP(int i = terms - 2; i >= 0; i--) sum = sum * square + p[i];
    return sum * near + 0.5f;
}

enum { PHI = sizeof phi / sizeof *phi, SLOPE = sizeof slope / sizeof *slope };

static void gelu(ak_half *y, const ak_half *x, int64_t n)
{
    VECTORS_OF(n, put_row(y + i, get_row(x + i, some) * odd(get_row(x + i, some), phi, PHI), some));
}

static void gelu_backward(ak_half *dx, const float *dy, const ak_half *x, int64_t n, bool add)
{
    vec v;

    VECTORS_OF(n, {
        v = get_floats(dy + i, some) * odd(get_row(x + i, some), slope, SLOPE);
        put_row(dx + i, add ? v + get_row(dx + i, some) : v, some);
    });
}

// ---- softmax

// 2^t, |t| < 126: 2 to the whole number next to it, times a polynomial in what is left.
INLINE vec power_of_two(vec t)
{
    static const float p[] = { 0.999999261f, 0.693121815f, 0.240247448f, 0.0559178618f,
                               0.00957010188f };
    __m512 whole = _mm512_roundscale_ps((__m512)t, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    vec rest = t - (vec)whole, sum = p[4] - (vec){ 0 };

    LOOP(int i = 3; i >= 0; i--) sum = sum * rest + p[i];
    return (vec)_mm512_scalef_ps((__m512)sum, whole);
}

#define LOG2_E 1.44269504f

INLINE float largest_of(const float *x, int64_t n)
{
    vec most = x[0] - (vec){ 0 };

    VECTORS_OF(n, most = (vec)_mm512_mask_max_ps((__m512)most, first_of(some), (__m512)most,
                                                 (__m512)get_floats(x + i, some)));
    return _mm512_reduce_max_ps((__m512)most);
}

// The last vector's own numbers, zeros behind them, all of it stored.
INLINE void put_padded(ak_half *to, vec v, int64_t some)
{
    put_halves(to, only(v, some));
}

static void softmax(ak_half *y, float *inverse, float *logs, const float *x, int64_t rows,
                    int64_t row, int64_t n, float scale)
{
    for (int64_t r = 0; r < rows; r++, x += row, y += row) {
        float shift = largest_of(x, n) * scale;
        vec sum = { 0 }, v;

        VECTORS_OF(n, {
            v = power_of_two(get_floats(x + i, some) * (scale * LOG2_E) - shift * LOG2_E);
            sum += only(v, some);
            put_padded(y + i, v, some);
        });
        inverse[r] = 1 / total(sum);
        logs[r] = shift + logf(total(sum));
    }
}

static void softmax_backward(ak_half *p, ak_half *ds, float *x, const float *dp, const float *logs,
                             int64_t rows, int64_t row, int64_t n, float scale)
{
    for (int64_t r = 0; r < rows; r++, x += row, dp += row, p += row, ds += row) {
        vec sum = { 0 }, v;
        float level;

        VECTORS_OF(n, {
            v = power_of_two(get_floats(x + i, some) * (scale * LOG2_E) - logs[r] * LOG2_E);
            put_floats(x + i, v, some);
            put_padded(p + i, v, some);
            sum += v * get_floats(dp + i, some);
        });
        level = total(sum);
        VECTORS_OF(n,
                   put_padded(ds + i,
                              get_floats(x + i, some) * (get_floats(dp + i, some) - level) * scale,
                              some));
    }
}

static void store(ak_half *y, int64_t y_row, const float *x, const float *scale, int64_t rows,
                  int64_t n, bool add)
{
    for (int64_t r = 0; r < rows; r++, x += n, y += y_row) {
        float by = scale ? scale[r] : 1;

        VECTORS_OF(n, put_row(y + i,
                              add ? get_floats(x + i, some) * by + get_row(y + i, some)
                                  : get_floats(x + i, some) * by,
                              some));
    }
}

const ak_dense_rows ak_dense_rows_bf16 = {
    .norm = norm,
    .norm_again = norm_again,
    .norm_backward = norm_backward,
    .gelu = gelu,
    .gelu_backward = gelu_backward,
    .softmax = softmax,
    .softmax_backward = softmax_backward,
    .store = store,
};
