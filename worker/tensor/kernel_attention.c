// worker/tensor/kernel_attention.c -- softmax(Q K^T / sqrt(d)) V and its gradients, per image and
// head.
//
// A head's scores never leave the cache: a block of queries at a time meets all keys, and backward
// makes the softmax again from the logarithms that forward kept.  A product's right-hand matrix is
// packed (dense/dense.h), each once a head or a block; everything else is used where it lies, d of
// its row's 3 D (or D) numbers.
//
// In bf16 (kernels of pairs) qkv, y and their gradients are bf16, softmaxes are made in floats and
// stored as the bf16 that the products behind them read (dense/rows.h), and the gradients of K and
// V are summed in floats over all blocks before they are stored.

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "worker/tensor/dense.h"
#include "worker/tensor/exp.h"
#include "worker/tensor/half.h"
#include "worker/tensor/kernel_vit.h"
#include "worker/tensor/pieces.h"

enum {
    LANES = 16,
    QUERIES = 96, // of a block, at most
    LINE = 64     // bytes that come into the cache together
};

// ---- one image and head

typedef struct head {
    const ak_dense_kernels *kernels;
    const void *q, *k, *v; // rows of 3 D
    int64_t tokens, padded, d, row, y_row;
    int64_t block; // queries at a time
    float scale;
    float *turned, *turned_v; // K^T and V^T, packed [d][tokens]
    float *right, *other;     // packed [tokens][d]
    float *scores, *down;     // [block][padded]
    // In bf16 alone:
    ak_half *left, *left_down; // scores and down for a product, or rows of an odd d with a zero
    float *packed;             // [places of block][padded]
    float *sums_k, *sums_v;    // [tokens][d]
    float *unused;             // [padded]
} head;

static bool halves(const ak_dense_kernels *kernels)
{
    return kernels->pair == 2;
}

// Number `index` of what is bf16 or floats.
static const void *number(const head *h, const void *from, int64_t index)
{
    return halves(h->kernels) ? (const void *)((const ak_half *)from + index)
                              : (const float *)from + index;
}

static void *number_of(const head *h, void *from, int64_t index)
{
    return halves(h->kernels) ? (void *)((ak_half *)from + index) : (float *)from + index;
}

static int64_t padded_of(int64_t n)
{
    return (n + LANES - 1) / LANES * LANES;
}

// turned, turned_v, right, other, scores, down
static int64_t common_room(const ak_heads *a)
{
    int64_t d = a->width / a->heads, padded = padded_of(a->tokens);

    return 2 * d * padded + 2 * a->tokens * padded_of(d) + 2 * QUERIES * padded;
}

// A row for a product: of all keys, or of an odd d.
static int64_t left_row(int64_t padded, int64_t d)
{
    return padded > d + 1 ? padded : padded_of(d + 1);
}

// left, left_down, packed, sums_k, sums_v, unused
int64_t ak_kernel_attention_room(const ak_heads *a)
{
    int64_t d = a->width / a->heads, padded = padded_of(a->tokens), wide = padded * padded_of(d);

    return common_room(a) + (halves(a->kernels) ? QUERIES * left_row(padded, d) + QUERIES * padded +
                                                      2 * wide + padded
                                                : 0);
}

static void give_halves(head *h, float *room)
{
    int64_t wide = h->padded * padded_of(h->d), row = left_row(h->padded, h->d);

    h->left = (ak_half *)(void *)room;
    h->left_down = h->left + QUERIES * row;
    h->packed = room + QUERIES * row;
    h->sums_k = h->packed + QUERIES * h->padded;
    h->sums_v = h->sums_k + wide;
    h->unused = h->sums_v + wide;
}

static head head_of(const void *qkv, const ak_heads *a, int64_t item, float *room)
{
    int64_t d = a->width / a->heads, padded = padded_of(a->tokens);
    int64_t blocks = (a->tokens + QUERIES - 1) / QUERIES, wide = a->tokens * padded_of(d);
    int64_t q = item / a->heads * a->tokens * 3 * a->width + item % a->heads * d;
    head h = { .kernels = a->kernels,
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

    h.q = number(&h, qkv, q);
    h.k = number(&h, qkv, q + a->width);
    h.v = number(&h, qkv, q + 2 * a->width);
    if (halves(a->kernels))
        give_halves(&h, room + common_room(a));
    return h;
}

static int64_t places(const head *h, int64_t numbers)
{
    return (numbers + h->kernels->pair - 1) / h->kernels->pair;
}

// Rows of d as a product takes them on its left, *row apart: where they lie, unless an odd d
// leaves half a pair.
static const float *as_left(const head *h, const void *x, int64_t *row, int64_t count)
{
    const ak_half *from = x;
    int64_t even = h->d + 1, all = *row;

    *row /= h->kernels->pair;
    if (!halves(h->kernels) || h->d % 2 == 0)
        return x;
    for (int64_t r = 0; r < count; r++) {
        memcpy(h->left + r * even, from + r * all, (size_t)h->d * sizeof *from);
        h->left[r * even + h->d] = 0;
    }
    *row = even / 2;
    return (const float *)(const void *)h->left;
}

// to [count][padded] = x times the packed `keys`, x rows of d; zeros follow up to a whole vector.
static void meet(const head *h, float *to, const void *x, int64_t x_row, const float *keys,
                 int64_t count)
{
    int64_t lanes = h->kernels->lanes;
    const float *a = as_left(h, x, &x_row, count);

    h->kernels->product(&(ak_dense_product){ .c = to,
                                             .c_row = h->padded,
                                             .a = a,
                                             .a_row = x_row,
                                             .a_column = 1,
                                             .b = keys,
                                             .m = count,
                                             .n = (h->tokens + lanes - 1) / lanes * lanes,
                                             .k = places(h, h->d) });
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

// y [count][d] = the softmax of the block's scores, times the packed `right`.
static void weigh(const head *h, void *y, int64_t count, float *logs)
{
    const ak_dense_rows *loops = h->kernels->halves;
    float inverse[QUERIES];

    if (loops)
        loops->softmax(h->left, inverse, logs, h->scores, count, h->padded, h->tokens, h->scale);
    else
        soften(h, count, inverse, logs);
    h->kernels->product(
        &(ak_dense_product){ .c = loops ? h->sums_v : y,
                             .c_row = loops ? h->d : h->y_row,
                             .a = loops ? (const float *)(const void *)h->left : h->scores,
                             .a_row = places(h, h->padded),
                             .a_column = 1,
                             .b = h->right,
                             .m = count,
                             .n = h->d,
                             .k = places(h, h->tokens) });
    if (loops)
        loops->store(y, h->y_row, h->sums_v, inverse, count, h->d, false);
    else
        scale_rows(y, inverse, count, h->d, h->y_row);
}

static void forward_item(void *y, float *logs, const void *qkv, const ak_heads *a, int64_t item,
                         float *room)
{
    head h = head_of(qkv, a, item, room);
    bool half = halves(a->kernels);

    y = number_of(&h, y, item / a->heads * a->tokens * a->width + item % a->heads * h.d);
    logs += item * a->tokens;
    h.kernels->pack(h.turned, h.k, half, h.row, true, h.d, h.tokens);
    h.kernels->pack(h.right, h.v, half, h.row, false, h.tokens, h.d);
    for (int64_t first = 0; first < h.tokens; first += h.block) {
        int64_t count = h.tokens - first < h.block ? h.tokens - first : h.block;

        meet(&h, h.scores, number(&h, h.q, first * h.row), h.row, h.turned, count);
        weigh(&h, number_of(&h, y, first * h.y_row), count, logs + first);
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
        for (int k = 0; i + k < h->tokens; k++) // not a sum of its own: kernel_vit.c
            sums[k] += x[i + k] * d[i + k];
        for (int k = 0; k < LANES; k++)
            sum += sums[k];
        for (i = 0; i < h->tokens; i++)
            d[i] = x[i] * (d[i] - sum) * h->scale;
    }
}

// Adds x^T times the packed rows in `right` to `to`, x [count][padded]; only written if !add.  In
// bf16 to `sums` instead.
static void gather(const head *h, void *to, float *sums, const void *x, int64_t count, bool add)
{
    bool half = halves(h->kernels);

    if (half)
        h->kernels->pack_left(h->packed, h->unused, x, true, h->padded, count, h->tokens);
    h->kernels->product(&(ak_dense_product){ .c = half ? sums : to,
                                             .c_row = half ? h->d : h->row,
                                             .a = half ? h->packed : x,
                                             .a_row = 1,
                                             .a_column = h->padded,
                                             .a_packed = half,
                                             .b = h->right,
                                             .m = h->tokens,
                                             .n = h->d,
                                             .k = places(h, count),
                                             .base = !add   ? NULL
                                                     : half ? sums
                                                            : to,
                                             .base_row = half ? h->d : h->row });
}

// Where the gradients of a head's rows begin; add: to what they hold.
typedef struct gradients {
    void *q, *k, *v;
    bool add;
} gradients;

// `other` is K.
static void backward_block(const head *h, const gradients *to, const void *dy, int64_t first,
                           int64_t count, const float *logs)
{
    bool half = halves(h->kernels), more = first > 0 || (to->add && !half);
    const void *q = number(h, h->q, first * h->row);
    void *dq = number_of(h, to->q, first * h->row), *p = h->scores, *ds = h->down;

    dy = number(h, dy, first * h->y_row);
    meet(h, h->scores, q, h->row, h->turned, count);
    meet(h, h->down, dy, h->y_row, h->turned_v, count);
    if (half) {
        p = h->left;
        ds = h->left_down;
        h->kernels->halves->softmax_backward(p, ds, h->scores, h->down, logs + first, count,
                                             h->padded, h->tokens, h->scale);
    } else {
        soften_back(h, count, logs + first);
    }
    // dQ = dS K
    h->kernels->product(&(ak_dense_product){ .c = dq,
                                             .c_row = h->row,
                                             .c_half = half,
                                             .a = ds,
                                             .a_row = places(h, h->padded),
                                             .a_column = 1,
                                             .b = h->other,
                                             .m = count,
                                             .n = h->d,
                                             .k = places(h, h->tokens),
                                             .base = to->add ? dq : NULL,
                                             .base_row = h->row });
    // dK += dS^T Q
    h->kernels->pack(h->right, q, half, h->row, false, count, h->d);
    gather(h, to->k, h->sums_k, ds, count, more);
    // dV += P^T dy
    h->kernels->pack(h->right, dy, half, h->y_row, false, count, h->d);
    gather(h, to->v, h->sums_v, p, count, more);
}

static void backward_item(void *dqkv, const void *dy, const void *qkv, const float *logs,
                          const ak_heads *a, bool add, int64_t item, float *room)
{
    head h = head_of(qkv, a, item, room);
    bool half = halves(a->kernels);
    int64_t q = item / a->heads * a->tokens * h.row + item % a->heads * h.d;
    gradients to = { .q = number_of(&h, dqkv, q),
                     .k = number_of(&h, dqkv, q + a->width),
                     .v = number_of(&h, dqkv, q + 2 * a->width),
                     .add = add };

    dy = number(&h, dy, item / a->heads * a->tokens * a->width + item % a->heads * h.d);
    logs += item * a->tokens;
    h.kernels->pack(h.turned, h.k, half, h.row, true, h.d, h.tokens);
    h.kernels->pack(h.turned_v, h.v, half, h.row, true, h.d, h.tokens);
    h.kernels->pack(h.other, h.k, half, h.row, false, h.tokens, h.d);
    for (int64_t first = 0; first < h.tokens; first += h.block) {
        int64_t count = h.tokens - first < h.block ? h.tokens - first : h.block;

        backward_block(&h, &to, dy, first, count, logs);
    }
    if (half) {
        h.kernels->halves->store(to.k, h.row, h.sums_k, NULL, h.tokens, h.d, add);
        h.kernels->halves->store(to.v, h.row, h.sums_v, NULL, h.tokens, h.d, add);
    }
}

// ---- all of them: neighbours by one thread

// Calls into the cache what an item reads: of each of its tokens' rows of `row` numbers `count`
// parts of d, D apart.
static void fetch_parts(const ak_heads *a, const void *from, int64_t item, int64_t row, int count)
{
    int64_t d = a->width / a->heads, size = halves(a->kernels) ? sizeof(ak_half) : sizeof(float);
    const char *at =
        (const char *)from + (item / a->heads * a->tokens * row + item % a->heads * d) * size;

    for (int64_t t = 0; t < a->tokens; t++, at += row * size)
        for (int part = 0; part < count; part++)
            for (int64_t byte = 0; byte < d * size; byte += LINE)
                __builtin_prefetch(at + part * a->width * size + byte);
}

static int64_t items_before(const ak_heads *a, int64_t t, int threads)
{
    return a->n * a->heads * t / threads;
}

static void forward_share(void *y, float *logs, const void *qkv, const ak_heads *a, float *room,
                          int64_t t, int threads)
{
    int64_t end = items_before(a, t + 1, threads);

    room += t * ak_kernel_attention_room(a);
    for (int64_t item = items_before(a, t, threads); item < end; item++) {
        if (item + 1 < end)
            fetch_parts(a, qkv, item + 1, 3 * a->width, 3);
        forward_item(y, logs, qkv, a, item, room);
    }
}

void ak_kernel_attention(void *y, float *logs, const void *qkv, const ak_heads *a, float *room,
                         int threads)
{
    PIECES(threads, 1, threads, forward_share(y, logs, qkv, a, room, lo, threads));
}

static void backward_share(void *dqkv, const void *dy, const void *qkv, const float *logs,
                           const ak_heads *a, bool add, float *room, int64_t t, int threads)
{
    int64_t end = items_before(a, t + 1, threads);

    room += t * ak_kernel_attention_room(a);
    for (int64_t item = items_before(a, t, threads); item < end; item++) {
        if (item + 1 < end) {
            fetch_parts(a, qkv, item + 1, 3 * a->width, 3);
            fetch_parts(a, dy, item + 1, a->width, 1);
        }
        backward_item(dqkv, dy, qkv, logs, a, add, item, room);
    }
}

void ak_kernel_attention_backward(void *dqkv, const void *dy, const void *qkv, const float *logs,
                                  const ak_heads *a, bool accumulate, float *room, int threads)
{
    PIECES(threads, 1, threads,
           backward_share(dqkv, dy, qkv, logs, a, accumulate, room, lo, threads));
}
