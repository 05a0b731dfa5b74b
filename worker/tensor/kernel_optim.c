// worker/tensor/kernel_optim.c -- the optimisers' loops over floats.

#include "worker/tensor/kernel_optim.h"

#include <math.h>

#include "worker/tensor/pieces.h"

enum { PIECE = 16384 };

CLONES static void sgd(float *w, float *momentum, const float *g, float lr, float m, float decay,
                       int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        momentum[i] = m * momentum[i] + (g[i] + decay * w[i]);
        w[i] -= lr * momentum[i];
    }
}

void ak_kernel_sgd(float *w, float *momentum, const float *g, float lr, float m, float decay,
                   int64_t n, int threads)
{
    PIECES(n, PIECE, threads, sgd(w + lo, momentum + lo, g + lo, lr, m, decay, hi - lo));
}

CLONES static void lars(float *w, float *momentum, const float *g, float lr, float m, float decay,
                        float ratio, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        momentum[i] = m * momentum[i] + ratio * (g[i] + decay * w[i]);
        w[i] -= lr * momentum[i];
    }
}

void ak_kernel_lars(float *w, float *momentum, const float *g, float lr, float m, float decay,
                    float ratio, int64_t n, int threads)
{
    PIECES(n, PIECE, threads, lars(w + lo, momentum + lo, g + lo, lr, m, decay, ratio, hi - lo));
}

// 1 - beta comes from doubles: 1 - 0.999f is off by 1e-5 of itself.
CLONES static void adam(float *w, float *m1, float *m2, const float *g, float step, float beta1,
                        float rest1, float beta2, float rest2, float eps, float decay, float root,
                        int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        float d = g[i] + decay * w[i];

        m1[i] = beta1 * m1[i] + rest1 * d;
        m2[i] = beta2 * m2[i] + rest2 * d * d;
        w[i] -= step * m1[i] / (sqrtf(m2[i]) * root + eps);
    }
}

void ak_kernel_adam(float *w, float *m1, float *m2, const float *g, double lr, double beta1,
                    double beta2, float eps, float decay, double correction1, double correction2,
                    int64_t n, int threads)
{
    float step = (float)(lr / correction1), root = (float)(1 / sqrt(correction2));
    float rest1 = (float)(1 - beta1), rest2 = (float)(1 - beta2);

    PIECES(n, PIECE, threads,
           adam(w + lo, m1 + lo, m2 + lo, g + lo, step, (float)beta1, rest1, (float)beta2, rest2,
                eps, decay, root, hi - lo));
}

// What is taken off is summed before it meets w: 1 - lr*decay alone would round to 1.
CLONES static void adamw(float *w, float *m1, float *m2, const float *g, float step, float beta1,
                         float rest1, float beta2, float rest2, float eps, float shrink, float root,
                         int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        m1[i] = beta1 * m1[i] + rest1 * g[i];
        m2[i] = beta2 * m2[i] + rest2 * g[i] * g[i];
        w[i] -= step * m1[i] / (sqrtf(m2[i]) * root + eps) + shrink * w[i];
    }
}

void ak_kernel_adamw(float *w, float *m1, float *m2, const float *g, double lr, double beta1,
                     double beta2, float eps, double decay, double correction1, double correction2,
                     int64_t n, int threads)
{
    float step = (float)(lr / correction1), root = (float)(1 / sqrt(correction2));
    float rest1 = (float)(1 - beta1), rest2 = (float)(1 - beta2), shrink = (float)(lr * decay);

    PIECES(n, PIECE, threads,
           adamw(w + lo, m1 + lo, m2 + lo, g + lo, step, (float)beta1, rest1, (float)beta2, rest2,
                 eps, shrink, root, hi - lo));
}

CLONES static void scale_by(float *x, float scale, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        x[i] *= scale;
}

void ak_kernel_scale(float *x, float scale, int64_t n, int threads)
{
    PIECES(n, PIECE, threads, scale_by(x + lo, scale, hi - lo));
}

enum { LANES = 8, AT_ONCE = 16 }; // sums side by side; pieces that a thread takes

// A product of two floats is exact in a double, so that only the order of the sums matters.
CLONES static void dots(double *sums, const float *g, const float *w, int64_t n)
{
    double gg[LANES] = { 0 }, gw[LANES] = { 0 }, ww[LANES] = { 0 };
    int64_t i = 0;

    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) {
            double a = (double)g[i + k], b = (double)w[i + k];

            gg[k] += a * a;
            gw[k] += a * b;
            ww[k] += b * b;
        }
    for (int k = 0; i + k < n; k++) {
        double a = (double)g[i + k], b = (double)w[i + k];

        gg[k] += a * a;
        gw[k] += a * b;
        ww[k] += b * b;
    }
    sums[0] = sums[1] = sums[2] = 0;
    for (int k = 0; k < LANES; k++) {
        sums[0] += gg[k];
        sums[1] += gw[k];
        sums[2] += ww[k];
    }
}

static void dots_of(ak_kernel_sums *sums, const float *g, const float *w, const int64_t *at,
                    int64_t from, int64_t to)
{
    for (int64_t p = from; p < to; p++)
        dots(sums[p], g + (at[p] - at[0]), w + (at[p] - at[0]), at[p + 1] - at[p]);
}

void ak_kernel_dots(ak_kernel_sums *sums, const float *g, const float *w, const int64_t *at,
                    int64_t pieces, int threads)
{
    PIECES(pieces, AT_ONCE, threads, dots_of(sums, g, w, at, lo, hi));
}
