// worker/tensor/op/max_pool.c -- maximum over 3x3, stride 2, padding 1; dx goes to the winner.

#include <stdlib.h>

#include "proto/base/alloc.h"
#include "worker/tensor/kernel.h"
#include "worker/tensor/op.h"
#include "worker/tensor/ops.h"

typedef struct max_pool {
    uint8_t *from; // [local][numel of y]
} max_pool;

static akssl_status plan(ak_op *op, ak_graph *g)
{
    max_pool *m = op->self;

    m->from = ak_try_alloc((size_t)g->world.local, (size_t)op->out->numel);
    return m->from ? AKSSL_OK : AKSSL_ERR_NO_MEMORY;
}

static void forward(ak_op *op, ak_graph *g)
{
    max_pool *m = op->self;
    const int64_t *x = op->in[0]->shape;
    const ak_maps *maps = ak_op_maps(op->in[0]);

    for (int s = 0; s < g->world.local; s++)
        maps->max_pool(ak_value_at(g, op->out, s, 0), m->from + s * op->out->numel,
                       ak_value_at(g, op->in[0], s, 0), x[0], x[1], x[2], x[3], g->world.threads);
}

static void backward(ak_op *op, ak_graph *g)
{
    max_pool *m = op->self;
    const int64_t *x = op->in[0]->shape;
    const ak_maps *maps = ak_op_maps(op->in[0]);

    for (int s = 0; s < g->world.local; s++)
        maps->max_pool_backward(ak_grad_at(g, op->in[0], s, 0), ak_grad_at(g, op->out, s, 0),
                                m->from + s * op->out->numel, x[0], x[1], x[2], x[3],
                                op->in[0]->grad_written, g->world.threads);
}

static void fini(ak_op *op)
{
    free(((max_pool *)op->self)->from);
}

static const ak_op_kind kind = {
    .name = "max_pool",
    .half = AK_HALF,
    .self_size = sizeof(max_pool),
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .fini = fini,
};

ak_tensor *ak_max_pool(ak_graph *g, ak_tensor *x)
{
    int64_t y[4] = { x->shape[0], (x->shape[1] - 1) / 2 + 1, (x->shape[2] - 1) / 2 + 1,
                     x->shape[3] };

    ak_op *op = ak_op_record(g, &kind, x, NULL, 4, y);

    if (op)
        op->out->half = x->half;
    return ak_op_result(g, op);
}
