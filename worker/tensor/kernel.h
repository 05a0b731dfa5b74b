// worker/tensor/kernel.h -- loops over floats: the memory-bound half of the work.
//
// Arrays are plain floats; images are nhwc, so "rows x channels" with channels innermost.  Each
// kernel cuts its work in pieces of fixed size, so that its result does not depend on `threads`.
// Formulas are the callers' (worker/tensor/op).

#ifndef AK_TENSOR_KERNEL_H
#define AK_TENSOR_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

// y = a + b; may be in place.
void ak_kernel_add(float *y, const float *a, const float *b, int64_t n, int threads);

// y = y * scale + x * (1 - scale): a moving average.
void ak_kernel_average(float *y, const float *x, double keep, int64_t n, int threads);

enum { AK_KERNEL_ROWS = 64 }; // rows of a piece

int64_t ak_kernel_room(int64_t rows, int64_t channels); // doubles of `room` below

// ---- activations and columns

void ak_kernel_relu(float *y, const float *x, int64_t n, int threads);
void ak_kernel_relu_backward(float *dx, const float *dy, const float *y, int64_t n, bool accumulate,
                             int threads);
void ak_kernel_add_bias(float *y, const float *bias, int64_t rows, int64_t channels, int threads);

// sums[0..C) = the columns' sums over rows; room: ak_kernel_columns_room floats.
void ak_kernel_column_sums(float *sums, float *room, const float *x, int64_t rows, int64_t channels,
                           int threads);
int64_t ak_kernel_columns_room(int64_t rows, int64_t channels);

// sums[0..n) = the sum of pieces [count][n], in doubles.
void ak_kernel_fold(float *sums, const float *pieces, int64_t count, int64_t n);

// x[i] becomes exp(x[i] - shift); returns their sum.  Relative error under 2e-7; a piece of the
// row at a time, so that the sum has one order.
double ak_kernel_exp(float *x, int64_t n, float shift);

float ak_kernel_max(const float *x, int64_t n); // n >= 1

// The sum of a[i] * b[i], in doubles and in one order.
double ak_kernel_dot(const float *a, const float *b, int64_t n);

// ---- maps: what networks keep for backward, as floats or as bf16 (half.h); sums are in floats and
// doubles either way

// x, y, dx and dy (`const void *`) are of the table's kind.
typedef struct ak_maps {
    // y = a + b; may be in place.
    void (*add)(void *y, const void *a, const void *b, int64_t n, int threads);

    // dx = dy, added to what dx holds if accumulate.
    void (*pass)(void *dx, const void *dy, int64_t n, bool accumulate, int threads);

    // Of batch norm over x (rows, channels): sums[0..C) = sum of x, sums[C..2C) = sum of x*x, in
    // doubles over pieces of AK_KERNEL_ROWS rows.
    void (*moments)(const void *x, int64_t rows, int64_t channels, double *sums, double *room,
                    int threads);

    // y = x * scale[c] + shift[c] (+ add, unless NULL), then max(0, .) if relu.
    void (*normalize)(void *y, const void *x, const void *add, const float *scale,
                      const float *shift, int64_t rows, int64_t channels, bool relu, int threads);

    // With g = dy where y > 0 (all of dy if y is NULL) and xhat = (x - mean) * invstd:
    // sums[0..C) = sum of g, sums[C..2C) = sum of g * xhat.  g is written to masked unless NULL.
    void (*norm_sums)(const void *dy, const void *y, const void *x, const float *mean,
                      const float *invstd, int64_t rows, int64_t channels, void *masked,
                      double *sums, double *room, int threads);

    // dx = a[c] * g + b[c] * x + k[c], g as above; added to what dx holds if accumulate.
    void (*norm_backward)(void *dx, const void *dy, const void *y, const void *x, const float *a,
                          const float *b, const float *k, int64_t rows, int64_t channels,
                          bool accumulate, int threads);

    // Pooling, nhwc.  3x3, stride 2, padding 1; from[] keeps which of the nine cells won (first of
    // equals).
    void (*max_pool)(void *y, uint8_t *from, const void *x, int64_t n, int64_t h, int64_t w,
                     int64_t channels, int threads);
    void (*max_pool_backward)(void *dx, const void *dy, const uint8_t *from, int64_t n, int64_t h,
                              int64_t w, int64_t channels, bool accumulate, int threads);
    void (*mean_pool)(float *y, const void *x, int64_t n, int64_t cells, int64_t channels,
                      int threads);
    void (*mean_pool_backward)(void *dx, const float *dy, int64_t n, int64_t cells,
                               int64_t channels, bool accumulate, int threads);
} ak_maps;

extern const ak_maps ak_maps_single, ak_maps_half;

#endif
