// tests/unit/worker/tensor/op/differences.h -- a probe's reference from the forward formula alone.
//
// Gradients are central differences of sum(y * upstream), or of a loss, in doubles.

#ifndef AK_TESTS_WORKER_DIFFERENCES_H
#define AK_TESTS_WORKER_DIFFERENCES_H

#include "tests/unit/worker/tensor/op/probe.h"

// Computes y from the inputs and the model's trained vector.
typedef void ak_formula(const ak_probe *p, double *const x[], const double *trained, double *y);

static inline double *ak_differences_copy(const float *from, int64_t n)
{
    double *out = ak_probe_zeros(n);

    for (int64_t i = 0; i < n; i++)
        out[i] = (double)from[i];
    return out;
}

static inline double ak_differences_loss(const ak_probe *p, ak_formula *f, double *const x[],
                                         const double *trained, double *y)
{
    double sum = 0;

    memset(y, 0, (size_t)p->y_numel * sizeof *y);
    f(p, x, trained, y);
    for (int64_t i = 0; i < p->y_numel; i++)
        sum += y[i] * (double)p->upstream[i];
    return sum;
}

// What the loss does when *at moves.
static inline double ak_differences_at(const ak_probe *p, ak_formula *f, double *const x[],
                                       const double *trained, double *y, double *at)
{
    const double h = 1e-5;
    double middle = *at, above, below;

    *at = middle + h;
    above = ak_differences_loss(p, f, x, trained, y);
    *at = middle - h;
    below = ak_differences_loss(p, f, x, trained, y);
    *at = middle;
    return (above - below) / (2 * h);
}

static inline void ak_differences(const ak_probe *p, ak_formula *f, ak_probe_want *want)
{
    double *x[AK_PROBE_INPUTS] = { NULL, NULL }, *y = ak_probe_zeros(p->y_numel);
    double *trained = ak_differences_copy(p->model.trained, p->model.trained_size);

    for (int k = 0; k < p->inputs; k++)
        x[k] = ak_differences_copy(p->x[k], ak_probe_numel(p, k));
    (void)ak_differences_loss(p, f, x, trained, want->y);
    for (int k = 0; k < p->inputs; k++)
        for (int64_t i = 0; i < ak_probe_numel(p, k) && !p->constant[k]; i++)
            want->dx[k][i] = ak_differences_at(p, f, x, trained, y, &x[k][i]);
    for (int64_t i = 0; i < p->model.trained_size; i++)
        want->gradient[i] = ak_differences_at(p, f, x, trained, y, &trained[i]);
    for (int k = 0; k < p->inputs; k++)
        free(x[k]);
    free(trained);
    free(y);
}

// Computes a loss over the global batch, of inputs cut into so many shards.
typedef double ak_loss_formula(const ak_probe *p, int shards, double *const x[]);

// The same for a loss.
static inline void ak_differences_of_loss(const ak_probe *p, ak_loss_formula *f, int shards,
                                          ak_probe_want *want)
{
    const double h = 1e-5;
    double *x[AK_PROBE_INPUTS] = { NULL, NULL };

    for (int k = 0; k < p->inputs; k++)
        x[k] = ak_differences_copy(p->x[k], ak_probe_numel(p, k));
    want->loss = f(p, shards, x);
    for (int k = 0; k < p->inputs; k++)
        for (int64_t i = 0; i < ak_probe_numel(p, k) && !p->constant[k]; i++) {
            double middle = x[k][i], above;

            x[k][i] = middle + h;
            above = f(p, shards, x);
            x[k][i] = middle - h;
            want->dx[k][i] = (double)p->upstream[0] * (above - f(p, shards, x)) / (2 * h);
            x[k][i] = middle;
        }
    for (int k = 0; k < p->inputs; k++)
        free(x[k]);
}

// Where a shard has the row of view v (0 or 1) of image i of a batch of `images`.
static inline int64_t ak_pair_row(int64_t images, int shards, int v, int64_t i)
{
    int64_t each = images / shards;

    return (i / each * 2 + v) * each + i % each;
}

static inline double ak_pair_dot(const double *a, const double *b, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

#endif
