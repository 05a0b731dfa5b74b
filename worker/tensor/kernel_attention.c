// worker/tensor/kernel_attention.c -- softmax(Q K^T / sqrt(d)) V and its gradients, per image and
// head.
//
// A head's scores never leave the cache: a block of queries at a time meets all keys, and backward
// makes the softmax again from the logarithms that forward kept.  K^T and V^T are copied in rows of
// `tokens` padded to whole vectors; Q, K, V, their gradients and y are used where they lie, d of
// their row's 3 D (or D) numbers.

#include <math.h>
#include <string.h>

#include "worker/tensor/exp.h"
#include "worker/tensor/kernel_vit.h"
#include "worker/tensor/pieces.h"

enum { LANES = 16, TILE_ROWS = 4, TILE = 2 * LANES, QUERIES = 128 };

typedef float lanes __attribute__((vector_size(4 * LANES), aligned(4)));

// ---- c[i][j] = sum_k a[i][k] b[k][j] (+ c[i][j] if add)

typedef struct matrix {
    const float *at;
    int64_t row, column; // strides
} matrix;

typedef struct product {
    matrix a;
    const float *b;
    int64_t b_row;
    float *c;
    int64_t c_row, m, n, k;
    bool add;
} product;

static inline __attribute__((always_inline)) void tile(const product *p, int64_t i, int64_t j,
                                                       int rows, int vectors)
{
    const float *a = p->a.at + i * p->a.row, *b = p->b + j;
    float *c = p->c + i * p->c_row + j;
    lanes sum[TILE_ROWS][2];

    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++)
            sum[r][v] = p->add ? *(const lanes *)(c + r * p->c_row + v * LANES) : (lanes){ 0 };
    for (int64_t k = 0; k < p->k; k++, a += p->a.column, b += p->b_row)
        for (int r = 0; r < rows; r++) {
            float factor = a[r * p->a.row];

            for (int v = 0; v < vectors; v++)
                sum[r][v] += factor * *(const lanes *)(b + v * LANES);
        }
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++)
            *(lanes *)(c + r * p->c_row + v * LANES) = sum[r][v];
}

// Fewer columns than a vector has.
static inline void narrow(const product *p, int64_t i, int64_t j)
{
    for (int64_t q = j; q < p->n; q++) {
        float *c = p->c + i * p->c_row + q, sum = p->add ? *c : 0;

        for (int64_t k = 0; k < p->k; k++)
            sum += p->a.at[i * p->a.row + k * p->a.column] * p->b[k * p->b_row + q];
        *c = sum;
    }
}

CLONES static void multiply(const product *p)
{
    int64_t wide = p->n / TILE * TILE, whole = p->n / LANES * LANES, i = 0;

    for (; i + TILE_ROWS <= p->m; i += TILE_ROWS) {
        for (int64_t j = 0; j < wide; j += TILE)
            tile(p, i, j, TILE_ROWS, 2);
        if (wide < whole)
            tile(p, i, wide, TILE_ROWS, 1);
    }
    for (; i < p->m; i++) {
        for (int64_t j = 0; j < wide; j += TILE)
            tile(p, i, j, 1, 2);
        if (wide < whole)
            tile(p, i, wide, 1, 1);
    }
    for (i = 0; i < p->m && whole < p->n; i++)
        narrow(p, i, whole);
}

// ---- one image and head

typedef struct head {
    const float *q, *k, *v; // rows of 3 D
    int64_t tokens, padded, d, row, y_row;
    float scale;
    float *keys, *values; // K^T / sqrt(d) and V^T, [d][padded]
    float *scores, *down; // [QUERIES][padded]
} head;

static int64_t padded_of(int64_t tokens)
{
    return (tokens + LANES - 1) / LANES * LANES;
}

int64_t ak_kernel_attention_room(const ak_heads *a)
{
    return (2 * (a->width / a->heads) + 2 * QUERIES) * padded_of(a->tokens);
}

static head head_of(const float *qkv, const ak_heads *a, int64_t item, float *room)
{
    int64_t d = a->width / a->heads, padded = padded_of(a->tokens);
    const float *q = qkv + item / a->heads * a->tokens * 3 * a->width + item % a->heads * d;

    return (head){ .q = q,
                   .k = q + a->width,
                   .v = q + 2 * a->width,
                   .tokens = a->tokens,
                   .padded = padded,
                   .d = d,
                   .row = 3 * a->width,
                   .y_row = a->width,
                   .scale = (float)(1 / sqrt((double)d)),
                   .keys = room,
                   .values = room + d * padded,
                   .scores = room + 2 * d * padded,
                   .down = room + (2 * d + QUERIES) * padded };
}

CLONES static void transpose(float *out, const float *x, const head *h, float scale)
{
    for (int64_t k = 0; k < h->d; k++) {
        for (int64_t t = 0; t < h->tokens; t++)
            out[k * h->padded + t] = x[t * h->row + k] * scale;
        for (int64_t t = h->tokens; t < h->padded; t++)
            out[k * h->padded + t] = 0;
    }
}

// scores = Q K^T / sqrt(d) of the queries [first, first + count).
static void score(const head *h, int64_t first, int64_t count)
{
    multiply(&(product){ .a = { h->q + first * h->row, h->row, 1 },
                         .b = h->keys,
                         .b_row = h->padded,
                         .c = h->scores,
                         .c_row = h->padded,
                         .m = count,
                         .n = h->padded,
                         .k = h->d });
}

static inline float largest_of(const float *x, int64_t n)
{
    float best[LANES], most = x[0];
    int64_t i = 0;

    for (int k = 0; k < LANES; k++)
        best[k] = most;
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++)
            best[k] = x[i + k] > best[k] ? x[i + k] : best[k];
    for (; i < n; i++)
        most = x[i] > most ? x[i] : most;
    for (int k = 0; k < LANES; k++)
        most = best[k] > most ? best[k] : most;
    return most;
}

// x = exp(x - shift); returns the sum of the first n; the padding is of no account.
static inline float exp_row(float *x, int64_t n, float shift)
{
    float sums[LANES] = { 0 }, sum = 0;
    int64_t i = 0;

    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) {
            x[i + k] = ak_exp_of(x[i + k] - shift);
            sums[k] += x[i + k];
        }
    for (; i < n; i++) {
        x[i] = ak_exp_of(x[i] - shift);
        sum += x[i];
    }
    for (int k = 0; k < LANES; k++)
        sum += sums[k];
    return sum;
}

// Rows become exp(x - the largest); inverse: 1 / their sums; logs: the softmax's denominators'.
CLONES static void soften(const head *h, int64_t count, float *inverse, float *logs)
{
    for (int64_t r = 0; r < count; r++) {
        float *x = h->scores + r * h->padded, most = largest_of(x, h->tokens);
        float sum = exp_row(x, h->tokens, most);

        inverse[r] = 1 / sum;
        logs[r] = most + logf(sum);
    }
}

CLONES static void scale_rows(float *y, const float *scale, int64_t rows, int64_t n, int64_t row)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < n; i++)
            y[r * row + i] *= scale[r];
}

static void forward_item(float *y, float *logs, const float *qkv, const ak_heads *a, int64_t item,
                         float *room)
{
    head h = head_of(qkv, a, item, room);
    float inverse[QUERIES];

    y += item / a->heads * a->tokens * a->width + item % a->heads * h.d;
    logs += item * a->tokens;
    transpose(h.keys, h.k, &h, h.scale);
    for (int64_t first = 0; first < h.tokens; first += QUERIES) {
        int64_t count = h.tokens - first < QUERIES ? h.tokens - first : QUERIES;

        score(&h, first, count);
        soften(&h, count, inverse, logs + first);
        multiply(&(product){ .a = { h.scores, h.padded, 1 },
                             .b = h.v,
                             .b_row = h.row,
                             .c = y + first * h.y_row,
                             .c_row = h.y_row,
                             .m = count,
                             .n = h.d,
                             .k = h.tokens });
        scale_rows(y + first * h.y_row, inverse, count, h.d, h.y_row);
    }
}

// Scores become P, and down becomes dS / sqrt(d).
CLONES static void soften_back(const head *h, int64_t count, const float *logs)
{
    for (int64_t r = 0; r < count; r++) {
        float *x = h->scores + r * h->padded, *d = h->down + r * h->padded;
        float sums[LANES] = { 0 }, sum = 0;
        int64_t i = 0;

        (void)exp_row(x, h->tokens, logs[r]);
        for (; i + LANES <= h->tokens; i += LANES)
            for (int k = 0; k < LANES; k++)
                sums[k] += x[i + k] * d[i + k];
        for (; i < h->tokens; i++)
            sum += x[i] * d[i];
        for (int k = 0; k < LANES; k++)
            sum += sums[k];
        for (i = 0; i < h->tokens; i++)
            d[i] = x[i] * (d[i] - sum) * h->scale;
    }
}

// dq, dk, dv: where the gradients of this head's rows begin; add: to what they hold.
static void backward_block(const head *h, float *dq, float *dk, float *dv, const float *dy,
                           int64_t first, int64_t count, bool add, const float *logs)
{
    product p = { .n = h->d, .c_row = h->row };

    score(h, first, count);
    multiply(&(product){ .a = { dy + first * h->y_row, h->y_row, 1 },
                         .b = h->values,
                         .b_row = h->padded,
                         .c = h->down,
                         .c_row = h->padded,
                         .m = count,
                         .n = h->padded,
                         .k = h->d });
    soften_back(h, count, logs + first);
    // dQ = dS K
    p.a = (matrix){ h->down, h->padded, 1 };
    p.b = h->k;
    p.b_row = h->row;
    p.c = dq + first * h->row;
    p.m = count;
    p.k = h->tokens;
    p.add = add;
    multiply(&p);
    // dK += dS^T Q
    p.a = (matrix){ h->down, 1, h->padded };
    p.b = h->q + first * h->row;
    p.c = dk;
    p.m = h->tokens;
    p.k = count;
    p.add = add || first > 0;
    multiply(&p);
    // dV += P^T dy
    p.a = (matrix){ h->scores, 1, h->padded };
    p.b = dy + first * h->y_row;
    p.b_row = h->y_row;
    p.c = dv;
    multiply(&p);
}

static void backward_item(float *dqkv, const float *dy, const float *qkv, const float *logs,
                          const ak_heads *a, bool add, int64_t item, float *room)
{
    head h = head_of(qkv, a, item, room);
    float *dq = dqkv + (h.q - qkv);

    dy += item / a->heads * a->tokens * a->width + item % a->heads * h.d;
    logs += item * a->tokens;
    transpose(h.keys, h.k, &h, h.scale);
    transpose(h.values, h.v, &h, 1);
    for (int64_t first = 0; first < h.tokens; first += QUERIES) {
        int64_t count = h.tokens - first < QUERIES ? h.tokens - first : QUERIES;

        backward_block(&h, dq, dq + a->width, dq + 2 * a->width, dy, first, count, add, logs);
    }
}

// ---- all of them: thread t of `threads` takes items t, t + threads, ...

static void forward_share(float *y, float *logs, const float *qkv, const ak_heads *a, float *room,
                          int64_t t, int threads)
{
    for (int64_t item = t; item < a->n * a->heads; item += threads)
        forward_item(y, logs, qkv, a, item, room + t * ak_kernel_attention_room(a));
}

void ak_kernel_attention(float *y, float *logs, const float *qkv, const ak_heads *a, float *room,
                         int threads)
{
    PIECES(threads, 1, threads, forward_share(y, logs, qkv, a, room, lo, threads));
}

static void backward_share(float *dqkv, const float *dy, const float *qkv, const float *logs,
                           const ak_heads *a, bool add, float *room, int64_t t, int threads)
{
    for (int64_t item = t; item < a->n * a->heads; item += threads)
        backward_item(dqkv, dy, qkv, logs, a, add, item, room + t * ak_kernel_attention_room(a));
}

void ak_kernel_attention_backward(float *dqkv, const float *dy, const float *qkv, const float *logs,
                                  const ak_heads *a, bool accumulate, float *room, int threads)
{
    PIECES(threads, 1, threads,
           backward_share(dqkv, dy, qkv, logs, a, accumulate, room, lo, threads));
}
