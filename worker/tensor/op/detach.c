// worker/tensor/op/detach.c -- y = x, and no gradient to x.

#include <string.h>

#include "worker/tensor/op.h"
#include "worker/tensor/ops.h"

typedef struct detach {
    char none;
} detach;

static void forward(ak_op *op, ak_graph *g)
{
    for (int s = 0; s < g->world.local; s++)
        memcpy(ak_value(g, op->out, s), ak_value(g, op->in[0], s),
               (size_t)op->out->numel * sizeof(float));
}

static void backward(ak_op *op, ak_graph *g)
{
    (void)op;
    (void)g;
}

static const ak_op_kind kind = {
    .name = "detach",
    .self_size = sizeof(detach),
    .constant = 1,
    .forward = forward,
    .backward = backward,
};

ak_tensor *ak_detach(ak_graph *g, ak_tensor *x)
{
    return ak_op_result(g, ak_op_record(g, &kind, x, NULL, x->dims, x->shape));
}
