// worker/tensor/op/add_losses.c -- L = a + b, of two losses.

#include "worker/tensor/op.h"
#include "worker/tensor/ops.h"

typedef struct add_losses {
    char none;
} add_losses;

static void forward(ak_op *op, ak_graph *g)
{
    for (int s = 0; s < g->world.local; s++)
        *ak_value(g, op->out, s) = *ak_value(g, op->in[0], s) + *ak_value(g, op->in[1], s);
}

static void backward(ak_op *op, ak_graph *g)
{
    for (int k = 0; k < 2; k++)
        for (int s = 0; s < g->world.local && op->in[k]->needs_grad; s++) {
            float *d = ak_grad(g, op->in[k], s);

            *d = (op->in[k]->grad_written ? *d : 0) + *ak_grad(g, op->out, s);
        }
}

static const ak_op_kind kind = {
    .name = "add_losses",
    .self_size = sizeof(add_losses),
    .forward = forward,
    .backward = backward,
};

ak_tensor *ak_add_losses(ak_graph *g, ak_tensor *a, ak_tensor *b)
{
    static const int64_t one[1] = { 1 };

    return ak_op_result(g, ak_op_record(g, &kind, a, b, 1, one));
}
