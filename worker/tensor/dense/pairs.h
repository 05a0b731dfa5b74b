// worker/tensor/dense/pairs.h -- for kernels.h: packing of pairs of bf16 from floats or bf16, and c
// of either.

#ifdef __AVX512BF16__ // else it is no file of theirs

#include "worker/tensor/pairs.h"

enum { PAIR = 2 };

#define ADD_PRODUCT(sum, left, right) (sum) = dot(sum, left, right)

INLINE vec get_c(const void *c, bool half, int64_t at)
{
    return half ? widened((const ak_half *)c + at) : get((const float *)c + at);
}

INLINE void put_c(void *c, bool half, int64_t at, vec v)
{
    if (half)
        put_halves((ak_half *)c + at, v);
    else
        put((float *)c + at, v);
}

INLINE float one_of(const void *numbers, bool half, int64_t at)
{
    return half ? ak_half_get(((const ak_half *)numbers)[at]) : ((const float *)numbers)[at];
}

INLINE void add_one(void *c, const void *base, bool half, int64_t c_at, int64_t base_at,
                    float value)
{
    if (base)
        value += one_of(base, half, base_at);
    if (half)
        ((ak_half *)c)[c_at] = ak_half_of(value);
    else
        ((float *)c)[c_at] = value;
}

// LANES numbers, zeros behind the first `count`.
INLINE vec get_numbers(const void *from, bool half, int64_t at, int64_t count)
{
    vec v = { 0 };

    if (count >= LANES)
        return get_c(from, half, at);
    for (int64_t i = 0; i < count; i++)
        v[i] = one_of(from, half, at + i);
    return v;
}

// LANES pairs of neighbours, likewise.
INLINE vec get_pairs(const void *from, bool half, int64_t at, int64_t count)
{
    if (half && count >= 2 * LANES)
        return (vec)_mm512_loadu_si512((const ak_half *)from + at);
    return along(get_numbers(from, half, at, count),
                 get_numbers(from, half, at + LANES, count - LANES));
}

INLINE void pack_panel(float *to, const void *b, bool half, int64_t at, int64_t row, int64_t k,
                       int64_t n, int vectors)
{
    for (int64_t i = 0; i < k; i += PAIR, at += PAIR * row)
        for (int v = 0; v < vectors; v++, to += LANES) {
            vec first = get_numbers(b, half, at + v * LANES, n - v * LANES), second = { 0 };

            if (i + 1 < k)
                second = get_numbers(b, half, at + row + v * LANES, n - v * LANES);
            put(to, across(first, second));
        }
}

// A panel of b^T: b [n][k].
INLINE void pack_turned(float *to, const void *b, bool half, int64_t at, int64_t row, int64_t k,
                        int64_t n, int vectors)
{
    int64_t places = (k + 1) / PAIR;

    for (int64_t i = 0; i < places; i += LANES)
        for (int v = 0; v < vectors; v++) {
            vec x[LANES];

            LOOP(int l = 0; l < LANES; l++)
            x[l] = v * LANES + l < n
                       ? get_pairs(b, half, at + (v * LANES + l) * row + PAIR * i, k - PAIR * i)
                       : (vec){ 0 };
            turn(x);
            LOOP(int l = 0; l < LANES; l++)
            if (i + l < places)
                put(to + ((i + l) * vectors + v) * LANES, x[l]);
        }
}

INLINE void pack_kind(float *to, const void *b, bool half, int64_t row, bool turned, int64_t k,
                      int64_t n)
{
    for (int64_t j = 0; j < n; j += PANEL, to += PANEL * ((k + 1) / PAIR)) {
        if (turned)
            pack_turned(to, b, half, j * row, row, k, n - j, vectors_at(j, n));
        else
            pack_panel(to, b, half, j, row, k, n - j, vectors_at(j, n));
    }
}

static void pack(float *to, const void *b, bool half, int64_t row, bool turned, int64_t k,
                 int64_t n)
{
    if (half)
        pack_kind(to, b, true, row, turned, k, n);
    else
        pack_kind(to, b, false, row, turned, k, n);
}

// Columns of a at a time, so that whole lines of the cache are read.
enum { ACROSS = 4 };

INLINE void pack_blocks(float *to, float *sums, const void *a, bool half, int64_t at, int64_t row,
                        int64_t k, int64_t m, int vectors)
{
    int64_t places = (k + 1) / PAIR;
    vec sum[ACROSS];

    LOOP(int v = 0; v < vectors; v++) sum[v] = (vec){ 0 };
    for (int64_t r = 0; r < k; r += PAIR, at += PAIR * row)
        LOOP(int v = 0; v < vectors; v++)
        {
            vec first = get_numbers(a, half, at + v * LANES, m - v * LANES), second = { 0 }, pairs;
            float *block = to + v * LANES * places + r / PAIR * ROWS;

            if (r + 1 < k)
                second = get_numbers(a, half, at + row + v * LANES, m - v * LANES);
            sum[v] = sum[v] + first + second;
            pairs = across(first, second);
            _mm256_storeu_ps(block, _mm512_castps512_ps256((__m512)pairs));
            if (m - v * LANES > ROWS)
                _mm256_storeu_ps(block + places * ROWS, _mm512_extractf32x8_ps((__m512)pairs, 1));
        }
    LOOP(int v = 0; v < vectors; v++)
    for (int64_t i = 0; i < LANES && i < m - v * LANES; i++)
        sums[v * LANES + i] = sum[v][i];
}

INLINE void pack_left_kind(float *to, float *sums, const void *a, bool half, int64_t row, int64_t k,
                           int64_t m)
{
    int64_t i = 0;

    for (; i + ACROSS * LANES <= m; i += ACROSS * LANES)
        pack_blocks(to + i * ((k + 1) / PAIR), sums + i, a, half, i, row, k, m - i, ACROSS);
    for (; i < m; i += LANES)
        pack_blocks(to + i * ((k + 1) / PAIR), sums + i, a, half, i, row, k, m - i, 1);
}

static void pack_left(float *to, float *sums, const void *a, bool half, int64_t row, int64_t k,
                      int64_t m)
{
    if (half)
        pack_left_kind(to, sums, a, true, row, k, m);
    else
        pack_left_kind(to, sums, a, false, row, k, m);
}

#endif
