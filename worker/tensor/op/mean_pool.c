// worker/tensor/op/mean_pool.c -- mean over height and width: (n,h,w,C) to (n,C).

#include "worker/tensor/kernel.h"
#include "worker/tensor/op.h"
#include "worker/tensor/ops.h"

static void forward(ak_op *op, ak_graph *g)
{
    const int64_t *x = op->in[0]->shape;
    const ak_maps *maps = ak_op_maps(op->in[0]);

    for (int s = 0; s < g->world.local; s++)
        maps->mean_pool(ak_value(g, op->out, s), ak_value_at(g, op->in[0], s, 0), x[0], x[1] * x[2],
                        x[3], g->world.threads);
}

static void backward(ak_op *op, ak_graph *g)
{
    const int64_t *x = op->in[0]->shape;
    const ak_maps *maps = ak_op_maps(op->in[0]);

    for (int s = 0; s < g->world.local; s++)
        maps->mean_pool_backward(ak_grad_at(g, op->in[0], s, 0), ak_grad(g, op->out, s), x[0],
                                 x[1] * x[2], x[3], op->in[0]->grad_written, g->world.threads);
}

static const ak_op_kind kind = {
    .name = "mean_pool",
    .half = AK_HALF_IN,
    .forward = forward,
    .backward = backward,
};

ak_tensor *ak_mean_pool(ak_graph *g, ak_tensor *x)
{
    int64_t y[2] = { x->shape[0], x->shape[3] };

    return ak_op_result(g, ak_op_record(g, &kind, x, NULL, 2, y));
}
