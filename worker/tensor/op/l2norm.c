// worker/tensor/op/l2norm.c -- u = x / max(|x|, least), row by row.
//
// x, u (b,d); dx = (du - u (u . du)) / |x|, or du / least in a row shorter than that.

#include <math.h>
#include <stdlib.h>

#include "proto/base/alloc.h"
#include "worker/tensor/kernel.h"
#include "worker/tensor/op.h"
#include "worker/tensor/ops.h"

typedef struct l2norm {
    double least;
    float *inverse; // [local][b]; below 0 where the row is shorter than least
} l2norm;

static akssl_status plan(ak_op *op, ak_graph *g)
{
    l2norm *l = op->self;

    l->inverse = ak_try_alloc((size_t)g->world.local, (size_t)op->out->shape[0] * sizeof(float));
    return l->inverse ? AKSSL_OK : AKSSL_ERR_NO_MEMORY;
}

static void forward(ak_op *op, ak_graph *g)
{
    l2norm *l = op->self;
    int64_t rows = op->out->shape[0], d = op->out->shape[1];

    for (int s = 0; s < g->world.local; s++) {
        for (int64_t r = 0; r < rows; r++) {
            const float *x = ak_value(g, op->in[0], s) + r * d;
            float *u = ak_value(g, op->out, s) + r * d;
            double length = sqrt(ak_kernel_dot(x, x, d));
            float scale = (float)(1 / (length < l->least ? l->least : length));

            l->inverse[s * rows + r] = length < l->least ? -scale : scale;
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
            float scale = fabsf(l->inverse[s * rows + r]);
            float along = l->inverse[s * rows + r] < 0 ? 0 : (float)ak_kernel_dot(u, du, d);

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

ak_tensor *ak_l2norm_above(ak_graph *g, ak_tensor *x, double least)
{
    ak_op *op = ak_op_record(g, &kind, x, NULL, 2, x->shape);

    if (op)
        ((l2norm *)op->self)->least = least;
    return ak_op_result(g, op);
}

ak_tensor *ak_l2norm(ak_graph *g, ak_tensor *x)
{
    return ak_l2norm_above(g, x, 1e-12);
}
