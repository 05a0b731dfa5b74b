// worker/tensor/op/first_token.c -- the class token: (n,tokens,D) to (n,D).
//
// dx is dy in the first row and 0 in the others.

#include <string.h>

#include "worker/tensor/kernel.h"
#include "worker/tensor/op.h"
#include "worker/tensor/ops.h"

static void forward(ak_op *op, ak_graph *g)
{
    int64_t n = op->out->shape[0], d = op->out->shape[1], row = op->in[0]->numel / n;

    for (int s = 0; s < g->world.local; s++)
        for (int64_t i = 0; i < n; i++)
            memcpy(ak_value(g, op->out, s) + i * d, ak_value(g, op->in[0], s) + i * row,
                   (size_t)d * sizeof(float));
}

static void backward(ak_op *op, ak_graph *g)
{
    int64_t n = op->out->shape[0], d = op->out->shape[1], row = op->in[0]->numel / n;

    for (int s = 0; s < g->world.local; s++) {
        float *dx = ak_grad(g, op->in[0], s);
        const float *dy = ak_grad(g, op->out, s);

        if (!op->in[0]->grad_written)
            memset(dx, 0, (size_t)op->in[0]->numel * sizeof(float));
        for (int64_t i = 0; i < n; i++)
            ak_kernel_add(dx + i * row, dx + i * row, dy + i * d, d, 1);
    }
}

static const ak_op_kind kind = {
    .name = "first_token",
    .forward = forward,
    .backward = backward,
};

ak_tensor *ak_first_token(ak_graph *g, ak_tensor *x)
{
    const int64_t y[2] = { x->shape[0], x->shape[2] };

    return ak_op_result(g, ak_op_record(g, &kind, x, NULL, 2, y));
}
