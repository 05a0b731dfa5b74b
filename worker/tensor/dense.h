// worker/tensor/dense.h -- a linear layer with what stands before and behind it, in one pass.
//
// y = (base +) f(x) w^T (+ bias) over rows; x (rows,in), w [out][in], y (rows,out), f the layer
// norm of a row, GELU, or x itself.  f(x) exists for a block of rows at a time, in cache; backward
// makes it again.  Results do not depend on the threads.
//
// In bf16 the kernels are those of pairs, and x and y (base, and the gradients) are floats or bf16
// each, as x_half and y_half say.  f and every sum are in floats.

#ifndef AK_TENSOR_DENSE_H
#define AK_TENSOR_DENSE_H

#include <stdbool.h>
#include <stdint.h>

#include "worker/tensor/dense/dense.h"
#include "worker/tensor/isa.h"

typedef struct ak_dense {
    int64_t rows, in, out;
    const float *w, *bias;           // bias NULL: none
    const float *norm_w, *norm_b;    // f is the layer norm; NULL: it is not
    bool gelu;                       // f is GELU
    const ak_dense_kernels *kernels; // ak_dense_kernels_of
    bool x_half, y_half;             // with kernels of pairs alone
    const float *packed;             // what ak_dense_pack gave; NULL: ak_dense_load packs in room
    int threads;
} ak_dense;

// ak_dense_kernels_of gives the kernels of an instruction set, which this CPU must have; with half
// those of pairs, which need AVX512_BF16.
const ak_dense_kernels *ak_dense_kernels_of(ak_isa isa, bool half);

// Floats of the `room` below.
int64_t ak_dense_room(const ak_dense *d);

// ak_dense_load packs w into room, for ak_dense_forward or for ak_dense_backward.
void ak_dense_load(const ak_dense *d, bool backward, float *room);

// ak_dense_pack does so into a place of its own, of ak_dense_packed floats, for many calls with
// d->packed; there must be no bias.
void ak_dense_pack(const ak_dense *d, bool backward, float *packed);
int64_t ak_dense_packed(const ak_dense *d, bool backward);

// stats [rows][2] is left for backward by a layer norm, else unused; base may be NULL.
void ak_dense_forward(const ak_dense *d, void *y, float *stats, const void *x, const void *base,
                      float *room);

// dx = f'(x) dy w, added to what dx holds if accumulate; norm_sums [2][in], unless NULL, the
// gradients of norm_w and norm_b.  dx NULL: only norm_sums.
void ak_dense_backward(const ak_dense *d, void *dx, bool accumulate, float *norm_sums,
                       const void *dy, const void *x, const float *stats, float *room);

// dw [out][in] = dy^T f(x); dbias [out] = the sum of dy, unless NULL.  Needs no ak_dense_load.
void ak_dense_weights(const ak_dense *d, float *dw, float *dbias, const void *dy, const void *x,
                      const float *stats, float *room);

#endif
