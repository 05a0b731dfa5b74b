// worker/tensor/dense.c -- blocks of rows go through f and the product while they are in cache.
//
// room: the packed weights, the bias in whole vectors, the layer norm's sums of each block, and
// each thread's own buffers, see `buffers`.

#include "worker/tensor/dense.h"

#include <string.h>

#include "worker/tensor/half.h"
#include "worker/tensor/kernel.h"
#include "worker/tensor/kernel_vit.h"
#include "worker/tensor/pieces.h"

enum {
    BLOCK = AK_KERNEL_ROWS, // rows of a block
    DEPTH = 192,            // places of rows that meet at a time in the weights' gradient
    SLACK = 64              // floats by which whole vectors, rows or panels may exceed a side
};

const ak_dense_kernels *ak_dense_kernels_of(ak_isa isa, bool half)
{
#ifdef __x86_64__
    if (half)
        return &ak_dense_bf16;
    if (isa == AK_ISA_AVX512)
        return &ak_dense_avx512;
    if (isa == AK_ISA_AVX2)
        return &ak_dense_avx2;
#endif
    (void)isa;
    (void)half;
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

// The first row of thread t: each has neighbouring blocks.
static int64_t first_row(const ak_dense *d, int64_t t)
{
    return blocks_of(d) * t / d->threads * BLOCK;
}

static int64_t panels_room(const ak_dense *d)
{
    return (d->in + SLACK) * (d->out + SLACK);
}

// A thread's: rows of f(x) or of its gradient; packed ones; sums.
typedef struct buffers {
    float *rows, *right, *left, *sums;
} buffers;

static int64_t thread_room(const ak_dense *d)
{
    return DEPTH * (d->in + SLACK) * (d->kernels->pair + 1) + DEPTH * (d->out + SLACK) + d->out +
           SLACK;
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

static buffers buffers_of(const ak_dense *d, float *room, int64_t t)
{
    int64_t norm = d->norm_w ? blocks_of(d) * 2 * d->in : 0, wide = DEPTH * (d->in + SLACK);
    buffers b = { .rows = norm_sums_of(d, room) + norm + t * thread_room(d) };

    b.right = b.rows + d->kernels->pair * wide;
    b.left = b.right + wide;
    b.sums = b.left + DEPTH * (d->out + SLACK);
    return b;
}

// ---- numbers

// Places of so many numbers along a product's sum.
static int64_t places(const ak_dense *d, int64_t numbers)
{
    return (numbers + d->kernels->pair - 1) / d->kernels->pair;
}

static const void *number(const void *numbers, bool half, int64_t index)
{
    return half ? (const void *)((const ak_half *)numbers + index) : (const float *)numbers + index;
}

static void *number_of(void *numbers, bool half, int64_t index)
{
    return half ? (void *)((ak_half *)numbers + index) : (float *)numbers + index;
}

// Rows of `width` as a product takes them on its left: in `room`, or where they lie.  They are
// places(width) apart.
static const float *as_left(const ak_dense *d, const void *numbers, bool half, int64_t rows,
                            int64_t width, float *room)
{
    int64_t row = 2 * places(d, width);
    ak_half *to = (ak_half *)(void *)room;

    if (d->kernels->pair == 1 || (half && row == width))
        return numbers;
    for (int64_t r = 0; r < rows; r++) {
        to[r * row + row - 1] = 0;
        if (half)
            memcpy(to + r * row, number(numbers, true, r * width), (size_t)width * sizeof *to);
        else
            ak_half_narrow(to + r * row, number(numbers, false, r * width), width, 1);
    }
    return room;
}

// ---- weights

// Panels of the weights, or of their transpose: how many parts can be packed each by itself.
static int64_t parts_of(const ak_dense *d, int64_t columns)
{
    int64_t whole = columns / d->kernels->panel;

    return whole > 0 ? whole : 1;
}

static void load_part(const ak_dense *d, bool backward, float *room, int64_t part)
{
    int64_t columns = backward ? d->in : d->out, depth = backward ? d->out : d->in;
    int64_t lo = part * d->kernels->panel;
    int64_t hi = part + 1 < parts_of(d, columns) ? lo + d->kernels->panel : columns;

    d->kernels->pack(room + lo * places(d, depth), d->w + (backward ? lo : lo * d->in), false,
                     d->in, !backward, depth, hi - lo);
}

void ak_dense_pack(const ak_dense *d, bool backward, float *packed)
{
    PIECES(parts_of(d, backward ? d->in : d->out), 1, d->threads,
           load_part(d, backward, packed, lo));
}

int64_t ak_dense_packed(const ak_dense *d, bool backward)
{
    int64_t columns = backward ? d->in : d->out, lanes = d->kernels->lanes;

    return places(d, backward ? d->out : d->in) * ((columns + lanes - 1) / lanes * lanes);
}

void ak_dense_load(const ak_dense *d, bool backward, float *room)
{
    ak_dense_pack(d, backward, room);
    memset(bias_of(d, room), 0, (size_t)(d->out + SLACK) * sizeof(float));
    if (d->bias)
        memcpy(bias_of(d, room), d->bias, (size_t)d->out * sizeof(float));
}

// ---- forward

// f of rows: what x is, in b->rows, or x where f is nothing.
static const void *apply(const ak_dense *d, float *stats, const void *x, const buffers *b,
                         int64_t rows)
{
    const ak_dense_rows *halves = d->kernels->halves;
    ak_half *made = (ak_half *)(void *)b->rows;

    if (d->norm_w && d->x_half)
        halves->norm(made, stats, x, d->norm_w, d->norm_b, rows, d->in, AK_KERNEL_NORM_EPS);
    else if (d->norm_w)
        ak_kernel_layer_norm(b->rows, stats, x, d->norm_w, d->norm_b, rows, d->in,
                             AK_KERNEL_NORM_EPS, 1);
    else if (d->gelu && d->x_half)
        halves->gelu(made, x, rows * d->in);
    else if (d->gelu)
        ak_kernel_gelu(b->rows, x, rows * d->in, 1);
    else
        return x;
    return b->rows;
}

static void forward_block(const ak_dense *d, void *y, float *stats, const void *x, const void *base,
                          float *room, const buffers *b, int64_t rows)
{
    const void *fx = apply(d, stats, x, b, rows);

    d->kernels->product(&(ak_dense_product){ .c = y,
                                             .c_row = d->out,
                                             .c_half = d->y_half,
                                             .a = as_left(d, fx, d->x_half, rows, d->in, b->right),
                                             .a_row = places(d, d->in),
                                             .a_column = 1,
                                             .b = d->packed ? d->packed : room,
                                             .m = rows,
                                             .n = d->out,
                                             .k = places(d, d->in),
                                             .bias = d->bias ? bias_of(d, room) : NULL,
                                             .base = base,
                                             .base_row = d->out });
}

static void forward_share(const ak_dense *d, void *y, float *stats, const void *x, const void *base,
                          float *room, int64_t t)
{
    buffers b = buffers_of(d, room, t);

    for (int64_t lo = first_row(d, t); lo < least(first_row(d, t + 1), d->rows); lo += BLOCK)
        forward_block(d, number_of(y, d->y_half, lo * d->out), stats ? stats + 2 * lo : NULL,
                      number(x, d->x_half, lo * d->in),
                      base ? number(base, d->y_half, lo * d->out) : NULL, room, &b,
                      least(BLOCK, d->rows - lo));
}

void ak_dense_forward(const ak_dense *d, void *y, float *stats, const void *x, const void *base,
                      float *room)
{
    PIECES(d->threads, 1, d->threads, forward_share(d, y, stats, x, base, room, lo));
}

// ---- backward

typedef struct backward {
    const ak_dense *d;
    void *dx;
    bool accumulate, sums;
    const void *dy, *x;
    const float *stats;
    float *room;
} backward;

// The gradient of x from that of f(x), which is in b->rows.
static void differentiate(const backward *back, const buffers *b, void *dx, int64_t lo,
                          int64_t rows)
{
    const ak_dense *d = back->d;
    const ak_dense_rows *halves = d->kernels->halves;
    float *sums = back->sums ? norm_sums_of(d, back->room) + lo / BLOCK * 2 * d->in : NULL;
    const void *x = number(back->x, d->x_half, lo * d->in);
    const float *stats = back->stats ? back->stats + 2 * lo : NULL;

    if (d->norm_w && d->x_half)
        halves->norm_backward(dx, sums, b->rows, x, stats, d->norm_w, rows, d->in,
                              back->accumulate);
    else if (d->norm_w)
        ak_kernel_layer_norm_backward(dx, sums, b->right, b->rows, x, stats, d->norm_w, rows, d->in,
                                      back->accumulate, 1);
    else if (d->x_half)
        halves->gelu_backward(dx, b->rows, x, rows * d->in, back->accumulate);
    else
        ak_kernel_gelu_backward(dx, b->rows, x, rows * d->in, back->accumulate, 1);
}

static void backward_block(const backward *back, const buffers *b, int64_t lo)
{
    const ak_dense *d = back->d;
    int64_t rows = least(BLOCK, d->rows - lo);
    void *dx = back->dx ? number_of(back->dx, d->x_half, lo * d->in) : NULL;
    const void *dy = number(back->dy, d->y_half, lo * d->out);
    bool plain = !d->norm_w && !d->gelu;

    d->kernels->product(&(ak_dense_product){ .c = plain ? dx : b->rows,
                                             .c_row = d->in,
                                             .c_half = plain && d->x_half,
                                             .a = as_left(d, dy, d->y_half, rows, d->out, b->left),
                                             .a_row = places(d, d->out),
                                             .a_column = 1,
                                             .b = d->packed ? d->packed : back->room,
                                             .m = rows,
                                             .n = d->in,
                                             .k = places(d, d->out),
                                             .base = plain && back->accumulate ? dx : NULL,
                                             .base_row = d->in });
    if (!plain)
        differentiate(back, b, dx, lo, rows);
}

static void backward_share(const backward *back, int64_t t)
{
    const ak_dense *d = back->d;
    buffers b = buffers_of(d, back->room, t);

    for (int64_t lo = first_row(d, t); lo < least(first_row(d, t + 1), d->rows); lo += BLOCK)
        backward_block(back, &b, lo);
}

void ak_dense_backward(const ak_dense *d, void *dx, bool accumulate, float *norm_sums,
                       const void *dy, const void *x, const float *stats, float *room)
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

// f of `count` rows' inputs [from, to), bf16 if x is; *row: numbers from one row to the next.
static const void *apply_to(const ak_dense *d, const part *p, const buffers *b, const void *x,
                            const float *stats, int64_t count, int64_t *row)
{
    const ak_dense_rows *halves = d->kernels->halves;
    ak_half *made = (ak_half *)(void *)b->rows;

    *row = d->norm_w || d->gelu ? p->to - p->from : d->in;
    if (!d->norm_w && !d->gelu)
        return number(x, d->x_half, p->from);
    if (d->norm_w && d->x_half)
        halves->norm_again(made, x, stats, d->norm_w, d->norm_b, count, d->in, p->from, p->to);
    for (int64_t r = 0; r < count; r++) {
        const void *at = number(x, d->x_half, r * d->in + p->from);

        if (d->gelu && d->x_half)
            halves->gelu(made + r * *row, at, *row);
        else if (d->gelu)
            ak_kernel_gelu(b->rows + r * *row, at, *row, 1);
        else if (!d->x_half)
            ak_kernel_layer_norm_again(b->rows + r * *row, at, stats + 2 * r, d->norm_w + p->from,
                                       d->norm_b + p->from, 1, *row);
    }
    return b->rows;
}

typedef struct weights {
    const ak_dense *d;
    float *dw, *dbias;
    const void *dy, *x;
    const float *stats;
} weights;

static void weights_share(const weights *w, const buffers *b, int64_t t)
{
    const ak_dense *d = w->d;
    const ak_dense_kernels *kernels = d->kernels;
    int64_t depth = DEPTH * kernels->pair;
    part p = part_of(d, t);
    float *dw = w->dw + p.first * d->in + p.from;

    for (int64_t lo = 0; lo < d->rows && p.first < p.last && p.from < p.to; lo += depth) {
        int64_t count = least(depth, d->rows - lo), row;
        const void *fx = apply_to(d, &p, b, number(w->x, d->x_half, lo * d->in),
                                  w->stats ? w->stats + 2 * lo : NULL, count, &row);

        kernels->pack(b->right, fx, d->x_half, row, false, count, p.to - p.from);
        kernels->pack_left(b->left, b->sums, number(w->dy, d->y_half, lo * d->out + p.first),
                           d->y_half, d->out, count, p.last - p.first);
        kernels->product(&(ak_dense_product){ .c = dw,
                                              .c_row = d->in,
                                              .a = b->left,
                                              .a_packed = true,
                                              .b = b->right,
                                              .m = p.last - p.first,
                                              .n = p.to - p.from,
                                              .k = places(d, count),
                                              .base = lo > 0 ? dw : NULL,
                                              .base_row = d->in });
        for (int64_t i = 0; w->dbias && p.from == 0 && i < p.last - p.first; i++)
            w->dbias[p.first + i] = (lo > 0 ? w->dbias[p.first + i] : 0) + b->sums[i];
    }
}

static void weights_part(const weights *w, float *room, int64_t t)
{
    buffers b = buffers_of(w->d, room, t);

    weights_share(w, &b, t);
}

void ak_dense_weights(const ak_dense *d, float *dw, float *dbias, const void *dy, const void *x,
                      const float *stats, float *room)
{
    weights w = { .d = d, .dw = dw, .dbias = dbias, .dy = dy, .x = x, .stats = stats };

    PIECES(d->threads, 1, d->threads, weights_part(&w, room, lo));
}
