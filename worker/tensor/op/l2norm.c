// worker/tensor/op/l2norm.c -- u = x / max(|x|, 1e-12), row by row.
//
// x, u (b,d); dx = (du - u (u . du)) / |x|.

#include <math.h>
#include <stdlib.h>

#include "proto/base/alloc.h"
#include "worker/tensor/op.h"
#include "worker/tensor/ops.h"

typedef struct l2norm {
    float *inverse; // [local][b]
} l2norm;

static akssl_status plan(ak_op *op, ak_graph *g)
{
    l2norm *l = op->self;

    l->inverse = ak_try_alloc((size_t)g->world.local, (size_t)op->out->shape[0] * sizeof(float));
    return l->inverse ? AKSSL_OK : AKSSL_ERR_NO_MEMORY;
}

static double dot(const float *a, const float *b, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

static void forward(ak_op *op, ak_graph *g)
{
    l2norm *l = op->self;
    int64_t rows = op->out->shape[0], d = op->out->shape[1];

    for (int s = 0; s < g->world.local; s++) {
        for (int64_t r = 0; r < rows; r++) {
            const float *x = ak_value(g, op->in[0], s) + r * d;
            float *u = ak_value(g, op->out, s) + r * d;
            float scale = (float)(1 / fmax(sqrt(dot(x, x, d)), 1e-12));

            l->inverse[s * rows + r] = scale;
            for (int64_t i = 0; i < d; i++)
                u[i] = x[i] * scale;
        }
    }
}

static void backward(ak_op *op, ak_graph *g)
{
    l2norm *l = op->self;
    int64_t rows = op->out->shape[0], d = op->out->shape[1];
    bool accumulate = op->in[0]->grad_written;

    for (int s = 0; s < g->world.local; s++) {
        for (int64_t r = 0; r < rows; r++) {
            const float *u = ak_value(g, op->out, s) + r * d;
            const float *du = ak_grad(g, op->out, s) + r * d;
            float *dx = ak_grad(g, op->in[0], s) + r * d;
            float along = (float)dot(u, du, d), scale = l->inverse[s * rows + r];

            for (int64_t i = 0; i < d; i++) {
                float v = (du[i] - u[i] * along) * scale;

                dx[i] = accumulate ? dx[i] + v : v;
            }
        }
    }
}

static void fini(ak_op *op)
{
    free(((l2norm *)op->self)->inverse);
}

static const ak_op_kind kind = {
    .name = "l2norm",
    .self_size = sizeof(l2norm),
    .needs = AK_NEEDS_OUT,
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .fini = fini,
};

ak_tensor *ak_l2norm(ak_graph *g, ak_tensor *x)
{
    return ak_op_result(g, ak_op_record(g, &kind, x, NULL, 2, x->shape));
}
