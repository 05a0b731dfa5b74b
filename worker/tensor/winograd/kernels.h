// worker/tensor/winograd/kernels.h -- the inner loops of winograd.h, for one file an instruction
// set.
//
// The file says LANES (floats in a vector), ROWS x COLUMNS (the part of a product that stays in
// registers) and TABLE (the table's name) before it includes this, and PAIRS if it multiplies pairs
// of bf16; without, it gets those of any CPU.

#include <stdbool.h>

#include "worker/tensor/winograd/winograd.h"

#ifndef LANES
#define LANES 4
#define ROWS 2
#define COLUMNS 16
#define TABLE ak_winograd_plain
#endif

#include "worker/tensor/lanes.h"

enum { VECTORS = COLUMNS / LANES };

// ---- numbers

#ifdef PAIRS

#include "worker/tensor/pairs.h"

enum { PAIR = 2 };

INLINE vec get_pixel(const void *at, int64_t c)
{
    return widened((const ak_half *)at + c);
}

INLINE void put_pixel(void *at, int64_t c, vec v)
{
    put_halves((ak_half *)at + c, v);
}

INLINE void put_point(float *at, int64_t c, vec v, ak_winograd_place place)
{
    vec none = { 0 };

    if (place == AK_WINOGRAD_ROW)
        put_halves((ak_half *)(void *)at + c, v);
    else if (place == AK_WINOGRAD_FIRST)
        put(at + c, across(v, none));
    else if (place == AK_WINOGRAD_SECOND)
        put(at + c, either(get(at + c), across(none, v)));
    else
        put(at + c, v);
}

// One copy of the call for each place.
#define AT_PLACE(place, call)                                                                      \
    if ((place) == AK_WINOGRAD_ROW)                                                                \
        call(AK_WINOGRAD_ROW);                                                                     \
    else if ((place) == AK_WINOGRAD_FIRST)                                                         \
        call(AK_WINOGRAD_FIRST);                                                                   \
    else                                                                                           \
        call(AK_WINOGRAD_SECOND)

#define ADD_PRODUCT(sum, left, right) (sum) = dot(sum, left, right)

#else

enum { PAIR = 1 };

INLINE vec get_pixel(const void *at, int64_t c)
{
    return get((const float *)at + c);
}

INLINE void put_pixel(void *at, int64_t c, vec v)
{
    put((float *)at + c, v);
}

INLINE void put_point(float *at, int64_t c, vec v, ak_winograd_place place)
{
    (void)place;
    put(at + c, v);
}

#define AT_PLACE(place, call)                                                                      \
    (void)(place);                                                                                 \
    call(AK_WINOGRAD_FLOATS)

#define ADD_PRODUCT(sum, left, right) (sum) += (left) * (right)

#endif

// ---- one dimension: to[] from from[]

#define A 0.70710678118654752f
#define B 1.41421356237309505f

INLINE void take4(vec *to, const vec *x)
{
    vec even = x[4] - 2 * x[2], odd = A * x[3] - B * x[1];
    vec even_b = x[4] - 0.5f * x[2], odd_b = B * x[3] - A * x[1];

    to[0] = x[0] + (x[4] - 2.5f * x[2]);
    to[1] = even + odd;
    to[2] = even - odd;
    to[3] = even_b + odd_b;
    to[4] = even_b - odd_b;
    to[5] = x[1] + (x[5] - 2.5f * x[3]);
}

INLINE void give4(vec *to, const vec *m)
{
    vec sum = m[1] + m[2], minus = m[1] - m[2], sum_b = m[3] + m[4], minus_b = m[3] - m[4];

    to[0] = m[0] + sum + sum_b;
    to[1] = A * minus + B * minus_b;
    to[2] = 0.5f * sum + 2 * sum_b;
    to[3] = m[5] + (A / 2 * minus + 2 * B * minus_b);
}

INLINE void spread4(vec *to, const vec *y)
{
    vec even = y[0] + 0.5f * y[2], odd = A * y[1] + A / 2 * y[3];
    vec even_b = y[0] + 2 * y[2], odd_b = B * y[1] + 2 * B * y[3];

    to[0] = y[0];
    to[1] = even + odd;
    to[2] = even - odd;
    to[3] = even_b + odd_b;
    to[4] = even_b - odd_b;
    to[5] = y[3];
}

INLINE void expand4(vec *to, const vec *g)
{
    vec even = (g[0] + 0.5f * g[2]) * (-2.0f / 3), odd = g[1] * (-2 * A / 3);
    vec even_b = (g[0] + 2 * g[2]) * (1.0f / 6), odd_b = g[1] * (B / 6);

    to[0] = g[0];
    to[1] = even + odd;
    to[2] = even - odd;
    to[3] = even_b + odd_b;
    to[4] = even_b - odd_b;
    to[5] = g[2];
}

INLINE void fold4(vec *to, const vec *u)
{
    vec sum = u[1] + u[2], minus = u[1] - u[2], sum_b = u[3] + u[4], minus_b = u[3] - u[4];

    to[0] = u[0] + (sum_b * (1.0f / 6) - sum * (2.0f / 3));
    to[1] = minus_b * (B / 6) - minus * (2 * A / 3);
    to[2] = u[5] + (sum_b - sum) * (1.0f / 3);
}

// y0 = w1 x0 + w2 x1 = w1 (x0 + x1) + (w2 - w1) x1,  y1 = w0 x0 + w1 x1 likewise
INLINE void take_whole2(vec *to, const vec *x)
{
    to[0] = x[0] + x[1];
    to[1] = x[1];
    to[2] = x[0];
}

INLINE void give_whole2(vec *to, const vec *m)
{
    to[0] = m[0] + m[1];
    to[1] = m[0] + m[2];
}

INLINE void spread_whole2(vec *to, const vec *y)
{
    to[0] = y[0] + y[1];
    to[1] = y[0];
    to[2] = y[1];
}

INLINE void expand_whole2(vec *to, const vec *g)
{
    to[0] = g[1];
    to[1] = g[2] - g[1];
    to[2] = g[0] - g[1];
}

INLINE void fold_whole2(vec *to, const vec *u)
{
    to[0] = u[2];
    to[1] = u[0] - u[1] - u[2];
    to[2] = u[1];
}

// ---- two dimensions: columns, then rows

enum { SIDE = 6 };

typedef void dimension(vec *to, const vec *from);

#define LOOP _Pragma("GCC unroll 6") for

INLINE void pixels_to_points(dimension *one, int from, int to, const void *const *x, float *v,
                             int64_t apart, int64_t channels, ak_winograd_place place)
{
    for (int64_t c = 0; c < channels; c += LANES) {
        vec mid[SIDE][SIDE], in[SIDE], out[SIDE];

        LOOP(int j = 0; j < from; j++)
        {
            LOOP(int i = 0; i < from; i++) in[i] = get_pixel(x[i * from + j], c);
            one(out, in);
            LOOP(int i = 0; i < to; i++) mid[i][j] = out[i];
        }
        LOOP(int i = 0; i < to; i++)
        {
            one(out, mid[i]);
            LOOP(int j = 0; j < to; j++) put_point(v + (i * to + j) * apart, c, out[j], place);
        }
    }
}

INLINE void points_to_pixels(dimension *one, int from, int to, const float *m, int64_t apart,
                             void *const *y, int64_t channels)
{
    for (int64_t c = 0; c < channels; c += LANES) {
        vec mid[SIDE][SIDE], in[SIDE], out[SIDE];

        LOOP(int j = 0; j < from; j++)
        {
            LOOP(int i = 0; i < from; i++) in[i] = get(m + (i * from + j) * apart + c);
            one(out, in);
            LOOP(int i = 0; i < to; i++) mid[i][j] = out[i];
        }
        LOOP(int i = 0; i < to; i++)
        {
            one(out, mid[i]);
            LOOP(int j = 0; j < to; j++) if (y[i * to + j]) put_pixel(y[i * to + j], c, out[j]);
        }
    }
}

INLINE void points_to_points(dimension *one, int from, int to, const float *x, int64_t x_apart,
                             float *y, int64_t y_apart, int64_t channels, ak_winograd_place place)
{
    for (int64_t c = 0; c < channels; c += LANES) {
        vec mid[SIDE][SIDE], in[SIDE], out[SIDE];

        LOOP(int j = 0; j < from; j++)
        {
            LOOP(int i = 0; i < from; i++) in[i] = get(x + (i * from + j) * x_apart + c);
            one(out, in);
            LOOP(int i = 0; i < to; i++) mid[i][j] = out[i];
        }
        LOOP(int i = 0; i < to; i++)
        {
            one(out, mid[i]);
            LOOP(int j = 0; j < to; j++) put_point(y + (i * to + j) * y_apart, c, out[j], place);
        }
    }
}

// FORM defines the five functions of a form and its row.
#define FORM(name, REACH, OUT, POINTS, BEFORE)                                                     \
    static void take_of_##name(const void *const *x, float *v, int64_t apart, int64_t channels,    \
                               ak_winograd_place place)                                            \
    {                                                                                              \
        AT_PLACE(place, TAKE_##name);                                                              \
    }                                                                                              \
    static void give_of_##name(const float *m, int64_t apart, void *const *y, int64_t channels)    \
    {                                                                                              \
        points_to_pixels(give##name, POINTS, OUT, m, apart, y, channels);                          \
    }                                                                                              \
    static void spread_of_##name(const void *const *dy, float *d, int64_t apart, int64_t channels, \
                                 ak_winograd_place place)                                          \
    {                                                                                              \
        AT_PLACE(place, SPREAD_##name);                                                            \
    }                                                                                              \
    static void expand_of_##name(const float *w, int64_t w_apart, float *u, int64_t apart,         \
                                 int64_t channels, ak_winograd_place place)                        \
    {                                                                                              \
        points_to_points(expand##name, 3, POINTS, w, w_apart, u, apart, channels, place);          \
    }                                                                                              \
    static void fold_of_##name(const float *du, int64_t apart, float *dw, int64_t dw_apart,        \
                               int64_t channels)                                                   \
    {                                                                                              \
        points_to_points(fold##name, POINTS, 3, du, apart, dw, dw_apart, channels,                 \
                         AK_WINOGRAD_FLOATS);                                                      \
    }                                                                                              \
    enum {                                                                                         \
        REACH_OF_##name = REACH,                                                                   \
        OUT_OF_##name = OUT,                                                                       \
        POINTS_OF_##name = POINTS,                                                                 \
        BEFORE_OF_##name = BEFORE                                                                  \
    };

#define FORM_ROW(name)                                                                             \
    {                                                                                              \
        .reach = REACH_OF_##name, .out = OUT_OF_##name, .points = POINTS_OF_##name,                \
        .before = BEFORE_OF_##name, .take = take_of_##name, .give = give_of_##name,                \
        .spread = spread_of_##name, .expand = expand_of_##name, .fold = fold_of_##name,            \
    }

#define TAKE_4(place) pixels_to_points(take4, 6, 6, x, v, apart, channels, place)
#define SPREAD_4(place) pixels_to_points(spread4, 4, 6, dy, d, apart, channels, place)
#define TAKE__whole2(place) pixels_to_points(take_whole2, 2, 3, x, v, apart, channels, place)
#define SPREAD__whole2(place) pixels_to_points(spread_whole2, 2, 3, dy, d, apart, channels, place)

FORM(4, 6, 4, 6, 1)
FORM(_whole2, 2, 2, 3, 0)

// ---- products

// The sums of ROWS x COLUMNS elements of c.  Steps of a along its rows and along k; of b along k
// and from one panel to the next.
INLINE void block(float *c, int64_t ldc, const float *a, int64_t a_row, int64_t a_k, const float *b,
                  int64_t b_k, int64_t b_panel, int64_t k, bool add)
{
    vec sum[ROWS][VECTORS];

    LOOP(int r = 0; r < ROWS; r++)
    LOOP(int v = 0; v < VECTORS; v++) sum[r][v] = add ? get(c + r * ldc + v * LANES) : (vec){ 0 };
    for (int64_t i = 0; i < k; i++) {
        vec right[VECTORS];

        LOOP(int v = 0; v < VECTORS; v++)
        right[v] = get(b + v * LANES / AK_WINOGRAD_PANEL * b_panel + v * LANES % AK_WINOGRAD_PANEL);
        _Pragma("GCC unroll 8") for (int r = 0; r < ROWS; r++) LOOP(int v = 0; v < VECTORS; v++)
            ADD_PRODUCT(sum[r][v], a[r * a_row], right[v]);
        a += a_k;
        b += b_k;
    }
    _Pragma("GCC unroll 8") for (int r = 0; r < ROWS; r++) LOOP(int v = 0; v < VECTORS; v++)
        put(c + r * ldc + v * LANES, sum[r][v]);
}

static void product(float *c, const float *a, const float *b, int64_t m, int64_t n, int64_t k)
{
    for (int64_t j = 0; j < n; j += COLUMNS)
        for (int64_t i = 0; i < m; i += ROWS)
            block(c + i * n + j, n, a + i * k, k, 1, b + j * k, AK_WINOGRAD_PANEL,
                  AK_WINOGRAD_PANEL * k, k, false);
}

static void gather(float *c, int64_t ldc, const float *a, int64_t lda, const float *b, int64_t ldb,
                   int64_t m, int64_t n, int64_t k)
{
    for (int64_t j = 0; j < n; j += COLUMNS)
        for (int64_t i = 0; i < m; i += ROWS)
            block(c + i * ldc + j, ldc, a + i, 1, lda, b + j, ldb, AK_WINOGRAD_PANEL, k, true);
}

const ak_winograd_kernels TABLE = {
    .tile4 = FORM_ROW(4),
    .whole2 = FORM_ROW(_whole2),
    .pair = PAIR,
    .product = product,
    .gather = gather,
};
