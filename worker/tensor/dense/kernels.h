// worker/tensor/dense/kernels.h -- the loops of dense.h, for one file an instruction set.
//
// The file says LANES (floats in a vector), ROWS x VECTORS (vectors of a product that stay in
// registers), TURN(M) (M(0), M(1), ... M(LANES - 1)) and TABLE (the table's name) before it
// includes this, and PAIRS if it multiplies pairs of bf16; without, it gets those of any CPU.

#include <string.h>

#include "worker/tensor/dense/dense.h"

#ifndef LANES
#define LANES 4
#define ROWS 4
#define VECTORS 2
#define TURN(M) M(0), M(1), M(2), M(3)
#define TABLE ak_dense_plain
#endif

#include "worker/tensor/lanes.h"

enum { PANEL = VECTORS * LANES };

#define LOOP _Pragma("GCC unroll 16") for

// The next share of what is left: `most`, or near the end half of it, since a small share would
// wait for each of its sums.
static int share_of(int64_t left, int most)
{
    if (left >= 2 * most)
        return most;
    return (int)(left > most ? (left + 1) / 2 : left);
}

// Vectors that a panel of the columns from j has, of n.
static int vectors_at(int64_t j, int64_t n)
{
    return share_of((n - j + LANES - 1) / LANES, VECTORS);
}

// ---- packing

INLINE vec get_some(const float *at, int64_t count)
{
    vec v = { 0 };

    if (count >= LANES)
        return get(at);
    for (int64_t i = 0; i < count; i++)
        v[i] = at[i];
    return v;
}

// Lane j of row i and lane i of row j change places, in steps of powers of two.
#define LOW_OF(step, j) ((j) & (step) ? LANES + (j) - (step) : (j))
#define HIGH_OF(step, j) ((j) & (step) ? LANES + (j) : (j) + (step))
#define LOW1(j) LOW_OF(1, j)
#define LOW2(j) LOW_OF(2, j)
#define LOW4(j) LOW_OF(4, j)
#define LOW8(j) LOW_OF(8, j)
#define HIGH1(j) HIGH_OF(1, j)
#define HIGH2(j) HIGH_OF(2, j)
#define HIGH4(j) HIGH_OF(4, j)
#define HIGH8(j) HIGH_OF(8, j)

#define EXCHANGE(step)                                                                             \
    if (step < LANES)                                                                              \
        LOOP(int i = 0; i < LANES; i++) if (!(i & step))                                           \
        {                                                                                          \
            vec low = x[i], high = x[i + step];                                                    \
                                                                                                   \
            x[i] = __builtin_shufflevector(low, high, TURN(LOW##step));                            \
            x[i + step] = __builtin_shufflevector(low, high, TURN(HIGH##step));                    \
        }

INLINE void turn(vec *x)
{
    EXCHANGE(1)
    EXCHANGE(2)
#if LANES > 4
    EXCHANGE(4)
#endif
#if LANES > 8
    EXCHANGE(8)
#endif
}

#ifdef PAIRS

#include "worker/tensor/dense/pairs.h"

#else

enum { PAIR = 1 };

#define ADD_PRODUCT(sum, left, right) (sum) += (left) * (right)

INLINE vec get_c(const void *c, bool half, int64_t at)
{
    (void)half;
    return get((const float *)c + at);
}

INLINE void put_c(void *c, bool half, int64_t at, vec v)
{
    (void)half;
    put((float *)c + at, v);
}

INLINE void add_one(void *c, const void *base, bool half, int64_t c_at, int64_t base_at,
                    float value)
{
    (void)half;
    if (base)
        value += ((const float *)base)[base_at];
    ((float *)c)[c_at] = value;
}

static void pack_panel(float *to, const float *b, int64_t row, int64_t k, int64_t n, int vectors)
{
    for (int64_t i = 0; i < k; i++, b += row)
        for (int v = 0; v < vectors; v++, to += LANES)
            put(to, get_some(b + v * LANES, n - v * LANES));
}

// A panel of b^T: b [n][k].
static void pack_turned(float *to, const float *b, int64_t row, int64_t k, int64_t n, int vectors)
{
    for (int64_t i = 0; i < k; i += LANES)
        for (int v = 0; v < vectors; v++) {
            vec x[LANES];

            LOOP(int l = 0; l < LANES; l++)
            x[l] = v * LANES + l < n ? get_some(b + (v * LANES + l) * row + i, k - i) : (vec){ 0 };
            turn(x);
            LOOP(int l = 0; l < LANES; l++)
            if (i + l < k)
                put(to + ((i + l) * vectors + v) * LANES, x[l]);
        }
}

static void pack(float *to, const void *from, bool half, int64_t row, bool turned, int64_t k,
                 int64_t n)
{
    const float *b = from;

    (void)half;
    for (int64_t j = 0, vectors; j < n; j += vectors * LANES) {
        vectors = vectors_at(j, n);
        if (turned)
            pack_turned(to + j * k, b + j * row, row, k, n - j, (int)vectors);
        else
            pack_panel(to + j * k, b + j, row, k, n - j, (int)vectors);
    }
}

// Columns of a at a time, so that what is written stays in the first cache.
enum { ACROSS = 8 };

typedef float part __attribute__((vector_size(4 * ROWS)));
typedef float loose_part __attribute__((vector_size(4 * ROWS), aligned(4), may_alias));

INLINE void pack_blocks(float *to, float *sums, const float *a, int64_t row, int64_t k, int blocks)
{
    part sum[ACROSS];

    LOOP(int i = 0; i < blocks; i++) sum[i] = (part){ 0 };
    for (int64_t r = 0; r < k; r++)
        LOOP(int i = 0; i < blocks; i++)
        {
            part v = *(const loose_part *)(a + r * row + i * ROWS);

            sum[i] += v;
            *(loose_part *)(to + (i * k + r) * ROWS) = v;
        }
    LOOP(int i = 0; i < blocks; i++) * (loose_part *)(sums + i * ROWS) = sum[i];
}

static void pack_left(float *to, float *sums, const void *from, bool half, int64_t row, int64_t k,
                      int64_t m)
{
    const float *a = from;
    int64_t i = 0;

    (void)half;
    for (; i + ACROSS * ROWS <= m; i += ACROSS * ROWS)
        pack_blocks(to + i * k, sums + i, a + i, row, k, ACROSS);
    for (; i + ROWS <= m; i += ROWS)
        pack_blocks(to + i * k, sums + i, a + i, row, k, 1);
    for (int64_t j = i; j < m; j++) {
        sums[j] = 0;
        for (int64_t r = 0; r < k; r++) {
            to[i * k + r * ROWS + j - i] = a[r * row + j];
            sums[j] += a[r * row + j];
        }
    }
}

#endif

// ---- products

enum {
    LINE = 64,   // bytes that come into the cache together
    STRETCH = 64 // of k, whose part of the next rows is called at once: more would have to queue
};

INLINE void fetch(const void *at, int64_t bytes)
{
    for (int64_t i = 0; i < bytes; i += LINE)
        __builtin_prefetch((const char *)at + i);
}

// Calls what a tile reads and writes last.
INLINE void fetch_target(const ak_dense_product *p, int64_t i, int64_t j, int rows, int vectors)
{
    int64_t size = p->c_half ? 2 : 4;

    for (int r = 0; r < rows; r++) {
        fetch((const char *)p->c + ((i + r) * p->c_row + j) * size, vectors * LANES * size);
        if (p->base && p->base != p->c)
            fetch((const char *)p->base + ((i + r) * p->base_row + j) * size,
                  vectors * LANES * size);
    }
}

// A tile whose last vector reaches over the n columns left.
static void put_ragged(const ak_dense_product *p, int64_t i, int64_t j, const vec *sum, int rows,
                       int vectors)
{
    for (int r = 0; r < rows; r++)
        for (int64_t q = 0; q < p->n - j; q++)
            add_one(p->c, p->base, p->c_half, (i + r) * p->c_row + j + q,
                    (i + r) * p->base_row + j + q, sum[r * vectors + q / LANES][q % LANES]);
}

INLINE void tile(const ak_dense_product *p, int64_t i, int64_t j, int rows, int vectors)
{
    const float *a = p->a + i * (p->a_packed ? p->k : p->a_row), *b = p->b + j * p->k;
    int64_t row = p->a_packed ? 1 : p->a_row, step = p->a_packed ? ROWS : p->a_column;
    bool fresh = j == 0 && !p->a_packed && p->a_column == 1; // rows of a are met for the first time
    int64_t stretch = fresh && p->k > 2 * STRETCH ? STRETCH : p->k;
    vec sum[ROWS * VECTORS], right[VECTORS];

    fetch_target(p, i, j, rows, vectors);
    LOOP(int v = 0; v < vectors; v++)
    {
        right[v] = p->bias ? get(p->bias + j + v * LANES) : (vec){ 0 };
        LOOP(int r = 0; r < rows; r++) sum[r * vectors + v] = right[v];
    }
    for (int64_t k = 0; k < p->k;) {
        int64_t end = k + stretch < p->k ? k + stretch : p->k;

        for (int r = 0; fresh && r < rows; r++)
            fetch(a + (rows + r) * row, (end - k) * 4);
        for (; k < end; k++, a += step, b += vectors * LANES) {
            LOOP(int v = 0; v < vectors; v++) right[v] = get(b + v * LANES);
            LOOP(int r = 0; r < rows; r++)
            LOOP(int v = 0; v < vectors; v++)
            ADD_PRODUCT(sum[r * vectors + v], a[r * row], right[v]);
        }
    }
    if (j + vectors * LANES > p->n) {
        put_ragged(p, i, j, sum, rows, vectors);
        return;
    }
    LOOP(int r = 0; r < rows; r++)
    LOOP(int v = 0; v < vectors; v++)
    {
        if (p->base)
            sum[r * vectors + v] +=
                get_c(p->base, p->c_half, (i + r) * p->base_row + j + v * LANES);
        put_c(p->c, p->c_half, (i + r) * p->c_row + j + v * LANES, sum[r * vectors + v]);
    }
}

INLINE void column(const ak_dense_product *p, int64_t j, int vectors)
{
    int rows;

    for (int64_t i = 0; i < p->m; i += rows) {
        int64_t left = p->m - i;

        rows = p->a_packed && left > ROWS ? ROWS : share_of(left, ROWS);
        switch (rows) {
#if ROWS > 4
        case 8:
            tile(p, i, j, 8, vectors);
            break;
        case 7:
            tile(p, i, j, 7, vectors);
            break;
        case 6:
            tile(p, i, j, 6, vectors);
            break;
        case 5:
            tile(p, i, j, 5, vectors);
            break;
#endif
        case 4:
            tile(p, i, j, 4, vectors);
            break;
        case 3:
            tile(p, i, j, 3, vectors);
            break;
        case 2:
            tile(p, i, j, 2, vectors);
            break;
        default:
            tile(p, i, j, 1, vectors);
        }
    }
}

static void product(const ak_dense_product *p)
{
    int vectors;

    for (int64_t j = 0; j < p->n; j += vectors * LANES) {
        vectors = vectors_at(j, p->n);
        switch (vectors) {
#if VECTORS > 2
        case 3:
            column(p, j, 3);
            break;
#endif
        case 2:
            column(p, j, 2);
            break;
        default:
            column(p, j, 1);
        }
    }
}

// ---- peak

static float spin(int64_t turns)
{
    vec sum[ROWS * VECTORS], right = (vec){ 0 } + 0.5F;
    float total = 0, left = 0.5F;

    LOOP(int i = 0; i < ROWS * VECTORS; i++) sum[i] = (vec){ 0 } + (float)i;
    __asm__ volatile("" : "+m"(left), "+m"(right)); // for all the compiler knows: other numbers
    for (int64_t t = 0; t < turns; t++)
        LOOP(int i = 0; i < ROWS * VECTORS; i++)
    ADD_PRODUCT(sum[i], left, right);
    LOOP(int i = 0; i < ROWS * VECTORS; i++) total += sum[i][0];
    return total;
}

const ak_dense_kernels TABLE = {
    .lanes = LANES,
    .rows = ROWS,
    .panel = PANEL,
    .pair = PAIR,
    .pack = pack,
    .pack_left = pack_left,
    .product = product,
    .spin = spin,
#ifdef PAIRS
    .halves = &ak_dense_rows_bf16,
#endif
};
