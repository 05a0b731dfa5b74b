// worker/tensor/op/dino_targets.c -- what DINO's student is to predict (arXiv:2104.14294,
// Algorithm 1 and eq. 4).
//
//     q = softmax((s - c) / t)            s (2b,K): the teacher's, views 0 and 1; no gradient
//     batch_center = 1/2B sum of s        over both views of the global batch
//     entropy = 1/2B sum_i -q_i . log q_i,  usage = exp(-m . log m) / K,  m = 1/2B sum of q
//
// Sums are per shard, then in the fixed tree.

#include <math.h>
#include <stdlib.h>

#include "proto/base/alloc.h"
#include "worker/tensor/assignment.h"
#include "worker/tensor/kernel.h"
#include "worker/tensor/op.h"
#include "worker/tensor/ops.h"
#include "worker/tensor/pieces.h"

typedef struct dino_targets {
    ak_dino_teacher *teacher;
    int64_t rows, k;
    double *parts, *sums; // [local][2K+1], [2K+1]: of s, of q, of the entropies
    double *entropy;      // [rows]
} dino_targets;

static int64_t width(const dino_targets *x)
{
    return 2 * x->k + 1;
}

static akssl_status plan(ak_op *op, ak_graph *g)
{
    dino_targets *x = op->self;

    x->parts = ak_try_alloc((size_t)g->world.local, (size_t)width(x) * sizeof(double));
    x->sums = ak_try_alloc((size_t)width(x), sizeof(double));
    x->entropy = ak_try_alloc((size_t)x->rows, sizeof(double));
    if (!x->parts || !x->sums || !x->entropy)
        return AKSSL_ERR_NO_MEMORY;
    ak_op_scratch(g, x->k * g->world.threads);
    ak_op_room(g, width(x) * ak_comm_size(g->world.comm));
    return AKSSL_OK;
}

CLONES static void sharpen(float *restrict l, float *restrict q, const float *restrict s,
                           const float *restrict center, float scale, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        q[i] = l[i] = (s[i] - center[i]) * scale;
}

// q becomes a share of its sum; returns the sum of q (l - most) over it.
static double settle(float *q, const float *l, float most, double sum, int64_t n)
{
    float scale = (float)(1 / sum);
    double dot = 0;

    for (int64_t i = 0; i < n; i++) {
        q[i] *= scale;
        dot += (double)q[i] * (double)(l[i] - most);
    }
    return dot;
}

static void rows_of(ak_op *op, ak_graph *g, int s, float *l, int64_t lo, int64_t hi)
{
    dino_targets *x = op->self;
    float scale = (float)(1 / x->teacher->temperature);

    for (int64_t r = lo; r < hi; r++) {
        float *q = ak_value(g, op->out, s) + r * x->k, most;
        double sum;

        sharpen(l, q, ak_value(g, op->in[0], s) + r * x->k, x->teacher->center, scale, x->k);
        most = ak_kernel_max(l, x->k);
        sum = ak_kernel_exp(q, x->k, most);
        x->entropy[r] = log(sum) - settle(q, l, most, sum, x->k);
    }
}

CLONES static void add_to(double *restrict sums, const float *restrict x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        sums[i] += (double)x[i];
}

static void sum_shard(ak_op *op, ak_graph *g, int s)
{
    dino_targets *x = op->self;
    double *parts = x->parts + s * width(x);

    for (int64_t i = 0; i < width(x); i++)
        parts[i] = 0;
    for (int64_t r = 0; r < x->rows; r++) {
        add_to(parts, ak_value(g, op->in[0], s) + r * x->k, x->k);
        add_to(parts + x->k, ak_value(g, op->out, s) + r * x->k, x->k);
        parts[2 * x->k] += x->entropy[r];
    }
}

static void forward(ak_op *op, ak_graph *g)
{
    dino_targets *x = op->self;
    int64_t size = (x->rows + g->world.threads - 1) / g->world.threads;
    double count = (double)(x->rows * g->world.shards);

    for (int s = 0; s < g->world.local; s++) {
        PIECES(x->rows, size, g->world.threads,
               rows_of(op, g, s, g->scratch + lo / size * x->k, lo, hi));
        sum_shard(op, g, s);
    }
    ak_world_sum(&g->world, x->parts, width(x), g->room, x->sums);
    for (int64_t k = 0; k < x->k; k++)
        x->sums[k] /= count;
    x->teacher->batch_center = x->sums;
    x->teacher->entropy = x->sums[2 * x->k] / count;
    x->teacher->usage = ak_assignment_usage(x->sums + x->k, x->k, count);
}

static void backward(ak_op *op, ak_graph *g)
{
    (void)op;
    (void)g;
}

static void fini(ak_op *op)
{
    dino_targets *x = op->self;

    free(x->parts);
    free(x->sums);
    free(x->entropy);
}

static const ak_op_kind kind = {
    .name = "dino_targets",
    .self_size = sizeof(dino_targets),
    .constant = 1,
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .fini = fini,
};

ak_tensor *ak_dino_targets(ak_graph *g, ak_tensor *s, ak_dino_teacher *teacher)
{
    ak_op *op = ak_op_record(g, &kind, s, NULL, 2, s->shape);

    if (op)
        *(dino_targets *)op->self =
            (dino_targets){ .teacher = teacher, .rows = s->shape[0], .k = s->shape[1] };
    return ak_op_result(g, op);
}
