// worker/tensor/op/info_nce_queue.c -- MoCo's loss against a queue (arXiv:1911.05722, eq. 1).
//
//     l = [q_i k_i, q_i queue] / t,  p = softmax(l),  L = 1/B sum_i -log p_i0
//     dq_i = 1/(Bt) [sum_j p_ij k_j - k_i]       over the key itself and the queue; none to k
//
// q, k (b,d) per shard, unit rows; queue [K][d].  Of both views: q, k (2b,d), queue [K][2d]; view
// v's queries meet view 1-v's keys, and L is the mean of the two.  View 1 may stand in another
// order over the global batch (shuffled across shards): all keys are gathered and put back first.
// dq is made in forward, where the logits are, and only scaled in backward.

#include <stdlib.h>

#include "proto/base/alloc.h"
#include "worker/tensor/contrast.h"
#include "worker/tensor/ops.h"

typedef struct info_nce_queue {
    const ak_queue_view *queue;
    double temperature;
    ak_batch_rows keys;
    float *dq; // [local][q's numel]
} info_nce_queue;

static akssl_status plan(ak_op *op, ak_graph *g)
{
    info_nce_queue *x = op->self;
    akssl_status rc = ak_batch_rows_init(&x->keys, g, op->in[1], x->queue->both ? 2 : 1);

    x->dq = ak_try_alloc((size_t)(g->world.local * op->in[0]->numel), sizeof(float));
    if (rc < 0 || !x->dq)
        return AKSSL_ERR_NO_MEMORY;
    ak_op_scratch(g, x->keys.rows * x->queue->length);
    return AKSSL_OK;
}

static double view_loss(ak_op *op, ak_graph *g, int s, int view)
{
    info_nce_queue *x = op->self;
    const ak_batch_rows *keys = &x->keys;
    int64_t width = keys->views * keys->d, at = view * keys->rows * keys->d;
    int64_t other = keys->views == 2 ? (1 - view) * keys->d : 0;
    ak_contrast c = { .keys = keys->by_sample + other,
                      .others = x->queue->rows + other,
                      .key_stride = width,
                      .stride = width,
                      .count = x->queue->length,
                      .order = view ? x->queue->order : NULL,
                      .first = (g->world.first + s) * keys->rows,
                      .temperature = x->temperature };

    return ak_contrast_rows(&c, ak_value(g, op->in[0], s) + at, keys->rows, keys->d, g->scratch,
                            op->out->needs_grad ? x->dq + s * op->in[0]->numel + at : NULL);
}

static void forward(ak_op *op, ak_graph *g)
{
    info_nce_queue *x = op->self;

    ak_batch_rows_gather(&x->keys, g, op->in[1], x->queue->order);
    for (int s = 0; s < g->world.local; s++) {
        double loss = 0;

        for (int view = 0; view < x->keys.views; view++)
            loss += view_loss(op, g, s, view);
        *ak_value(g, op->out, s) = (float)(loss / (double)(x->keys.all * x->keys.views));
    }
}

static void backward(ak_op *op, ak_graph *g)
{
    info_nce_queue *x = op->self;

    ak_contrast_backward(op, g, x->dq,
                         1 / ((double)(x->keys.all * x->keys.views) * x->temperature));
}

static const float *gathered(const ak_op *op)
{
    return ((const info_nce_queue *)op->self)->keys.by_sample;
}

static void fini(ak_op *op)
{
    info_nce_queue *x = op->self;

    ak_batch_rows_fini(&x->keys);
    free(x->dq);
}

static const ak_op_kind kind = {
    .name = "info_nce_queue",
    .self_size = sizeof(info_nce_queue),
    .constant = 1 << 1, // k
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .gathered = gathered,
    .fini = fini,
};

ak_tensor *ak_info_nce_queue(ak_graph *g, ak_tensor *q, ak_tensor *k, const ak_queue_view *queue,
                             double temperature)
{
    static const int64_t one[1] = { 1 };
    ak_op *op = ak_op_record(g, &kind, q, k, 1, one);

    if (op)
        *(info_nce_queue *)op->self =
            (info_nce_queue){ .queue = queue, .temperature = temperature };
    return ak_op_result(g, op);
}
