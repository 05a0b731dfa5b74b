// worker/tensor/op/info_nce_queue.c -- MoCo's loss against a queue (arXiv:1911.05722, eq. 1).
//
//     l = [q_i k_i, q_i queue] / t,  p = softmax(l),  L = 1/B sum_i -log p_i0
//     dq_i = 1/(Bt) [sum_j p_ij k_j - k_i]       over the key itself and the queue; none to k
//
// q, k (b,d) per shard, unit rows; queue [K][d].  k may stand in another order over the global
// batch (keys shuffled across shards): all keys are gathered and put back first.  dq is made in
// forward, where the logits are, and only scaled in backward.

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "worker/tensor/gemm.h"
#include "worker/tensor/kernel.h"
#include "worker/tensor/op.h"
#include "worker/tensor/ops.h"

typedef struct info_nce_queue {
    const ak_queue_view *queue;
    double temperature;
    int64_t rows, d, all; // of a shard; of the batch
    float *local;         // [local][rows][d]
    float *mixed, *keys;  // [all][d], as gathered, and by sample
    float *dq;            // [local][rows][d]
} info_nce_queue;

static akssl_status plan(ak_op *op, ak_graph *g)
{
    info_nce_queue *x = op->self;
    size_t local = (size_t)(g->world.local * x->rows), d = (size_t)x->d * sizeof(float);

    x->local = ak_try_alloc(local, d);
    x->dq = ak_try_alloc(local, d);
    x->mixed = ak_try_alloc((size_t)x->all, d);
    x->keys = ak_try_alloc((size_t)x->all, d);
    if (!x->local || !x->dq || !x->mixed || !x->keys)
        return AKSSL_ERR_NO_MEMORY;
    ak_op_scratch(g, x->rows * x->queue->length);
    return AKSSL_OK;
}

static void gather(ak_op *op, ak_graph *g)
{
    info_nce_queue *x = op->self;
    int64_t n = x->rows * x->d;
    size_t row = (size_t)x->d * sizeof(float);

    for (int s = 0; s < g->world.local; s++)
        memcpy(x->local + s * n, ak_value(g, op->in[1], s), (size_t)n * sizeof(float));
    ak_comm_all_gather(g->world.comm, x->local, x->mixed,
                       (size_t)(g->world.local * n) * sizeof(float));
    for (int64_t p = 0; p < x->all; p++)
        memcpy(x->keys + (x->queue->order ? x->queue->order[p] : p) * x->d, x->mixed + p * x->d,
               row);
}

static float dot(const float *a, const float *b, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return (float)sum;
}

static void shard_loss(ak_op *op, ak_graph *g, int s)
{
    info_nce_queue *x = op->self;
    const float *q = ak_value(g, op->in[0], s);
    const float *k = x->keys + (g->world.first + s) * x->rows * x->d;
    float *dq = x->dq + s * x->rows * x->d, inverse = (float)(1 / x->temperature);
    int64_t length = x->queue->length;
    double loss = 0;

    ak_gemm_nt(g->scratch, q, x->queue->rows, x->rows, length, x->d, inverse);
    for (int64_t r = 0; r < x->rows; r++) {
        float *row = g->scratch + r * length;
        float positive = dot(q + r * x->d, k + r * x->d, x->d) * inverse;
        float most = fmaxf(positive, ak_kernel_max(row, length));
        double first = exp((double)positive - (double)most);
        double sum = first + ak_kernel_exp(row, length, most);
        float p0 = (float)(first / sum - 1), scale = (float)(1 / sum);

        loss += (double)most + log(sum) - (double)positive;
        for (int64_t i = 0; i < x->d; i++)
            dq[r * x->d + i] = p0 * k[r * x->d + i];
        for (int64_t j = 0; j < length; j++)
            row[j] *= scale;
    }
    *ak_value(g, op->out, s) = (float)(loss / (double)x->all);
    if (op->out->needs_grad)
        ak_gemm(dq, g->scratch, x->queue->rows, x->rows, x->d, length, 1, 1);
}

static void forward(ak_op *op, ak_graph *g)
{
    gather(op, g);
    for (int s = 0; s < g->world.local; s++)
        shard_loss(op, g, s);
}

static void backward(ak_op *op, ak_graph *g)
{
    info_nce_queue *x = op->self;
    ak_tensor *q = op->in[0];

    for (int s = 0; s < g->world.local && q->needs_grad; s++) {
        float scale = (float)((double)*ak_grad(g, op->out, s) / ((double)x->all * x->temperature));
        const float *from = x->dq + s * q->numel;
        float *dq = ak_grad(g, q, s);

        for (int64_t i = 0; i < q->numel; i++)
            dq[i] = (q->grad_written ? dq[i] : 0) + scale * from[i];
    }
}

static const float *gathered(const ak_op *op)
{
    return ((const info_nce_queue *)op->self)->keys;
}

static void fini(ak_op *op)
{
    info_nce_queue *x = op->self;

    free(x->local);
    free(x->mixed);
    free(x->keys);
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
        *(info_nce_queue *)op->self = (info_nce_queue){ .queue = queue,
                                                        .temperature = temperature,
                                                        .rows = q->shape[0],
                                                        .d = q->shape[1],
                                                        .all = q->shape[0] * g->world.shards };
    return ak_op_result(g, op);
}
