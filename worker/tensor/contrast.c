// worker/tensor/contrast.c -- rows of the whole batch, and logits against many of them.

#include "worker/tensor/contrast.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "worker/tensor/gemm.h"
#include "worker/tensor/kernel.h"

akssl_status ak_batch_rows_init(ak_batch_rows *b, const ak_graph *g, const ak_tensor *t, int views)
{
    size_t row = (size_t)t->shape[1] * sizeof(float);

    b->views = views;
    b->rows = t->shape[0] / views;
    b->d = t->shape[1];
    b->all = b->rows * g->world.shards;
    b->local = ak_try_alloc((size_t)(g->world.local * t->shape[0]), row);
    b->mixed = ak_try_alloc((size_t)(g->world.shards * t->shape[0]), row);
    b->by_sample = ak_try_alloc((size_t)(g->world.shards * t->shape[0]), row);
    return b->local && b->mixed && b->by_sample ? AKSSL_OK : AKSSL_ERR_NO_MEMORY;
}

void ak_batch_rows_fini(ak_batch_rows *b)
{
    free(b->local);
    free(b->mixed);
    free(b->by_sample);
}

void ak_batch_rows_gather(ak_batch_rows *b, ak_graph *g, const ak_tensor *t, const uint32_t *order)
{
    size_t shard = (size_t)t->numel * sizeof(float), row = (size_t)b->d * sizeof(float);

    for (int s = 0; s < g->world.local; s++)
        memcpy(b->local + s * t->numel, ak_value(g, t, s), shard);
    ak_comm_all_gather(g->world.comm, b->local, b->mixed, (size_t)g->world.local * shard);
    for (int64_t p = 0; p < b->all; p++)
        for (int v = 0; v < b->views; v++) {
            int64_t sample = order && v == b->views - 1 ? order[p] : p;
            int64_t at = (p / b->rows * b->views + v) * b->rows + p % b->rows;

            memcpy(b->by_sample + (sample * b->views + v) * b->d, b->mixed + at * b->d, row);
        }
}

// One row of logits becomes p, less 1 at the own key; dq starts with what the own key adds to it.
static double row_loss(const ak_contrast *c, const float *q, int64_t sample, int64_t d, float *row,
                       float *dq)
{
    const float *own = c->keys + sample * c->key_stride;
    float positive = c->among ? row[sample] : (float)(ak_kernel_dot(q, own, d) / c->temperature);
    float most = fmaxf(positive, ak_kernel_max(row, c->count));
    double first = c->among ? 0 : exp((double)positive - (double)most);
    double sum = first + ak_kernel_exp(row, c->count, most);
    float p0 = c->among ? 0 : (float)(first / sum - 1), scale = (float)(1 / sum);

    for (int64_t j = 0; dq && j < c->count; j++)
        row[j] *= scale;
    if (c->among)
        row[sample] -= 1;
    for (int64_t i = 0; dq && i < d; i++)
        dq[i] = p0 * own[i];
    return (double)most + log(sum) - (double)positive;
}

double ak_contrast_rows(const ak_contrast *c, const float *q, int64_t rows, int64_t d,
                        float *logits, float *dq)
{
    double loss = 0;

    ak_gemm_nt_strided(logits, q, c->others, rows, c->count, d, c->stride,
                       (float)(1 / c->temperature));
    for (int64_t r = 0; r < rows; r++)
        loss += row_loss(c, q + r * d, c->order ? c->order[c->first + r] : c->first + r, d,
                         logits + r * c->count, dq ? dq + r * d : NULL);
    if (dq)
        ak_gemm_strided(dq, logits, c->others, rows, d, c->count, c->stride, 1, 1);
    return loss;
}

void ak_contrast_backward(ak_op *op, ak_graph *g, const float *dq, double scale)
{
    ak_tensor *q = op->in[0];

    for (int s = 0; s < g->world.local && q->needs_grad; s++) {
        float up = (float)((double)*ak_grad(g, op->out, s) * scale);
        const float *from = dq + s * q->numel;
        float *to = ak_grad(g, q, s);

        for (int64_t i = 0; i < q->numel; i++)
            to[i] = (q->grad_written ? to[i] : 0) + up * from[i];
    }
}
