// worker/tensor/op/info_nce_batch.c -- MoCo v3's loss (arXiv:2104.02057, algorithm 1).
//
//     l = q_i k^T / t over the other view's keys of the global batch,  p = softmax(l)
//     L = sum over both views of 2t/B sum_i -log p_ii
//     dq_i = 2/B [sum_j p_ij k_j - k_i]       none to k
//
// q, k (2b,d) per shard, unit rows, view 0 above view 1.  The factor 2t keeps the gradient's size
// when t changes.  dq is made in forward and only scaled in backward.

#include <stdlib.h>

#include "proto/base/alloc.h"
#include "worker/tensor/contrast.h"
#include "worker/tensor/ops.h"

typedef struct info_nce_batch {
    double temperature;
    ak_batch_rows keys;
    float *dq; // [local][2b][d]
} info_nce_batch;

static akssl_status plan(ak_op *op, ak_graph *g)
{
    info_nce_batch *x = op->self;
    akssl_status rc = ak_batch_rows_init(&x->keys, g, op->in[1], 2);

    x->dq = ak_try_alloc((size_t)(g->world.local * op->in[0]->numel), sizeof(float));
    if (rc < 0 || !x->dq)
        return AKSSL_ERR_NO_MEMORY;
    ak_op_scratch(g, x->keys.rows * x->keys.all);
    return AKSSL_OK;
}

static double view_loss(ak_op *op, ak_graph *g, int s, int view)
{
    info_nce_batch *x = op->self;
    const ak_batch_rows *keys = &x->keys;
    const float *others = keys->by_sample + (1 - view) * keys->d;
    int64_t at = view * keys->rows * keys->d;
    ak_contrast c = { .keys = others,
                      .others = others,
                      .key_stride = 2 * keys->d,
                      .stride = 2 * keys->d,
                      .count = keys->all,
                      .among = true,
                      .first = (g->world.first + s) * keys->rows,
                      .temperature = x->temperature };

    return ak_contrast_rows(&c, ak_value(g, op->in[0], s) + at, keys->rows, keys->d, g->scratch,
                            op->out->needs_grad ? x->dq + s * op->in[0]->numel + at : NULL);
}

static void forward(ak_op *op, ak_graph *g)
{
    info_nce_batch *x = op->self;

    ak_batch_rows_gather(&x->keys, g, op->in[1], NULL);
    for (int s = 0; s < g->world.local; s++)
        *ak_value(g, op->out, s) = (float)((view_loss(op, g, s, 0) + view_loss(op, g, s, 1)) * 2 *
                                           x->temperature / (double)x->keys.all);
}

static void backward(ak_op *op, ak_graph *g)
{
    info_nce_batch *x = op->self;

    ak_contrast_backward(op, g, x->dq, 2 / (double)x->keys.all);
}

static void fini(ak_op *op)
{
    info_nce_batch *x = op->self;

    ak_batch_rows_fini(&x->keys);
    free(x->dq);
}

static const ak_op_kind kind = {
    .name = "info_nce_batch",
    .self_size = sizeof(info_nce_batch),
    .constant = 1 << 1, // k
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .fini = fini,
};

ak_tensor *ak_info_nce_batch(ak_graph *g, ak_tensor *q, ak_tensor *k, double temperature)
{
    static const int64_t one[1] = { 1 };
    ak_op *op = ak_op_record(g, &kind, q, k, 1, one);

    if (op)
        ((info_nce_batch *)op->self)->temperature = temperature;
    return ak_op_result(g, op);
}
