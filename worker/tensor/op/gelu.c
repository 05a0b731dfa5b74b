// worker/tensor/op/gelu.c -- y = x Phi(x); dx = dy (Phi(x) + x phi(x)).
//
// Phi and phi are the normal distribution and its density: the form with erf, not with tanh.

#include "worker/tensor/kernel_vit.h"
#include "worker/tensor/op.h"
#include "worker/tensor/ops.h"

static void forward(ak_op *op, ak_graph *g)
{
    for (int s = 0; s < g->world.local; s++)
        ak_kernel_gelu(ak_value(g, op->out, s), ak_value(g, op->in[0], s), op->out->numel,
                       g->world.threads);
}

static void backward(ak_op *op, ak_graph *g)
{
    for (int s = 0; s < g->world.local; s++)
        ak_kernel_gelu_backward(ak_grad(g, op->in[0], s), ak_grad(g, op->out, s),
                                ak_value(g, op->in[0], s), op->out->numel, op->in[0]->grad_written,
                                g->world.threads);
}

static const ak_op_kind kind = {
    .name = "gelu",
    .needs = AK_NEEDS_IN,
    .forward = forward,
    .again = forward,
    .backward = backward,
};

ak_tensor *ak_gelu(ak_graph *g, ak_tensor *x)
{
    return ak_op_result(g, ak_op_record(g, &kind, x, NULL, x->dims, x->shape));
}
