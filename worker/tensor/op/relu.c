// worker/tensor/op/relu.c -- y = max(0, x); dx = dy where y > 0.

#include "worker/tensor/kernel.h"
#include "worker/tensor/op.h"
#include "worker/tensor/ops.h"

static void forward(ak_op *op, ak_graph *g)
{
    for (int s = 0; s < g->world.local; s++)
        ak_kernel_relu(ak_value(g, op->out, s), ak_value(g, op->in[0], s), op->out->numel,
                       g->world.threads);
}

static void backward(ak_op *op, ak_graph *g)
{
    for (int s = 0; s < g->world.local; s++)
        ak_kernel_relu_backward(ak_grad(g, op->in[0], s), ak_grad(g, op->out, s),
                                ak_value(g, op->out, s), op->out->numel, op->in[0]->grad_written,
                                g->world.threads);
}

static const ak_op_kind kind = {
    .name = "relu",
    .needs = AK_NEEDS_OUT,
    .forward = forward,
    .again = forward,
    .backward = backward,
};

ak_tensor *ak_relu(ak_graph *g, ak_tensor *x)
{
    return ak_op_result(g, ak_op_record(g, &kind, x, NULL, x->dims, x->shape));
}
