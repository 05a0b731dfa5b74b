// worker/tensor/kernel_attention.c -- softmax(Q K^T / sqrt(d)) V and its gradients, per image and
// head.
//
// A head's scores never leave the cache: a block of queries at a time meets all keys, and backward
// makes the softmax again from the logarithms that forward kept.  A product's right-hand matrix is
// packed (dense/dense.h), each once a head or a block; everything else is used where it lies, d of
// its row's 3 D (or D) numbers.

#include <math.h>
#include <stddef.h>

#include "worker/tensor/dense.h"
#include "worker/tensor/exp.h"
#include "worker/tensor/kernel_vit.h"
#include "worker/tensor/pieces.h"

enum { LANES = 16, QUERIES = 96 }; // queries of a block, at most

// ---- one image and head

typedef struct head {
    const ak_dense_kernels *kernels;
    const float *q, *k, *v; // rows of 3 D
    int64_t tokens, padded, d, row, y_row;
    int64_t block; // queries at a time
    float scale;
    float *turned, *turned_v; // K^T and V^T, packed [d][tokens]
    float *right, *other;     // packed [tokens][d]
    float *scores, *down;     // [block][padded]
} head;

static int64_t padded_of(int64_t n)
{
    return (n + LANES - 1) / LANES * LANES;
}

// turned, turned_v, right, other, scores, down
int64_t ak_kernel_attention_room(const ak_heads *a)
{
    int64_t d = a->width / a->heads, padded = padded_of(a->tokens);

    return 2 * d * padded + 2 * a->tokens * padded_of(d) + 2 * QUERIES * padded;
}

static head head_of(const float *qkv, const ak_heads *a, int64_t item, float *room)
{
    int64_t d = a->width / a->heads, padded = padded_of(a->tokens);
    int64_t blocks = (a->tokens + QUERIES - 1) / QUERIES, wide = a->tokens * padded_of(d);
    const float *q = qkv + item / a->heads * a->tokens * 3 * a->width + item % a->heads * d;

    return (head){ .kernels = a->kernels,
                   .q = q,
                   .k = q + a->width,
                   .v = q + 2 * a->width,
                   .tokens = a->tokens,
                   .padded = padded,
                   .d = d,
                   .row = 3 * a->width,
                   .y_row = a->width,
                   .block = (a->tokens + blocks - 1) / blocks,
                   .scale = (float)(1 / sqrt((double)d)),
                   .turned = room,
                   .turned_v = room + d * padded,
                   .right = room + 2 * d * padded,
                   .other = room + 2 * d * padded + wide,
                   .scores = room + 2 * d * padded + 2 * wide,
                   .down = room + 2 * d * padded + 2 * wide + QUERIES * padded };
}

// to [count][padded] = x times the packed `keys`, x rows of d; zeros follow up to a whole vector.
static void meet(const head *h, float *to, const float *x, int64_t x_row, const float *keys,
                 int64_t count)
{
    int64_t lanes = h->kernels->lanes;

    h->kernels->product(&(ak_dense_product){ .c = to,
                                             .c_row = h->padded,
                                             .a = x,
                                             .a_row = x_row,
                                             .a_column = 1,
                                             .b = keys,
                                             .m = count,
                                             .n = (h->tokens + lanes - 1) / lanes * lanes,
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

// x = exp(scale x - shift); returns their sum.
static inline float exp_row(float *x, int64_t n, float scale, float shift)
{
    float sums[LANES] = { 0 }, sum = 0;
    int64_t i = 0;

    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) {
            x[i + k] = ak_exp_of(x[i + k] * scale - shift);
            sums[k] += x[i + k];
        }
    for (; i < n; i++) {
        x[i] = ak_exp_of(x[i] * scale - shift);
        sum += x[i];
    }
    for (int k = 0; k < LANES; k++)
        sum += sums[k];
    return sum;
}

// Rows become exp(scale (x - the largest)); inverse: 1 / their sums; logs: the softmax's
// denominators'.
CLONES static void soften(const head *h, int64_t count, float *inverse, float *logs)
{
    for (int64_t r = 0; r < count; r++) {
        float *x = h->scores + r * h->padded, most = largest_of(x, h->tokens) * h->scale;
        float sum = exp_row(x, h->tokens, h->scale, most);

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
    h.kernels->pack(h.turned, h.k, h.row, true, h.d, h.tokens);
    h.kernels->pack(h.right, h.v, h.row, false, h.tokens, h.d);
    for (int64_t first = 0; first < h.tokens; first += h.block) {
        int64_t count = h.tokens - first < h.block ? h.tokens - first : h.block;

        meet(&h, h.scores, h.q + first * h.row, h.row, h.turned, count);
        soften(&h, count, inverse, logs + first);
        h.kernels->product(&(ak_dense_product){ .c = y + first * h.y_row,
                                                .c_row = h.y_row,
                                                .a = h.scores,
                                                .a_row = h.padded,
                                                .a_column = 1,
                                                .b = h.right,
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

        (void)exp_row(x, h->tokens, h->scale, logs[r]);
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

// Adds x^T times the packed rows in `right` to `to`, x [count][padded]; only written if !add.
static void gather(const head *h, float *to, const float *x, int64_t count, bool add)
{
    h->kernels->product(&(ak_dense_product){ .c = to,
                                             .c_row = h->row,
                                             .a = x,
                                             .a_row = 1,
                                             .a_column = h->padded,
                                             .b = h->right,
                                             .m = h->tokens,
                                             .n = h->d,
                                             .k = count,
                                             .base = add ? to : NULL,
                                             .base_row = h->row });
}

// dq, dk, dv: where the gradients of this head's rows begin; add: to what they hold.  `other` is K.
static void backward_block(const head *h, float *dq, float *dk, float *dv, const float *dy,
                           int64_t first, int64_t count, bool add, const float *logs)
{
    bool more = add || first > 0;

    dq += first * h->row;
    dy += first * h->y_row;
    meet(h, h->scores, h->q + first * h->row, h->row, h->turned, count);
    meet(h, h->down, dy, h->y_row, h->turned_v, count);
    soften_back(h, count, logs + first);
    // dQ = dS K
    h->kernels->product(&(ak_dense_product){ .c = dq,
                                             .c_row = h->row,
                                             .a = h->down,
                                             .a_row = h->padded,
                                             .a_column = 1,
                                             .b = h->other,
                                             .m = count,
                                             .n = h->d,
                                             .k = h->tokens,
                                             .base = add ? dq : NULL,
                                             .base_row = h->row });
    // dK += dS^T Q
    h->kernels->pack(h->right, h->q + first * h->row, h->row, false, count, h->d);
    gather(h, dk, h->down, count, more);
    // dV += P^T dy
    h->kernels->pack(h->right, dy, h->y_row, false, count, h->d);
    gather(h, dv, h->scores, count, more);
}

static void backward_item(float *dqkv, const float *dy, const float *qkv, const float *logs,
                          const ak_heads *a, bool add, int64_t item, float *room)
{
    head h = head_of(qkv, a, item, room);
    float *dq = dqkv + (h.q - qkv);

    dy += item / a->heads * a->tokens * a->width + item % a->heads * h.d;
    logs += item * a->tokens;
    h.kernels->pack(h.turned, h.k, h.row, true, h.d, h.tokens);
    h.kernels->pack(h.turned_v, h.v, h.row, true, h.d, h.tokens);
    h.kernels->pack(h.other, h.k, h.row, false, h.tokens, h.d);
    for (int64_t first = 0; first < h.tokens; first += h.block) {
        int64_t count = h.tokens - first < h.block ? h.tokens - first : h.block;

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
