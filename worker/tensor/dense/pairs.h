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

// LANES numbers as floats, zeros behind the first `count`.
INLINE vec get_numbers(const void *from, bool half, int64_t at, int64_t count)
{
    if (!half)
        return (vec)_mm512_maskz_loadu_ps(first_of(count), (const float *)from + at);
    return (vec)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(
                                      first_of(count), (const ak_half *)from + at)),
                                  16);
}

// LANES pairs of neighbours, likewise.
INLINE vec get_pairs(const void *from, bool half, int64_t at, int64_t count)
{
    if (half)
        return (vec)_mm512_maskz_loadu_epi16(first_halves_of(count), (const ak_half *)from + at);
    return along(get_numbers(from, half, at, count),
                 get_numbers(from, half, at + LANES, count - LANES));
}

// LANES pairs of a number at `at` and the one `row` behind it, likewise; second: whether there is a
// next row, else zeros.
INLINE vec get_across(const void *from, bool half, int64_t at, int64_t row, bool second,
                      int64_t count)
{
    __mmask16 some = first_of(count), other = second ? some : 0;
    const ak_half *halves = from;

    if (!half)
        return across(get_numbers(from, half, at, count),
                      get_numbers(from, half, at + row, second ? count : 0));
    return (vec)_mm512_or_si512(
        _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(some, halves + at)),
        _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(other, halves + at + row)),
                          16));
}

// Columns of vector v, of `columns`; full: all vectors are whole.
INLINE int64_t columns_at(int v, int64_t columns, bool full)
{
    return full ? LANES : columns - v * LANES;
}

INLINE void pack_row(float *to, const void *b, bool half, int64_t at, int64_t row, bool second,
                     int64_t n, int vectors, bool full)
{
    LOOP(int v = 0; v < vectors; v++)
    put(to + v * LANES, get_across(b, half, at + v * LANES, row, second, columns_at(v, n, full)));
}

INLINE void pack_panel_kind(float *to, const void *b, bool half, int64_t at, int64_t row, int64_t k,
                            int64_t n, int vectors, bool full)
{
    int64_t i = 0;

    for (; i + 1 < k; i += PAIR, at += PAIR * row, to += vectors * LANES)
        pack_row(to, b, half, at, row, true, n, vectors, full);
    if (i < k)
        pack_row(to, b, half, at, row, false, n, vectors, full);
}

INLINE void pack_panel(float *to, const void *b, bool half, int64_t at, int64_t row, int64_t k,
                       int64_t n, int vectors)
{
    bool full = n >= vectors * LANES;

    if (full && vectors == 3)
        pack_panel_kind(to, b, half, at, row, k, n, 3, true);
    else if (full && vectors == 2)
        pack_panel_kind(to, b, half, at, row, k, n, 2, true);
    else
        pack_panel_kind(to, b, half, at, row, k, n, vectors, false);
}

// Of b^T: `columns` rows of b, `numbers` of each, LANES and as many pairs at most; what is packed
// lies `apart`.
INLINE void pack_turned_tile(float *to, const void *b, bool half, int64_t at, int64_t row,
                             int64_t numbers, int64_t columns, int64_t apart)
{
    vec x[LANES];

    LOOP(int l = 0; l < LANES; l++)
    x[l] = l < columns ? get_pairs(b, half, at + l * row, numbers) : (vec){ 0 };
    turn(x);
    LOOP(int l = 0; l < LANES; l++)
    if (PAIR * l < numbers)
        put(to + l * apart, x[l]);
}

// A panel of b^T: b [n][k].
INLINE void pack_turned(float *to, const void *b, bool half, int64_t at, int64_t row, int64_t k,
                        int64_t n, int vectors)
{
    int64_t apart = vectors * LANES;

    for (int64_t i = 0; i < k; i += PAIR * LANES)
        for (int v = 0; v < vectors; v++) {
            float *tile = to + i / PAIR * apart + v * LANES;
            int64_t from = at + v * LANES * row + i, columns = n - v * LANES;

            if (columns >= LANES && i + PAIR * LANES <= k)
                pack_turned_tile(tile, b, half, from, row, PAIR * LANES, LANES, apart);
            else
                pack_turned_tile(tile, b, half, from, row, k - i, columns, apart);
        }
}

INLINE void pack_kind(float *to, const void *b, bool half, int64_t row, bool turned, int64_t k,
                      int64_t n)
{
    for (int64_t j = 0, vectors; j < n;
         j += vectors * LANES, to += vectors * LANES * ((k + 1) / PAIR)) {
        vectors = vectors_at(j, n);
        if (turned)
            pack_turned(to, b, half, j * row, row, k, n - j, (int)vectors);
        else
            pack_panel(to, b, half, j, row, k, n - j, (int)vectors);
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

INLINE void put_block(float *to, int64_t places, vec pairs, int64_t columns)
{
    _mm256_storeu_ps(to, _mm512_castps512_ps256((__m512)pairs));
    if (columns > ROWS)
        _mm256_storeu_ps(to + places * ROWS, _mm512_extractf32x8_ps((__m512)pairs, 1));
}

// One row of pairs; sum: of both numbers of each.
INLINE void pack_columns(float *to, vec *sum, const void *a, bool half, int64_t at, int64_t row,
                         bool second, int64_t places, int64_t columns, int vectors)
{
    LOOP(int v = 0; v < vectors; v++)
    {
        int64_t from = at + v * LANES;
        vec pairs = get_across(a, half, from, row, second, columns);

        put_block(to + v * LANES * places, places, pairs, columns);
        if (half)
            sum[v] = dot(sum[v], pair_of(1, 1), pairs);
        else
            sum[v] += get_numbers(a, half, from, columns) +
                      get_numbers(a, half, from + row, second ? columns : 0);
    }
}

INLINE void pack_blocks(float *to, float *sums, const void *a, bool half, int64_t at, int64_t row,
                        int64_t k, int64_t columns, int vectors)
{
    int64_t places = (k + 1) / PAIR, r = 0;
    vec sum[ACROSS];

    LOOP(int v = 0; v < vectors; v++) sum[v] = (vec){ 0 };
    for (; r + 1 < k; r += PAIR, at += PAIR * row, to += ROWS)
        pack_columns(to, sum, a, half, at, row, true, places, columns, vectors);
    if (r < k)
        pack_columns(to, sum, a, half, at, row, false, places, columns, vectors);
    LOOP(int v = 0; v < vectors; v++)
    for (int64_t i = 0; i < LANES && i < columns; i++)
        sums[v * LANES + i] = sum[v][i];
}

INLINE void pack_left_kind(float *to, float *sums, const void *a, bool half, int64_t row, int64_t k,
                           int64_t m)
{
    int64_t i = 0, places = (k + 1) / PAIR;

    for (; i + ACROSS * LANES <= m; i += ACROSS * LANES)
        pack_blocks(to + i * places, sums + i, a, half, i, row, k, LANES, ACROSS);
    for (; i + LANES <= m; i += LANES)
        pack_blocks(to + i * places, sums + i, a, half, i, row, k, LANES, 1);
    if (i < m)
        pack_blocks(to + i * places, sums + i, a, half, i, row, k, m - i, 1);
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
