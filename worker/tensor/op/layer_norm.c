// worker/tensor/op/layer_norm.c -- y = (x - mean) / sqrt(var + eps) * w + b over the last axis.
//
// x, y (...,D), w, b [D], eps 1e-6, the variance biased.  With xhat the normalised row and g = w
// dy: dx = (g - mean(g) - xhat mean(g xhat)) / sqrt(var + eps), dw = sum of dy xhat, db = sum of
// dy.

#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "worker/tensor/kernel_vit.h"
#include "worker/tensor/op.h"
#include "worker/tensor/ops.h"

typedef struct layer_norm {
    ak_param *w, *bias;
    int64_t rows, width;
    float *stats; // [local][rows][2]: mean, inverse standard deviation
} layer_norm;

static akssl_status plan(ak_op *op, ak_graph *g)
{
    layer_norm *l = op->self;

    l->stats = ak_try_alloc((size_t)(g->world.local * l->rows), 2 * sizeof(float));
    ak_op_leaf(g, 2 * l->width);
    ak_op_scratch(g, ak_kernel_layer_norm_room(l->rows, l->width));
    return l->stats ? AKSSL_OK : AKSSL_ERR_NO_MEMORY;
}

static void forward(ak_op *op, ak_graph *g)
{
    layer_norm *l = op->self;

    for (int s = 0; s < g->world.local; s++)
        ak_kernel_layer_norm(ak_value(g, op->out, s), l->stats + s * l->rows * 2,
                             ak_value(g, op->in[0], s), l->w->value, l->bias->value, l->rows,
                             l->width, AK_KERNEL_NORM_EPS, g->world.threads);
}

static void backward(ak_op *op, ak_graph *g)
{
    layer_norm *l = op->self;
    ak_tensor *x = op->in[0];
    size_t width = (size_t)l->width * sizeof(float);
    const float *sums;

    for (int s = 0; s < g->world.local; s++) {
        ak_kernel_layer_norm_backward(
            x->needs_grad ? ak_grad(g, x, s) : NULL, op->trains ? ak_tree_leaf(&g->tree) : NULL,
            g->scratch, ak_grad(g, op->out, s), ak_value(g, x, s), l->stats + s * l->rows * 2,
            l->w->value, l->rows, l->width, x->grad_written, g->world.threads);
        if (op->trains)
            ak_tree_push(&g->tree, 2 * l->width, g->world.threads);
    }
    if (!op->trains)
        return;
    sums = ak_tree_total(&g->tree);
    memcpy(ak_op_gradient(g, op, l->w), sums, width);
    memcpy(ak_op_gradient(g, op, l->bias), sums + l->width, width);
}

static void fini(ak_op *op)
{
    free(((layer_norm *)op->self)->stats);
}

// w, bias.
static void tell(const ak_op *op, ak_graph_node *node)
{
    const layer_norm *l = op->self;

    node->param[0] = l->w;
    node->param[1] = l->bias;
    node->epsilon = AK_KERNEL_NORM_EPS;
}

static const ak_op_kind kind = {
    .name = "layer_norm",
    .self_size = sizeof(layer_norm),
    .needs = AK_NEEDS_IN,
    .plan = plan,
    .forward = forward,
    .again = forward,
    .backward = backward,
    .fini = fini,
    .tell = tell,
};

ak_tensor *ak_layer_norm(ak_graph *g, ak_tensor *x, ak_param *w, ak_param *bias)
{
    ak_op *op = ak_op_record(g, &kind, x, NULL, x->dims, x->shape);

    if (op)
        *(layer_norm *)op->self =
            (layer_norm){ .w = w, .bias = bias, .rows = x->numel / w->numel, .width = w->numel };
    ak_op_param(g, op, w);
    ak_op_param(g, op, bias);
    return ak_op_result(g, op);
}
