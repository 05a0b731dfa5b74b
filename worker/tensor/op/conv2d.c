// worker/tensor/op/conv2d.c -- convolution without bias.
//
//     y = x * w          x (n,h,w,in), w [out,in,k,k], y (n,h',w',out), h' = (h+2p-k)/s + 1
//     dx = dy * w^T,  dw = x^T * dy

#include <stdlib.h>

#include "worker/tensor/half.h"
#include "worker/tensor/op.h"
#include "worker/tensor/ops.h"

typedef struct conv2d {
    ak_param *w;
    ak_conv_shape shape;
    ak_conv *conv;
} conv2d;

static akssl_status plan(ak_op *op, ak_graph *g)
{
    conv2d *c = op->self;
    akssl_status rc =
        ak_conv_new(&c->conv, g->engine, &c->shape, op->out->needs_grad, op->in[0]->needs_grad);

    if (rc < 0)
        return rc;
    ak_op_leaf(g, ak_conv_gradient_size(c->conv));
    if (op->in[0]->needs_grad)
        ak_op_scratch(g, ak_op_floats(op->in[0]));
    if (op->in[0]->half != c->shape.half)
        ak_op_scratch(g, (op->in[0]->numel + 1) / 2);
    return AKSSL_OK;
}

// x as the convolution takes it: images, which are floats, are narrowed into the scratch.
static const void *input(const ak_op *op, ak_graph *g, int s)
{
    const conv2d *c = op->self;
    const ak_tensor *x = op->in[0];

    if (x->half == c->shape.half)
        return ak_value_at(g, x, s, 0);
    ak_half_narrow((ak_half *)(void *)g->scratch, ak_value(g, x, s), x->numel, g->world.threads);
    return g->scratch;
}

static void forward(ak_op *op, ak_graph *g)
{
    conv2d *c = op->self;

    ak_conv_load(c->conv, c->w->value, false);
    for (int s = 0; s < g->world.local; s++)
        ak_conv_forward(c->conv, input(op, g, s), ak_value_at(g, op->out, s, 0));
}

static void backward(ak_op *op, ak_graph *g)
{
    conv2d *c = op->self;
    ak_tensor *x = op->in[0];

    if (x->needs_grad)
        ak_conv_load(c->conv, c->w->value, true);
    for (int s = 0; s < g->world.local; s++) {
        const void *dy = ak_grad_at(g, op->out, s, 0);
        void *dx = x->needs_grad ? ak_grad_at(g, x, s, 0) : NULL;

        if (op->trains) {
            ak_conv_backward_weights(c->conv, input(op, g, s), dy, ak_tree_leaf(&g->tree));
            ak_tree_push(&g->tree, ak_conv_gradient_size(c->conv), g->world.threads);
        }
        if (!dx)
            continue;
        ak_conv_backward_data(c->conv, dy, x->grad_written ? g->scratch : dx);
        if (x->grad_written)
            ak_op_maps(x)->add(dx, dx, g->scratch, x->numel, g->world.threads);
    }
    if (op->trains)
        ak_conv_unpack(c->conv, ak_tree_total(&g->tree), ak_op_gradient(g, op, c->w));
}

static void fini(ak_op *op)
{
    ak_conv_free(((conv2d *)op->self)->conv);
}

// w; stride, padding.
static void tell(const ak_op *op, ak_graph_node *node)
{
    const conv2d *c = op->self;

    node->param[0] = c->w;
    node->number[0] = c->shape.stride;
    node->number[1] = c->shape.padding;
}

static int64_t products(const ak_op *op, bool backward)
{
    const conv2d *c = op->self;
    int64_t each = c->shape.in * c->shape.kernel * c->shape.kernel;

    return ak_op_layer_products(op, op->out->numel * each, backward);
}

static const ak_op_kind kind = {
    .name = "conv2d",
    .self_size = sizeof(conv2d),
    .needs = AK_NEEDS_IN,
    .half = AK_HALF,
    .plan = plan,
    .forward = forward,
    .again = forward,
    .backward = backward,
    .products = products,
    .fini = fini,
    .tell = tell,
};

ak_tensor *ak_conv2d(ak_graph *g, ak_tensor *x, ak_param *w, int64_t stride, int64_t padding)
{
    ak_conv_shape s = { .n = x->shape[0],
                        .h = x->shape[1],
                        .w = x->shape[2],
                        .in = x->shape[3],
                        .out = w->shape[0],
                        .kernel = w->shape[2],
                        .stride = stride,
                        .padding = padding,
                        .exact = g->world.exact,
                        .half = g->world.bf16 };
    int64_t y[4] = { s.n, ak_conv_out(s.h, &s), ak_conv_out(s.w, &s), s.out };
    ak_op *op = ak_op_record(g, &kind, x, NULL, 4, y);

    if (op)
        *(conv2d *)op->self = (conv2d){ .w = w, .shape = s };
    ak_op_param(g, op, w);
    return ak_op_result(g, op);
}
