// worker/tensor/conv_taps_half.c -- the products of conv_taps.c over maps of bf16.
//
// A tap's products are one product of matrices (dense/dense.h); those of a target are added up in
// floats for a block of images at a time, and stored as bf16 once.

#include "worker/tensor/conv_taps_half.h"

#include <string.h>

#include "worker/tensor/dense.h"
#include "worker/tensor/pieces.h"

enum { BLOCK = 64, DEPTH = 192, LANES = 16 }; // images at a time; in the weights' gradient

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t wide(int64_t n)
{
    return (n + LANES - 1) / LANES * LANES;
}

static const ak_dense_kernels *kernels(void)
{
    return ak_dense_kernels_of(AK_ISA_AVX512, true);
}

int64_t ak_taps_half_packed(const ak_taps_pass *p, int64_t taps)
{
    return taps * p->from / 2 * wide(p->to);
}

// Of a thread: a block's sums, or what a part of the weights' gradient multiplies and unused sums.
static int64_t each_room(const ak_taps_pass *p)
{
    int64_t sums = BLOCK * p->to, weights = DEPTH / 2 * (wide(p->from) + wide(p->to)) + p->from;

    return wide(sums > weights ? sums : weights);
}

int64_t ak_taps_half_room(const ak_taps_pass *p)
{
    return p->threads * each_room(p);
}

void ak_taps_half_pack(const ak_taps_pass *p, float *packed, const float *weights, int64_t taps)
{
    PIECES(taps, 1, p->threads,
           kernels()->pack(packed + ak_taps_half_packed(p, lo), weights + lo * p->from * p->to,
                           false, p->to, false, p->from, p->to));
}

// ---- from one map to another

typedef struct run {
    const ak_taps_pass *pass;
    ak_half *target;
    const ak_half *source;
    const float *packed;
} run;

static void add_step(const run *r, const ak_taps_step *s, int64_t lo, int64_t rows, float *sums)
{
    const ak_taps_pass *p = r->pass;
    int64_t first = s->weights / (p->from * p->to), taps = s->k / p->from;

    for (int64_t tap = 0; tap < taps; tap++) {
        const void *a = r->source + lo * p->source_size + s->source + tap * p->from;

        kernels()->product(
            &(ak_dense_product){ .c = sums,
                                 .c_row = p->to,
                                 .a = a,
                                 .a_row = p->source_size / 2,
                                 .a_column = 1,
                                 .b = r->packed + ak_taps_half_packed(p, first + tap),
                                 .m = rows,
                                 .n = p->to,
                                 .k = p->from / 2,
                                 .base = s->first && tap == 0 ? NULL : sums,
                                 .base_row = p->to });
    }
    if (taps == 0)
        memset(sums, 0, (size_t)(rows * p->to) * sizeof *sums);
}

static void run_block(const run *r, int64_t lo, float *sums)
{
    const ak_taps_pass *p = r->pass;
    const ak_taps_steps *steps = p->steps;
    int64_t rows = least(BLOCK, p->images - lo);

    for (int i = 0; i < steps->count; i++) {
        ak_half *to = r->target + lo * p->target_size + steps->at[i].target;

        add_step(r, &steps->at[i], lo, rows, sums);
        if (i + 1 < steps->count && !steps->at[i + 1].first)
            continue;
        for (int64_t n = 0; n < rows; n++)
            ak_half_narrow(to + n * p->target_size, sums + n * p->to, p->to, 1);
    }
}

static void run_share(const run *r, float *room, int64_t t)
{
    const ak_taps_pass *p = r->pass;

    for (int64_t lo = t * BLOCK; lo < p->images; lo += p->threads * BLOCK)
        run_block(r, lo, room + t * each_room(p));
}

void ak_taps_half_run(const ak_taps_pass *p, ak_half *target, const ak_half *source,
                      const float *packed, float *room)
{
    run r = { .pass = p, .target = target, .source = source, .packed = packed };

    PIECES(p->threads, 1, p->threads, run_share(&r, room, lo));
}

// ---- over both

typedef struct weights {
    const ak_taps_pass *pass;
    float *gradient;
    const ak_half *source, *target;
} weights;

// The inputs [from, to) of every tap, for `count` images from lo on.
static void add_images(const weights *w, int64_t from, int64_t to, int64_t lo, int64_t count,
                       float *room)
{
    const ak_taps_pass *p = w->pass;
    float *left = room, *right = left + DEPTH / 2 * wide(p->from),
          *sums = right + DEPTH / 2 * wide(p->to);

    for (int i = 0; i < p->steps->count; i++) {
        const ak_taps_step *s = &p->steps->at[i];

        if (s->first && s->k)
            kernels()->pack(right, w->target + lo * p->target_size + s->target, true,
                            p->target_size, false, count, p->to);
        for (int64_t tap = 0; tap < s->k / p->from; tap++) {
            float *c = w->gradient + s->weights + (tap * p->from + from) * p->to;
            int64_t at = lo * p->source_size + s->source + tap * p->from + from;

            kernels()->pack_left(left, sums, w->source + at, true, p->source_size, count,
                                 to - from);
            kernels()->product(&(ak_dense_product){ .c = c,
                                                    .c_row = p->to,
                                                    .a = left,
                                                    .a_packed = true,
                                                    .b = right,
                                                    .m = to - from,
                                                    .n = p->to,
                                                    .k = (count + 1) / 2,
                                                    .base = c,
                                                    .base_row = p->to });
        }
    }
}

static void weights_share(const weights *w, float *room, int64_t t)
{
    const ak_taps_pass *p = w->pass;
    int64_t unit = kernels()->rows, units = (p->from + unit - 1) / unit;
    int64_t from = least(units * t / p->threads * unit, p->from);
    int64_t to = least(units * (t + 1) / p->threads * unit, p->from);

    for (int64_t lo = 0; lo < p->images && from < to; lo += DEPTH)
        add_images(w, from, to, lo, least(DEPTH, p->images - lo), room + t * each_room(p));
}

void ak_taps_half_weights(const ak_taps_pass *p, float *gradient, int64_t taps,
                          const ak_half *source, const ak_half *target, float *room)
{
    weights w = { .pass = p, .gradient = gradient, .source = source, .target = target };

    memset(gradient, 0, (size_t)(taps * p->from * p->to) * sizeof *gradient);
    PIECES(p->threads, 1, p->threads, weights_share(&w, room, lo));
}
