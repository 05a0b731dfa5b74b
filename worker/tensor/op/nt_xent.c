// worker/tensor/op/nt_xent.c -- SimCLR's loss over the global batch (arXiv:2002.05709, eq. 1).
//
//     s = u u^T / t,  L = 1/2B sum_i [-s_ip + log sum_{j != i} exp s_ij]     p: i's other view
//     du_i = 1/(2Bt) sum_j (P_ij + P_ji - 2 [j = p]) u_j                     P_ij = exp(s_ij - l_i)
//
// u (2b,d) per shard, view 0 above view 1; U is all shards' u, gathered.  l_i, the logarithms of
// the row sums, are gathered too, so that each shard has its rows of P and of P^T without another
// exchange of vectors.

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "worker/tensor/gemm.h"
#include "worker/tensor/kernel.h"
#include "worker/tensor/op.h"
#include "worker/tensor/ops.h"

typedef struct nt_xent {
    double temperature;
    int64_t rows, d, all;    // of a shard; of all shards
    float *local;            // [local][rows][d]
    float *u;                // [all][d]
    double *lse_local, *lse; // [local][rows], [all]
} nt_xent;

static akssl_status plan(ak_op *op, ak_graph *g)
{
    nt_xent *x = op->self;
    size_t local = (size_t)(g->world.local * x->rows);

    x->local = ak_try_alloc(local, (size_t)x->d * sizeof(float));
    x->u = ak_try_alloc((size_t)x->all, (size_t)x->d * sizeof(float));
    x->lse_local = ak_try_alloc(local, sizeof(double));
    x->lse = ak_try_alloc((size_t)x->all, sizeof(double));
    if (!x->local || !x->u || !x->lse_local || !x->lse)
        return AKSSL_ERR_NO_MEMORY;
    ak_op_scratch(g, x->rows * x->all + x->rows * x->d);
    return AKSSL_OK;
}

// Where row r of a shard's u and its other view stand in U.
static int64_t place(const nt_xent *x, const ak_graph *g, int s, int64_t r)
{
    return (g->world.first + s) * x->rows + r;
}

static int64_t partner(const nt_xent *x, const ak_graph *g, int s, int64_t r)
{
    return place(x, g, s, (r + x->rows / 2) % x->rows);
}

static void similarities(ak_op *op, ak_graph *g, int s)
{
    nt_xent *x = op->self;

    ak_gemm_nt(g->scratch, ak_value(g, op->in[0], s), x->u, x->rows, x->all, x->d,
               (float)(1 / x->temperature));
}

static void shard_loss(ak_op *op, ak_graph *g, int s)
{
    nt_xent *x = op->self;
    double sum = 0;

    similarities(op, g, s);
    for (int64_t r = 0; r < x->rows; r++) {
        float *row = g->scratch + r * x->all, positive = row[partner(x, g, s, r)], most;
        double lse;

        row[place(x, g, s, r)] = -INFINITY;
        most = ak_kernel_max(row, x->all);
        row[place(x, g, s, r)] = most;
        // exp(most - most) = 1 stands for the row itself and leaves the sum again
        lse = (double)most + log(ak_kernel_exp(row, x->all, most) - 1);
        x->lse_local[s * x->rows + r] = lse;
        sum += lse - (double)positive;
    }
    *ak_value(g, op->out, s) = (float)(sum / (double)x->all);
}

static void forward(ak_op *op, ak_graph *g)
{
    nt_xent *x = op->self;
    int64_t n = x->rows * x->d;

    for (int s = 0; s < g->world.local; s++)
        memcpy(x->local + s * n, ak_value(g, op->in[0], s), (size_t)n * sizeof(float));
    ak_comm_all_gather(g->world.comm, x->local, x->u, (size_t)(g->world.local * n) * sizeof(float));
    for (int s = 0; s < g->world.local; s++)
        shard_loss(op, g, s);
    ak_comm_all_gather(g->world.comm, x->lse_local, x->lse,
                       (size_t)(g->world.local * x->rows) * sizeof(double));
}

static void backward(ak_op *op, ak_graph *g)
{
    nt_xent *x = op->self;
    ak_tensor *u = op->in[0];
    float scale = (float)(1 / ((double)x->all * x->temperature));

    for (int s = 0; s < g->world.local; s++) {
        float *du = u->grad_written ? g->scratch + x->rows * x->all : ak_grad(g, u, s);

        similarities(op, g, s);
        for (int64_t r = 0; r < x->rows; r++) {
            float *row = g->scratch + r * x->all;
            int64_t self = place(x, g, s, r);

            for (int64_t j = 0; j < x->all; j++)
                row[j] =
                    (float)(exp((double)row[j] - x->lse[self]) + exp((double)row[j] - x->lse[j]));
            row[self] = 0;
            row[partner(x, g, s, r)] -= 2;
        }
        ak_gemm(du, g->scratch, x->u, x->rows, x->d, x->all, scale * *ak_grad(g, op->out, s), 0);
        if (u->grad_written)
            ak_kernel_add(ak_grad(g, u, s), ak_grad(g, u, s), du, u->numel, g->world.threads);
    }
}

static const float *gathered(const ak_op *op)
{
    return ((const nt_xent *)op->self)->u;
}

static void fini(ak_op *op)
{
    nt_xent *x = op->self;

    free(x->local);
    free(x->u);
    free(x->lse_local);
    free(x->lse);
}

static const ak_op_kind kind = {
    .name = "nt_xent",
    .self_size = sizeof(nt_xent),
    .needs = AK_NEEDS_IN,
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .gathered = gathered,
    .fini = fini,
};

ak_tensor *ak_nt_xent(ak_graph *g, ak_tensor *u, double temperature)
{
    static const int64_t one[1] = { 1 };
    ak_op *op = ak_op_record(g, &kind, u, NULL, 1, one);

    if (op)
        *(nt_xent *)op->self = (nt_xent){ .temperature = temperature,
                                          .rows = u->shape[0],
                                          .d = u->shape[1],
                                          .all = u->shape[0] * g->world.shards };
    return ak_op_result(g, op);
}
