// worker/tensor/op/attention.c -- multi-head attention (Vaswani et al. 2017, arXiv:1706.03762):
// y = softmax(Q K^T / sqrt(d)) V for each image and head.
//
// qkv (n,tokens,3D): a row is [Q K V], each in `heads` parts of d = D / heads; y (n,tokens,D), the
// heads side by side.  Gradients: see worker/tensor/kernel_vit.h.

#include <stdlib.h>

#include "proto/base/alloc.h"
#include "worker/tensor/dense.h"
#include "worker/tensor/kernel_vit.h"
#include "worker/tensor/op.h"
#include "worker/tensor/ops.h"

typedef struct attention {
    ak_heads shape;
    float *logs; // [local][n][heads][tokens]
} attention;

static int64_t logs_of(const ak_heads *a)
{
    return a->n * a->heads * a->tokens;
}

static akssl_status plan(ak_op *op, ak_graph *g)
{
    attention *a = op->self;

    a->logs = ak_try_alloc((size_t)g->world.local, (size_t)logs_of(&a->shape) * sizeof(float));
    ak_op_scratch(g, g->world.threads * ak_kernel_attention_room(&a->shape));
    return a->logs ? AKSSL_OK : AKSSL_ERR_NO_MEMORY;
}

static void forward(ak_op *op, ak_graph *g)
{
    attention *a = op->self;

    for (int s = 0; s < g->world.local; s++)
        ak_kernel_attention(ak_value_at(g, op->out, s, 0), a->logs + s * logs_of(&a->shape),
                            ak_value_at(g, op->in[0], s, 0), &a->shape, g->scratch,
                            g->world.threads);
}

static void backward(ak_op *op, ak_graph *g)
{
    attention *a = op->self;
    ak_tensor *qkv = op->in[0];

    for (int s = 0; s < g->world.local; s++)
        ak_kernel_attention_backward(ak_grad_at(g, qkv, s, 0), ak_grad_at(g, op->out, s, 0),
                                     ak_value_at(g, qkv, s, 0), a->logs + s * logs_of(&a->shape),
                                     &a->shape, qkv->grad_written, g->scratch, g->world.threads);
}

static void fini(ak_op *op)
{
    free(((attention *)op->self)->logs);
}

// heads.
static void tell(const ak_op *op, ak_graph_node *node)
{
    const attention *a = op->self;

    node->number[0] = a->shape.heads;
}

static int64_t products(const ak_op *op, bool backward)
{
    const ak_heads *a = &((const attention *)op->self)->shape;
    int64_t one = a->n * a->tokens * a->tokens * a->width; // Q K^T, and the softmax times V

    return backward ? 4 * one : 2 * one;
}

static const ak_op_kind kind = {
    .name = "attention",
    .self_size = sizeof(attention),
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

ak_tensor *ak_attention(ak_graph *g, ak_tensor *qkv, int64_t heads)
{
    const int64_t y[3] = { qkv->shape[0], qkv->shape[1], qkv->shape[2] / 3 };
    ak_op *op = ak_op_record(g, &kind, qkv, NULL, 3, y);

    if (op) {
        op->out->half = qkv->half;
        ((attention *)op->self)->shape =
            (ak_heads){ .n = y[0],
                        .tokens = y[1],
                        .width = y[2],
                        .heads = heads,
                        .kernels = ak_dense_kernels_of(g->world.isa, qkv->half) };
    }
    return ak_op_result(g, op);
}
