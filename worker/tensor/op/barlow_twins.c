// worker/tensor/op/barlow_twins.c -- Barlow Twins' loss over the global batch (arXiv:2103.03230,
// eq. 1).
//
//     C = A^T B / n,  L = scale (sum_i (C_ii - 1)^2 + lambda sum_{i != j} (C_ij - t)^2)
//
// A, B (n,d): view 0 and view 1 of the batch of n, columns standardised.  C has d^2 entries, 256
// MiB where d is 8192, but the loss needs only its norm, its sum and its diagonal, and with the
// Gram matrices G = A A^T and H = B B^T, n^2 entries each,
//
//     |C|^2 = 1/n^2 sum_bc G_bc H_bc,   sum_ij C_ij = 1/n sum_b a_b b_b     a_b = sum_i A_bi
//     L = scale (lambda (|C|^2 - 2t sum_ij C_ij + t^2 d^2) + sum_i [(C_ii - 1)^2 - lambda (C_ii -
//     t)^2]) dA_bi = scale/n [2 lambda/n sum_c H_bc A_ci - 2 lambda t b_b + e_i B_bi],  dB alike
//     e_i = 2 (C_ii - 1) - 2 lambda (C_ii - t)
//
// so that C is never made: n/d of its work, and what ranks exchange are A, B and the diagonal.

#include <stdlib.h>

#include "proto/base/alloc.h"
#include "worker/tensor/contrast.h"
#include "worker/tensor/gemm.h"
#include "worker/tensor/kernel.h"
#include "worker/tensor/ops.h"

typedef struct barlow_twins {
    ak_barlow how;
    ak_batch_rows batch; // [n][2][d]
    float *gram;         // [local][2][b][n]: rows of G and H
    double *sums;        // [local][2][b]: a_b and b_b
    double *parts;       // [local][d]
    double *diagonal;    // [d]: C_ii
    float *e;            // [d]
} barlow_twins;

static akssl_status plan(ak_op *op, ak_graph *g)
{
    barlow_twins *x = op->self;
    akssl_status rc = ak_batch_rows_init(&x->batch, g, op->in[0], 2);
    size_t local = (size_t)g->world.local, d = (size_t)x->batch.d;
    size_t rows = 2 * (size_t)x->batch.rows;

    x->gram = ak_try_alloc(local * rows, (size_t)x->batch.all * sizeof(float));
    x->sums = ak_try_alloc(local * rows, sizeof(double));
    x->parts = ak_try_alloc(local * d, sizeof(double));
    x->diagonal = ak_try_alloc(d, sizeof(double));
    x->e = ak_try_alloc(d, sizeof(float));
    if (rc < 0 || !x->gram || !x->sums || !x->parts || !x->diagonal || !x->e)
        return AKSSL_ERR_NO_MEMORY;
    ak_op_room(g, x->batch.d * ak_comm_size(g->world.comm));
    return AKSSL_OK;
}

static void correlate_diagonal(ak_op *op, ak_graph *g)
{
    barlow_twins *x = op->self;
    int64_t b = x->batch.rows, d = x->batch.d;

    for (int s = 0; s < g->world.local; s++) {
        const float *first = ak_value(g, op->in[0], s), *second = first + b * d;
        double *part = x->parts + s * d;

        for (int64_t i = 0; i < d; i++)
            part[i] = 0;
        for (int64_t r = 0; r < b; r++)
            for (int64_t i = 0; i < d; i++)
                part[i] += (double)first[r * d + i] * (double)second[r * d + i];
    }
    ak_world_sum(&g->world, x->parts, d, g->room, x->diagonal);
    for (int64_t i = 0; i < d; i++) {
        x->diagonal[i] /= (double)x->batch.all;
        x->e[i] = (float)(2 * (x->diagonal[i] - 1) -
                          2 * x->how.lambda * (x->diagonal[i] - x->how.target));
    }
}

static float *gram_of(barlow_twins *x, int s, int view)
{
    return x->gram + (s * 2 + view) * x->batch.rows * x->batch.all;
}

static double *sums_of(barlow_twins *x, int s, int view)
{
    return x->sums + (s * 2 + view) * x->batch.rows;
}

static void measure(ak_op *op, ak_graph *g, int s)
{
    barlow_twins *x = op->self;
    int64_t b = x->batch.rows, d = x->batch.d;

    for (int view = 0; view < 2; view++) {
        const float *rows = ak_value(g, op->in[0], s) + view * b * d;
        double *sums = sums_of(x, s, view);

        ak_gemm_nt_strided(gram_of(x, s, view), rows, x->batch.by_sample + view * d, b,
                           x->batch.all, d, 2 * d, 1);
        for (int64_t r = 0; r < b; r++) {
            sums[r] = 0;
            for (int64_t i = 0; i < d; i++)
                sums[r] += (double)rows[r * d + i];
        }
    }
}

// This shard's part of L; what is of no sample is shared evenly among the shards.
static double shard_loss(barlow_twins *x, const ak_graph *g, int s)
{
    double n = (double)x->batch.all, d = (double)x->batch.d, t = x->how.target;
    double lambda = x->how.lambda, products = 0, even = lambda * t * t * d * d;

    for (int64_t r = 0; r < x->batch.rows; r++)
        products += ak_kernel_dot(gram_of(x, s, 0) + r * x->batch.all,
                                  gram_of(x, s, 1) + r * x->batch.all, x->batch.all) /
                        (n * n) -
                    2 * t * sums_of(x, s, 0)[r] * sums_of(x, s, 1)[r] / n;
    for (int64_t i = 0; i < x->batch.d; i++) {
        double c = x->diagonal[i];

        even += (c - 1) * (c - 1) - lambda * (c - t) * (c - t);
    }
    return x->how.scale * (lambda * products + even / g->world.shards);
}

static void forward(ak_op *op, ak_graph *g)
{
    barlow_twins *x = op->self;

    ak_batch_rows_gather(&x->batch, g, op->in[0], NULL);
    correlate_diagonal(op, g);
    for (int s = 0; s < g->world.local; s++) {
        measure(op, g, s);
        *ak_value(g, op->out, s) = (float)shard_loss(x, g, s);
    }
}

static void backward_view(ak_op *op, ak_graph *g, int s, int view)
{
    barlow_twins *x = op->self;
    int64_t b = x->batch.rows, d = x->batch.d;
    double n = (double)x->batch.all;
    double scale = x->how.scale * (double)*ak_grad(g, op->out, s) / n;
    const float *other = ak_value(g, op->in[0], s) + (1 - view) * b * d;
    float *dz = ak_grad(g, op->in[0], s) + view * b * d, along = (float)scale;

    ak_gemm_strided(dz, gram_of(x, s, 1 - view), x->batch.by_sample + view * d, b, d, x->batch.all,
                    2 * d, (float)(scale * 2 * x->how.lambda / n), op->in[0]->grad_written ? 1 : 0);
    for (int64_t r = 0; r < b; r++) {
        float even =
            (float)(-scale * 2 * x->how.lambda * x->how.target * sums_of(x, s, 1 - view)[r]);

        for (int64_t i = 0; i < d; i++)
            dz[r * d + i] += even + along * x->e[i] * other[r * d + i];
    }
}

static void backward(ak_op *op, ak_graph *g)
{
    for (int s = 0; s < g->world.local; s++)
        for (int view = 0; view < 2; view++)
            backward_view(op, g, s, view);
}

static void fini(ak_op *op)
{
    barlow_twins *x = op->self;

    ak_batch_rows_fini(&x->batch);
    free(x->gram);
    free(x->sums);
    free(x->parts);
    free(x->diagonal);
    free(x->e);
}

static const ak_op_kind kind = {
    .name = "barlow_twins",
    .self_size = sizeof(barlow_twins),
    .needs = AK_NEEDS_IN,
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .fini = fini,
};

ak_tensor *ak_barlow_twins(ak_graph *g, ak_tensor *z, const ak_barlow *how)
{
    static const int64_t one[1] = { 1 };
    ak_op *op = ak_op_record(g, &kind, z, NULL, 1, one);

    if (op)
        ((barlow_twins *)op->self)->how = *how;
    return ak_op_result(g, op);
}
