// worker/tensor/op/linear.c -- y = x w^T + bias.
//
// x (...,in), w [out,in], y (...,out): all axes but the last are rows.  dx = dy w, dw = dy^T x,
// dbias = column sums of dy.

#include <string.h>

#include "worker/tensor/gemm.h"
#include "worker/tensor/kernel.h"
#include "worker/tensor/op.h"
#include "worker/tensor/ops.h"

typedef struct linear {
    ak_param *w, *bias;
    int64_t rows, in, out;
} linear;

static akssl_status plan(ak_op *op, ak_graph *g)
{
    linear *l = op->self;

    ak_op_leaf(g, l->in * l->out);
    ak_op_scratch(g, op->in[0]->numel);
    ak_op_scratch(g, ak_kernel_columns_room(l->rows, l->out));
    return AKSSL_OK;
}

static void forward(ak_op *op, ak_graph *g)
{
    linear *l = op->self;

    for (int s = 0; s < g->world.local; s++) {
        ak_gemm_nt(ak_value(g, op->out, s), ak_value(g, op->in[0], s), l->w->value, l->rows, l->out,
                   l->in, 1);
        if (l->bias)
            ak_kernel_add_bias(ak_value(g, op->out, s), l->bias->value, l->rows, l->out,
                               g->world.threads);
    }
}

static void weight_gradient(ak_op *op, ak_graph *g)
{
    linear *l = op->self;

    for (int s = 0; s < g->world.local; s++) {
        ak_gemm_tn(ak_tree_leaf(&g->tree), ak_grad(g, op->out, s), ak_value(g, op->in[0], s),
                   l->out, l->in, l->rows);
        ak_tree_push(&g->tree, l->out * l->in, g->world.threads);
    }
    memcpy(ak_op_gradient(g, op, l->w), ak_tree_total(&g->tree),
           (size_t)(l->out * l->in) * sizeof(float));
    if (!l->bias)
        return;
    for (int s = 0; s < g->world.local; s++) {
        ak_kernel_column_sums(ak_tree_leaf(&g->tree), g->scratch, ak_grad(g, op->out, s), l->rows,
                              l->out, g->world.threads);
        ak_tree_push(&g->tree, l->out, g->world.threads);
    }
    memcpy(ak_op_gradient(g, op, l->bias), ak_tree_total(&g->tree), (size_t)l->out * sizeof(float));
}

static void backward(ak_op *op, ak_graph *g)
{
    linear *l = op->self;
    ak_tensor *x = op->in[0];

    if (op->trains)
        weight_gradient(op, g);
    for (int s = 0; s < g->world.local && x->needs_grad; s++) {
        float *dx = x->grad_written ? g->scratch : ak_grad(g, x, s);

        ak_gemm(dx, ak_grad(g, op->out, s), l->w->value, l->rows, l->in, l->out, 1, 0);
        if (x->grad_written)
            ak_kernel_add(ak_grad(g, x, s), ak_grad(g, x, s), dx, x->numel, g->world.threads);
    }
}

static const ak_op_kind kind = {
    .name = "linear",
    .self_size = sizeof(linear),
    .needs = AK_NEEDS_IN,
    .plan = plan,
    .forward = forward,
    .backward = backward,
};

ak_tensor *ak_linear(ak_graph *g, ak_tensor *x, ak_param *w, ak_param *bias)
{
    int64_t y[4], in = w->shape[1];
    ak_op *op;

    memcpy(y, x->shape, sizeof y);
    y[x->dims - 1] = w->shape[0];
    op = ak_op_record(g, &kind, x, NULL, x->dims, y);
    if (op)
        *(linear *)op->self =
            (linear){ .w = w, .bias = bias, .rows = x->numel / in, .in = in, .out = w->shape[0] };
    ak_op_param(g, op, w);
    ak_op_param(g, op, bias);
    return ak_op_result(g, op);
}
