// worker/tensor/op/concat.c -- y = the rows of a, then the rows of b.
//
// a (n,...), b (m,...), y (n+m,...); da and db are the parts of dy.

#include <string.h>

#include "proto/base/error.h"
#include "worker/tensor/kernel.h"
#include "worker/tensor/op.h"
#include "worker/tensor/ops.h"

static void forward(ak_op *op, ak_graph *g)
{
    for (int s = 0; s < g->world.local; s++) {
        float *y = ak_value(g, op->out, s);

        for (int k = 0; k < AK_OP_INPUTS; k++) {
            memcpy(y, ak_value(g, op->in[k], s), (size_t)op->in[k]->numel * sizeof(float));
            y += op->in[k]->numel;
        }
    }
}

static void backward(ak_op *op, ak_graph *g)
{
    for (int s = 0; s < g->world.local; s++) {
        const float *dy = ak_grad(g, op->out, s);

        for (int k = 0; k < AK_OP_INPUTS; k++) {
            ak_tensor *x = op->in[k];

            if (x->needs_grad && x->grad_written)
                ak_kernel_add(ak_grad(g, x, s), ak_grad(g, x, s), dy, x->numel, g->world.threads);
            else if (x->needs_grad)
                memcpy(ak_grad(g, x, s), dy, (size_t)x->numel * sizeof(float));
            dy += x->numel;
        }
    }
}

static const ak_op_kind kind = {
    .name = "concat",
    .forward = forward,
    .backward = backward,
};

ak_tensor *ak_concat(ak_graph *g, ak_tensor *a, ak_tensor *b, int groups)
{
    int64_t shape[4];
    ak_tensor *y;

    memcpy(shape, a->shape, sizeof shape);
    shape[0] += b->shape[0];
    if (a->numel / a->shape[0] != b->numel / b->shape[0] || shape[0] % groups)
        return ak_op_fail(g, ak_fail(AKSSL_ERR_INTERNAL, "rows that do not fit are joined"));
    y = ak_op_result(g, ak_op_record(g, &kind, a, b, a->dims, shape));
    y->groups = groups;
    return y;
}
