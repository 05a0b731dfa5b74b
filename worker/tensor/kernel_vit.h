// worker/tensor/kernel_vit.h -- loops of vision transformers, over rows of tokens.
//
// As in kernel.h: plain floats, work cut in pieces of fixed size.  Formulas are the callers'
// (worker/tensor/op); attention's are here.

#ifndef AK_TENSOR_KERNEL_VIT_H
#define AK_TENSOR_KERNEL_VIT_H

#include <stdbool.h>
#include <stdint.h>

#include "worker/tensor/dense/dense.h"

// ---- layer norm over rows of `width`

#define AK_KERNEL_NORM_EPS 1e-6

// y = (x - mean) * inverse * w + b; stats[2r] and stats[2r+1] become row r's mean and inverse
// standard deviation.
void ak_kernel_layer_norm(float *y, float *stats, const float *x, const float *w, const float *b,
                          int64_t rows, int64_t width, double eps, int threads);

// The same y again, from the stats.
void ak_kernel_layer_norm_again(float *y, const float *x, const float *stats, const float *w,
                                const float *b, int64_t rows, int64_t width);

// dx; with sums also [2][width]: the sums of dy * xhat and of dy.  room:
// ak_kernel_layer_norm_room floats.
void ak_kernel_layer_norm_backward(float *dx, float *sums, float *room, const float *dy,
                                   const float *x, const float *stats, const float *w, int64_t rows,
                                   int64_t width, bool accumulate, int threads);
int64_t ak_kernel_layer_norm_room(int64_t rows, int64_t width);

// ---- activations

// y = x Phi(x), Phi the normal distribution's, to 2e-7 of |x|; dx = dy (Phi(x) + x phi(x)).
void ak_kernel_gelu(float *y, const float *x, int64_t n, int threads);
void ak_kernel_gelu_backward(float *dx, const float *dy, const float *x, int64_t n, bool accumulate,
                             int threads);

// y = x + scale[r] * branch, row r of `width`; scale NULL: 1.
void ak_kernel_residual(float *y, const float *x, const float *branch, const float *scale,
                        int64_t rows, int64_t width, int threads);

// dx = scale[r] * dy, added to what dx holds if accumulate.
void ak_kernel_scale_rows(float *dx, const float *dy, const float *scale, int64_t rows,
                          int64_t width, bool accumulate, int threads);

// ---- patches: n images (side x side x 3), each cut in grid x grid patches of patch x patch; what
// is left at the right and the bottom belongs to none.

typedef struct ak_patches {
    int64_t n, side, patch, grid;
} ak_patches;

// rows [n * grid * grid][3 * patch * patch], each a patch by channel, row, column.
void ak_kernel_patches(float *rows, const float *x, const ak_patches *p, int threads);
void ak_kernel_patches_backward(float *dx, const float *rows, const ak_patches *p, bool accumulate,
                                int threads);

// ---- attention: qkv (n, tokens, 3 D), each of Q, K, V in `heads` parts of d = D / heads

typedef struct ak_heads {
    int64_t n, tokens, width; // D
    int64_t heads;
    const ak_dense_kernels *kernels; // ak_dense_kernels_of; of pairs: qkv, y, dy, dqkv are bf16
} ak_heads;

// For each image and head, y = softmax(Q K^T / sqrt(d)) V; logs [n][heads][tokens] become the
// logarithms of the softmax's sums, which backward makes the softmax of again.
// room: ak_kernel_attention_room floats a thread.
void ak_kernel_attention(void *y, float *logs, const void *qkv, const ak_heads *a, float *room,
                         int threads);

// With P the softmax: dV = P^T dy, dS = P * (dP - rowsum(dP * P)), dP = dy V^T,
// dQ = dS K / sqrt(d), dK = dS^T Q / sqrt(d).
void ak_kernel_attention_backward(void *dqkv, const void *dy, const void *qkv, const float *logs,
                                  const ak_heads *a, bool accumulate, float *room, int threads);
int64_t ak_kernel_attention_room(const ak_heads *a);

#endif
