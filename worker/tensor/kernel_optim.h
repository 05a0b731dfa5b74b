// worker/tensor/kernel_optim.h -- the optimisers' loops over floats (formulas: worker/optim).
//
// As in kernel.h, no result depends on `threads`; nor does it on where an array is cut.

#ifndef AK_TENSOR_KERNEL_OPTIM_H
#define AK_TENSOR_KERNEL_OPTIM_H

#include <stdint.h>

void ak_kernel_sgd(float *w, float *momentum, const float *g, float lr, float m, float decay,
                   int64_t n, int threads);

// sgd on ratio * (g + decay w).
void ak_kernel_lars(float *w, float *momentum, const float *g, float lr, float m, float decay,
                    float ratio, int64_t n, int threads);

// correction1 = 1 - beta1^t, correction2 = 1 - beta2^t.
void ak_kernel_adam(float *w, float *m1, float *m2, const float *g, double lr, double beta1,
                    double beta2, float eps, float decay, double correction1, double correction2,
                    int64_t n, int threads);

// The decay is of w itself: lr * decay * w is taken off besides.
void ak_kernel_adamw(float *w, float *m1, float *m2, const float *g, double lr, double beta1,
                     double beta2, float eps, double decay, double correction1, double correction2,
                     int64_t n, int threads);

void ak_kernel_scale(float *x, float scale, int64_t n, int threads); // x = scale x

// sums[p] = { sum g*g, sum g*w, sum w*w } over [at[p], at[p+1]) for p of [0, pieces): doubles, in
// an order that depends on the piece's length alone.  g and w begin at at[0].
typedef double ak_kernel_sums[3];

void ak_kernel_dots(ak_kernel_sums *sums, const float *g, const float *w, const int64_t *at,
                    int64_t pieces, int threads);

#endif
