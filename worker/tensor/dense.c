// worker/tensor/dense.c -- blocks of rows go through f and the product while they are in cache.
//
// room: the packed weights, the bias in whole vectors, the layer norm's sums of each block, and
// each thread's own buffers: rows of f(x) or of its gradient, and for the weights' gradient what
// it multiplies.

#include "worker/tensor/dense.h"

#include <string.h>

#include "worker/tensor/kernel.h"
#include "worker/tensor/kernel_vit.h"
#include "worker/tensor/pieces.h"

enum {
    BLOCK = AK_KERNEL_ROWS, // rows of a block
    DEPTH = 192,            // rows that meet at a time in the weights' gradient
    SLACK = 64              // floats by which whole vectors, rows or panels may exceed a side
};

const ak_dense_kernels *ak_dense_kernels_of(ak_isa isa)
{
#ifdef __x86_64__
    if (isa == AK_ISA_AVX512)
        return &ak_dense_avx512;
    if (isa == AK_ISA_AVX2)
        return &ak_dense_avx2;
#endif
    (void)isa;
    return &ak_dense_plain;
}

// ---- room

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t blocks_of(const ak_dense *d)
{
    return (d->rows + BLOCK - 1) / BLOCK;
}

static int64_t panels_room(const ak_dense *d)
{
    return (d->in + SLACK) * (d->out + SLACK);
}

// rows, left, right, sums.
static int64_t thread_room(const ak_dense *d)
{
    return DEPTH * (d->in + SLACK) * 2 + DEPTH * (d->out + SLACK) + d->out + 2 * d->in + SLACK;
}

int64_t ak_dense_room(const ak_dense *d)
{
    int64_t norm = d->norm_w ? blocks_of(d) * 2 * d->in : 0;

    return panels_room(d) + d->out + SLACK + norm + d->threads * thread_room(d);
}

static float *bias_of(const ak_dense *d, float *room)
{
    return room + panels_room(d);
}

static float *norm_sums_of(const ak_dense *d, float *room)
{
    return bias_of(d, room) + d->out + SLACK;
}

static float *buffers_of(const ak_dense *d, float *room, int64_t t)
{
    int64_t norm = d->norm_w ? blocks_of(d) * 2 * d->in : 0;

    return norm_sums_of(d, room) + norm + t * thread_room(d);
}

// ---- weights

static void load_panels(const ak_dense *d, bool backward, float *room, int64_t lo, int64_t hi)
{
    const float *w = d->w + (backward ? lo : lo * d->in);
    int64_t depth = backward ? d->out : d->in;

    d->kernels->pack(room + lo * depth, w, d->in, !backward, depth, hi - lo);
}

void ak_dense_load(const ak_dense *d, bool backward, float *room)
{
    int64_t panel = d->kernels->panel;

    PIECES(backward ? d->in : d->out, panel, d->threads, load_panels(d, backward, room, lo, hi));
    memset(bias_of(d, room), 0, (size_t)(d->out + SLACK) * sizeof(float));
    if (d->bias)
        memcpy(bias_of(d, room), d->bias, (size_t)d->out * sizeof(float));
}

// ---- forward

static void forward_block(const ak_dense *d, float *y, float *stats, const float *x,
                          const float *base, float *room, float *buffer, int64_t rows)
{
    const float *a = x;

    if (d->norm_w)
        ak_kernel_layer_norm(buffer, stats, x, d->norm_w, d->norm_b, rows, d->in,
                             AK_KERNEL_NORM_EPS, 1);
    else if (d->gelu)
        ak_kernel_gelu(buffer, x, rows * d->in, 1);
    if (d->norm_w || d->gelu)
        a = buffer;
    d->kernels->product(&(ak_dense_product){ .c = y,
                                             .c_row = d->out,
                                             .a = a,
                                             .a_row = d->in,
                                             .a_column = 1,
                                             .b = room,
                                             .m = rows,
                                             .n = d->out,
                                             .k = d->in,
                                             .bias = bias_of(d, room),
                                             .base = base,
                                             .base_row = d->out });
}

static void forward_share(const ak_dense *d, float *y, float *stats, const float *x,
                          const float *base, float *room, int64_t t)
{
    for (int64_t lo = t * BLOCK; lo < d->rows; lo += d->threads * BLOCK)
        forward_block(d, y + lo * d->out, stats ? stats + 2 * lo : NULL, x + lo * d->in,
                      base ? base + lo * d->out : NULL, room, buffers_of(d, room, t),
                      least(BLOCK, d->rows - lo));
}

void ak_dense_forward(const ak_dense *d, float *y, float *stats, const float *x, const float *base,
                      float *room)
{
    PIECES(d->threads, 1, d->threads, forward_share(d, y, stats, x, base, room, lo));
}

// ---- backward

typedef struct backward {
    const ak_dense *d;
    float *dx;
    bool accumulate, sums;
    const float *dy, *x, *stats;
    float *room;
} backward;

static void backward_block(const backward *b, float *buffer, int64_t lo)
{
    const ak_dense *d = b->d;
    int64_t rows = least(BLOCK, d->rows - lo);
    float *dx = b->dx ? b->dx + lo * d->in : NULL, *c = d->norm_w || d->gelu ? buffer : dx;
    float *sums = norm_sums_of(d, b->room) + lo / BLOCK * 2 * d->in;
    const float *x = b->x + lo * d->in;

    d->kernels->product(&(ak_dense_product){ .c = c,
                                             .c_row = d->in,
                                             .a = b->dy + lo * d->out,
                                             .a_row = d->out,
                                             .a_column = 1,
                                             .b = b->room,
                                             .m = rows,
                                             .n = d->in,
                                             .k = d->out,
                                             .base = c == dx && b->accumulate ? dx : NULL,
                                             .base_row = d->in });
    if (d->norm_w)
        ak_kernel_layer_norm_backward(dx, b->sums ? sums : NULL, buffer + BLOCK * d->in, c, x,
                                      b->stats + 2 * lo, d->norm_w, rows, d->in, b->accumulate, 1);
    else if (d->gelu)
        ak_kernel_gelu_backward(dx, c, x, rows * d->in, b->accumulate, 1);
}

static void backward_share(const backward *b, int64_t t)
{
    for (int64_t lo = t * BLOCK; lo < b->d->rows; lo += b->d->threads * BLOCK)
        backward_block(b, buffers_of(b->d, b->room, t), lo);
}

void ak_dense_backward(const ak_dense *d, float *dx, bool accumulate, float *norm_sums,
                       const float *dy, const float *x, const float *stats, float *room)
{
    backward b = { .d = d,
                   .dx = dx,
                   .accumulate = accumulate,
                   .sums = norm_sums != NULL,
                   .dy = dy,
                   .x = x,
                   .stats = stats,
                   .room = room };

    PIECES(d->threads, 1, d->threads, backward_share(&b, lo));
    if (norm_sums)
        ak_kernel_fold(norm_sums, norm_sums_of(d, room), blocks_of(d), 2 * d->in);
}

// ---- the weights' gradient

// The outputs [first, last) and inputs [from, to) that a thread computes.
typedef struct part {
    int64_t first, last, from, to;
} part;

// The wider side is cut, in whole panels or blocks of rows: the other is packed by each thread.
static part part_of(const ak_dense *d, int64_t t)
{
    const ak_dense_kernels *kernels = d->kernels;
    bool outputs = d->out >= d->in;
    int64_t side = outputs ? d->out : d->in, unit = outputs ? kernels->rows : kernels->panel;
    int64_t units = (side + unit - 1) / unit;
    int64_t lo = least(units * t / d->threads * unit, side);
    int64_t hi = least(units * (t + 1) / d->threads * unit, side);

    return outputs ? (part){ lo, hi, 0, d->in } : (part){ 0, d->out, lo, hi };
}

// f of `count` rows' inputs [from, to); *row: floats from one row to the next.
static const float *apply_to(const ak_dense *d, const part *p, float *rows, const float *x,
                             const float *stats, int64_t count, int64_t *row)
{
    *row = d->in;
    if (d->norm_w) {
        ak_kernel_layer_norm_again(rows, x, stats, d->norm_w, d->norm_b, count, d->in);
        return rows + p->from;
    }
    if (!d->gelu)
        return x + p->from;
    *row = p->to - p->from;
    for (int64_t r = 0; r < count; r++)
        ak_kernel_gelu(rows + r * *row, x + r * d->in + p->from, *row, 1);
    return rows;
}

typedef struct weights {
    const ak_dense *d;
    float *dw, *dbias;
    const float *dy, *x, *stats;
} weights;

static void weights_share(const weights *w, float *rows, int64_t t)
{
    const ak_dense *d = w->d;
    const ak_dense_kernels *kernels = d->kernels;
    part p = part_of(d, t);
    float *right = rows + DEPTH * (d->in + SLACK), *left = right + DEPTH * (d->in + SLACK);
    float *sums = left + DEPTH * (d->out + SLACK), *dw = w->dw + p.first * d->in + p.from;

    for (int64_t lo = 0; lo < d->rows && p.first < p.last && p.from < p.to; lo += DEPTH) {
        int64_t count = least(DEPTH, d->rows - lo), row;
        const float *fx = apply_to(d, &p, rows, w->x + lo * d->in,
                                   w->stats ? w->stats + 2 * lo : NULL, count, &row);

        kernels->pack(right, fx, row, false, count, p.to - p.from);
        kernels->pack_left(left, sums, w->dy + lo * d->out + p.first, d->out, count,
                           p.last - p.first);
        kernels->product(&(ak_dense_product){ .c = dw,
                                              .c_row = d->in,
                                              .a = left,
                                              .a_packed = true,
                                              .b = right,
                                              .m = p.last - p.first,
                                              .n = p.to - p.from,
                                              .k = count,
                                              .base = lo > 0 ? dw : NULL,
                                              .base_row = d->in });
        for (int64_t i = 0; w->dbias && p.from == 0 && i < p.last - p.first; i++)
            w->dbias[p.first + i] = (lo > 0 ? w->dbias[p.first + i] : 0) + sums[i];
    }
}

void ak_dense_weights(const ak_dense *d, float *dw, float *dbias, const float *dy, const float *x,
                      const float *stats, float *room)
{
    weights w = { .d = d, .dw = dw, .dbias = dbias, .dy = dy, .x = x, .stats = stats };

    PIECES(d->threads, 1, d->threads, weights_share(&w, buffers_of(d, room, lo), lo));
}
