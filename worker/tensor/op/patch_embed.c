// worker/tensor/op/patch_embed.c -- images to embeddings of their patches: a convolution whose
// stride is its kernel, with bias.
//
// x (n,S,S,3), w [D,3,p,p], y (n,g*g,D), g = floor(S / p), patches in rows.  With u the patches
// (n*g*g, 3pp): y = u w^T + bias, dw = dy^T u, dbias = sum of dy, du = dy w.

#include <inttypes.h>
#include <string.h>

#include "proto/base/error.h"
#include "worker/tensor/gemm.h"
#include "worker/tensor/half.h"
#include "worker/tensor/kernel.h"
#include "worker/tensor/kernel_vit.h"
#include "worker/tensor/op.h"
#include "worker/tensor/ops.h"

typedef struct patch_embed {
    ak_param *w, *bias;
    ak_patches patches;
    int64_t rows, in, out;
} patch_embed;

// The scratch holds the patches (or their gradients), behind them room for column sums, and in bf16
// y (or dy) as floats, in which all is computed.
static akssl_status plan(ak_op *op, ak_graph *g)
{
    const patch_embed *p = op->self;

    ak_op_leaf(g, p->in * p->out);
    ak_op_scratch(g, p->rows * p->in + ak_kernel_columns_room(p->rows, p->out) +
                         (op->out->half ? p->rows * p->out : 0));
    return AKSSL_OK;
}

static float *floats_of_y(const ak_op *op, const ak_graph *g)
{
    const patch_embed *p = op->self;

    return g->scratch + p->rows * p->in + ak_kernel_columns_room(p->rows, p->out);
}

static const float *gradient_of_y(const ak_op *op, const ak_graph *g, int s)
{
    if (!op->out->half)
        return ak_grad(g, op->out, s);
    ak_half_widen(floats_of_y(op, g), ak_grad_at(g, op->out, s, 0), op->out->numel);
    return floats_of_y(op, g);
}

static void forward(ak_op *op, ak_graph *g)
{
    const patch_embed *p = op->self;

    for (int s = 0; s < g->world.local; s++) {
        float *y = op->out->half ? floats_of_y(op, g) : ak_value(g, op->out, s);

        ak_kernel_patches(g->scratch, ak_value(g, op->in[0], s), &p->patches, g->world.threads);
        ak_gemm_nt(y, g->scratch, p->w->value, p->rows, p->out, p->in, 1);
        ak_kernel_add_bias(y, p->bias->value, p->rows, p->out, g->world.threads);
        if (op->out->half)
            ak_half_narrow(ak_value_at(g, op->out, s, 0), y, op->out->numel, g->world.threads);
    }
}

static void weight_gradient(ak_op *op, ak_graph *g)
{
    const patch_embed *p = op->self;

    for (int s = 0; s < g->world.local; s++) {
        ak_kernel_patches(g->scratch, ak_value(g, op->in[0], s), &p->patches, g->world.threads);
        ak_gemm_tn(ak_tree_leaf(&g->tree), gradient_of_y(op, g, s), g->scratch, p->out, p->in,
                   p->rows);
        ak_tree_push(&g->tree, p->out * p->in, g->world.threads);
    }
    memcpy(ak_op_gradient(g, op, p->w), ak_tree_total(&g->tree),
           (size_t)(p->out * p->in) * sizeof(float));
    for (int s = 0; s < g->world.local; s++) {
        ak_kernel_column_sums(ak_tree_leaf(&g->tree), g->scratch + p->rows * p->in,
                              gradient_of_y(op, g, s), p->rows, p->out, g->world.threads);
        ak_tree_push(&g->tree, p->out, g->world.threads);
    }
    memcpy(ak_op_gradient(g, op, p->bias), ak_tree_total(&g->tree), (size_t)p->out * sizeof(float));
}

static void backward(ak_op *op, ak_graph *g)
{
    const patch_embed *p = op->self;
    ak_tensor *x = op->in[0];

    if (op->trains)
        weight_gradient(op, g);
    for (int s = 0; s < g->world.local && x->needs_grad; s++) {
        ak_gemm(g->scratch, gradient_of_y(op, g, s), p->w->value, p->rows, p->in, p->out, 1, 0);
        ak_kernel_patches_backward(ak_grad(g, x, s), g->scratch, &p->patches, x->grad_written,
                                   g->world.threads);
    }
}

// w, bias.
static void tell(const ak_op *op, ak_graph_node *node)
{
    const patch_embed *p = op->self;

    node->param[0] = p->w;
    node->param[1] = p->bias;
}

static int64_t products(const ak_op *op, bool backward)
{
    const patch_embed *p = op->self;

    return ak_op_layer_products(op, p->rows * p->in * p->out, backward);
}

static const ak_op_kind kind = {
    .name = "patch_embed",
    .self_size = sizeof(patch_embed),
    .needs = AK_NEEDS_IN,
    .half = AK_HALF_OUT,
    .plan = plan,
    .forward = forward,
    .products = products,
    .backward = backward,
    .tell = tell,
};

ak_tensor *ak_patch_embed(ak_graph *g, ak_tensor *x, ak_param *w, ak_param *bias)
{
    int64_t size = w->shape[2], grid = x->shape[1] / size;
    const int64_t y[3] = { x->shape[0], grid * grid, w->shape[0] };
    ak_op *op;

    if (grid == 0)
        return ak_op_fail(g, ak_fail(AKSSL_ERR_INVALID,
                                     "a view of %" PRId64 " pixels has no patch of %" PRId64
                                     ": give larger views or a smaller patch_size",
                                     x->shape[1], size));
    op = ak_op_record(g, &kind, x, NULL, 3, y);
    if (op)
        *(patch_embed *)op->self =
            (patch_embed){ .w = w,
                           .bias = bias,
                           .patches = { x->shape[0], x->shape[1], size, grid },
                           .rows = x->shape[0] * grid * grid,
                           .in = 3 * size * size,
                           .out = w->shape[0] };
    ak_op_param(g, op, w);
    ak_op_param(g, op, bias);
    return ak_op_result(g, op);
}
