// worker/tensor/dense/rows.h -- loops over bf16 rows, which a product of pairs reads as they lie:
// layer norm, GELU, softmax.
//
// Computed in floats, stored as bf16 (half.h); formulas as in kernel_vit.h.  GELU takes Phi by a
// polynomial to 1.1e-5 and its derivative to 2.5e-4, softmax exp to 3e-6 of itself: a tenth of what
// bf16 rounds, or less.  One thread; rows lie one behind the other unless said.

#ifndef AK_TENSOR_DENSE_ROWS_H
#define AK_TENSOR_DENSE_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "worker/tensor/half.h"

typedef struct ak_dense_rows {
    // y = the layer norm of x; stats [rows][2] become each row's mean and inverse deviation.
    void (*norm)(ak_half *y, float *stats, const ak_half *x, const float *w, const float *b,
                 int64_t rows, int64_t width, double eps);

    // Columns [from, to) of the same y again, to - from numbers a row.
    void (*norm_again)(ak_half *y, const ak_half *x, const float *stats, const float *w,
                       const float *b, int64_t rows, int64_t width, int64_t from, int64_t to);

    // From dy, floats: dx, added to what it holds if add, and sums [2][width] of dy * xhat and of
    // dy.  Either may be NULL.
    void (*norm_backward)(ak_half *dx, float *sums, const float *dy, const ak_half *x,
                          const float *stats, const float *w, int64_t rows, int64_t width,
                          bool add);

    void (*gelu)(ak_half *y, const ak_half *x, int64_t n);
    void (*gelu_backward)(ak_half *dx, const float *dy, const ak_half *x, int64_t n, bool add);

    // Rows of n numbers, `row` apart, in y zeros behind them: y = exp(scale (x - the largest));
    // inverse: 1 / the sum of y, logs: the logarithm of the softmax's denominator, of each row.
    void (*softmax)(ak_half *y, float *inverse, float *logs, const float *x, int64_t rows,
                    int64_t row, int64_t n, float scale);

    // p = the same softmax from the logs, and ds = p (dp - the sum of dp p) scale; x is lost.
    void (*softmax_backward)(ak_half *p, ak_half *ds, float *x, const float *dp, const float *logs,
                             int64_t rows, int64_t row, int64_t n, float scale);

    // y = scale[r] x, rows of n, y_row and n apart; scale NULL: 1; add: to what y holds.
    void (*store)(ak_half *y, int64_t y_row, const float *x, const float *scale, int64_t rows,
                  int64_t n, bool add);
} ak_dense_rows;

#ifdef __x86_64__
extern const ak_dense_rows ak_dense_rows_bf16; // needs AVX512_BF16
#endif

#endif
