// worker/tensor/op/linear.c -- y = (base +) f(x) w^T + bias, f the identity, a layer norm or GELU.
//
// x (...,in), w [out,in], y (...,out): all axes but the last are rows.  With u = f(x):
// du = dy w, dx = f'(x) du, dw = dy^T u, dbias = column sums of dy, dbase = dy; the layer norm's as
// in op/layer_norm.c.

#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "worker/tensor/dense.h"
#include "worker/tensor/kernel_vit.h"
#include "worker/tensor/op.h"
#include "worker/tensor/ops.h"

typedef struct linear {
    ak_dense_layer layer;
    int64_t rows, in, out;
    bool x_half, y_half;
    float *stats; // [local][rows][2] of the layer norm; NULL: none
} linear;

static ak_dense dense_of(const linear *l, const ak_graph *g)
{
    const ak_dense_layer *y = &l->layer;

    return (ak_dense){ .rows = l->rows,
                       .in = l->in,
                       .out = l->out,
                       .w = y->w->value,
                       .bias = y->bias ? y->bias->value : NULL,
                       .norm_w = y->norm_w ? y->norm_w->value : NULL,
                       .norm_b = y->norm_b ? y->norm_b->value : NULL,
                       .gelu = y->gelu,
                       .kernels = ak_dense_kernels_of(g->world.isa, g->world.bf16),
                       .x_half = l->x_half,
                       .y_half = l->y_half,
                       .threads = g->world.threads };
}

static float *stats_of(const linear *l, int s)
{
    return l->stats ? l->stats + s * l->rows * 2 : NULL;
}

static akssl_status plan(ak_op *op, ak_graph *g)
{
    linear *l = op->self;
    ak_dense d = dense_of(l, g);

    ak_op_leaf(g, l->in * l->out + l->out + 2 * l->in);
    ak_op_scratch(g, ak_dense_room(&d));
    if (!l->layer.norm_w)
        return AKSSL_OK;
    l->stats = ak_try_alloc((size_t)(g->world.local * l->rows), 2 * sizeof(float));
    return l->stats ? AKSSL_OK : AKSSL_ERR_NO_MEMORY;
}

static void forward(ak_op *op, ak_graph *g)
{
    const linear *l = op->self;
    ak_dense d = dense_of(l, g);

    ak_dense_load(&d, false, g->scratch);
    for (int s = 0; s < g->world.local; s++)
        ak_dense_forward(&d, ak_value_at(g, op->out, s, 0), stats_of(l, s),
                         ak_value_at(g, op->in[0], s, 0),
                         op->in[1] ? ak_value_at(g, op->in[1], s, 0) : NULL, g->scratch);
}

static void keep(ak_graph *g, const ak_op *op, const ak_param *param, const float *gradient)
{
    if (param)
        memcpy(ak_op_gradient(g, op, param), gradient, (size_t)param->numel * sizeof(float));
}

// A leaf holds dw and dbias.
static void weight_gradient(ak_op *op, ak_graph *g, const ak_dense *d)
{
    const linear *l = op->self;
    int64_t size = l->in * l->out;
    const float *total;

    for (int s = 0; s < g->world.local; s++) {
        float *leaf = ak_tree_leaf(&g->tree);

        ak_dense_weights(d, leaf, l->layer.bias ? leaf + size : NULL, ak_grad_at(g, op->out, s, 0),
                         ak_value_at(g, op->in[0], s, 0), stats_of(l, s), g->scratch);
        ak_tree_push(&g->tree, size + (l->layer.bias ? l->out : 0), g->world.threads);
    }
    total = ak_tree_total(&g->tree);
    keep(g, op, l->layer.w, total);
    keep(g, op, l->layer.bias, total + size);
}

static void input_gradient(ak_op *op, ak_graph *g, const ak_dense *d)
{
    const linear *l = op->self;
    ak_tensor *x = op->in[0];
    bool norm = op->trains && l->layer.norm_w;
    const float *total;

    if (!x->needs_grad && !norm)
        return;
    ak_dense_load(d, true, g->scratch);
    for (int s = 0; s < g->world.local; s++) {
        ak_dense_backward(d, x->needs_grad ? ak_grad_at(g, x, s, 0) : NULL, x->grad_written,
                          norm ? ak_tree_leaf(&g->tree) : NULL, ak_grad_at(g, op->out, s, 0),
                          ak_value_at(g, x, s, 0), stats_of(l, s), g->scratch);
        if (norm)
            ak_tree_push(&g->tree, 2 * l->in, g->world.threads);
    }
    if (!norm)
        return;
    total = ak_tree_total(&g->tree);
    keep(g, op, l->layer.norm_w, total);
    keep(g, op, l->layer.norm_b, total + l->in);
}

static void backward(ak_op *op, ak_graph *g)
{
    const linear *l = op->self;
    ak_tensor *base = op->in[1];
    ak_dense d = dense_of(l, g);

    if (op->trains)
        weight_gradient(op, g, &d);
    input_gradient(op, g, &d);
    for (int s = 0; s < g->world.local && base && base->needs_grad; s++)
        ak_op_maps(base)->pass(ak_grad_at(g, base, s, 0), ak_grad_at(g, op->out, s, 0), base->numel,
                               base->grad_written, g->world.threads);
}

static void fini(ak_op *op)
{
    free(((linear *)op->self)->stats);
}

// w, bias and the layer norm's; whether f is GELU.
static void tell(const ak_op *op, ak_graph_node *node)
{
    const linear *l = op->self;

    node->param[0] = l->layer.w;
    node->param[1] = l->layer.bias;
    node->param[2] = l->layer.norm_w;
    node->param[3] = l->layer.norm_b;
    node->number[0] = l->layer.gelu;
    node->epsilon = AK_KERNEL_NORM_EPS;
}

static int64_t products(const ak_op *op, bool backward)
{
    const linear *l = op->self;

    return ak_op_layer_products(op, l->rows * l->in * l->out, backward);
}

static const ak_op_kind kind = {
    .name = "linear",
    .self_size = sizeof(linear),
    .needs = AK_NEEDS_FIRST,
    .half = AK_HALF,
    .plan = plan,
    .forward = forward,
    .again = forward,
    .backward = backward,
    .products = products,
    .fini = fini,
    .tell = tell,
};

ak_tensor *ak_dense_of(ak_graph *g, ak_tensor *x, const ak_dense_layer *layer)
{
    int64_t y[4], in = layer->w->shape[1];
    ak_op *op;

    memcpy(y, x->shape, sizeof y);
    y[x->dims - 1] = layer->w->shape[0];
    op = ak_op_record(g, &kind, x, layer->base, x->dims, y);
    if (op)
        *(linear *)op->self = (linear){ .layer = *layer,
                                        .rows = x->numel / in,
                                        .in = in,
                                        .out = layer->w->shape[0],
                                        .x_half = x->half,
                                        .y_half = op->out->half };
    ak_op_param(g, op, layer->w);
    ak_op_param(g, op, layer->bias);
    ak_op_param(g, op, layer->norm_w);
    ak_op_param(g, op, layer->norm_b);
    return ak_op_result(g, op);
}

ak_tensor *ak_linear(ak_graph *g, ak_tensor *x, ak_param *w, ak_param *bias)
{
    return ak_dense_of(g, x, &(ak_dense_layer){ .w = w, .bias = bias });
}
