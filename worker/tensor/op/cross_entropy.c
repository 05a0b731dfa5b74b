// worker/tensor/op/cross_entropy.c -- softmax cross-entropy with labels, over the global batch.
//
//     L = 1/B sum_i [-z_i,y(i) + log sum_c exp z_ic],   dz_ic = (P_ic - [c = y(i)]) / B
//
// z (b,C) per shard, B rows of all shards that have a label (y >= 0), which the sum is over; P =
// softmax of the rows; y by position in the global batch.

#include <math.h>

#include "worker/tensor/kernel.h"
#include "worker/tensor/op.h"
#include "worker/tensor/ops.h"

typedef struct cross_entropy {
    const int32_t *labels; // [all]
    int64_t rows, classes, all;
} cross_entropy;

static int32_t label_of(const cross_entropy *x, const ak_graph *g, int s, int64_t r)
{
    return x->labels[(g->world.first + s) * x->rows + r];
}

static int64_t labelled(const cross_entropy *x)
{
    int64_t count = 0;

    for (int64_t i = 0; i < x->all; i++)
        count += x->labels[i] >= 0;
    return count;
}

static double log_sum(const cross_entropy *x, const float *row)
{
    double most = (double)ak_kernel_max(row, x->classes), sum = 0;

    for (int64_t c = 0; c < x->classes; c++)
        sum += exp((double)row[c] - most);
    return most + log(sum);
}

static void forward(ak_op *op, ak_graph *g)
{
    cross_entropy *x = op->self;
    int64_t count = labelled(x);

    for (int s = 0; s < g->world.local; s++) {
        double sum = 0;

        for (int64_t r = 0; r < x->rows; r++) {
            const float *row = ak_value(g, op->in[0], s) + r * x->classes;
            int32_t label = label_of(x, g, s, r);

            sum += label < 0 ? 0 : log_sum(x, row) - (double)row[label];
        }
        *ak_value(g, op->out, s) = count ? (float)(sum / (double)count) : 0;
    }
}

static void backward(ak_op *op, ak_graph *g)
{
    cross_entropy *x = op->self;
    ak_tensor *z = op->in[0];
    int64_t count = labelled(x);

    for (int s = 0; s < g->world.local; s++) {
        double scale = count ? (double)*ak_grad(g, op->out, s) / (double)count : 0;

        for (int64_t r = 0; r < x->rows; r++) {
            const float *row = ak_value(g, z, s) + r * x->classes;
            float *dz = ak_grad(g, z, s) + r * x->classes;
            int32_t label = label_of(x, g, s, r);
            double total = log_sum(x, row);

            for (int64_t c = 0; c < x->classes; c++) {
                double share = label < 0 ? 0 : exp((double)row[c] - total) - (c == label);

                dz[c] = (float)(scale * share) + (z->grad_written ? dz[c] : 0);
            }
        }
    }
}

static const ak_op_kind kind = {
    .name = "cross_entropy",
    .self_size = sizeof(cross_entropy),
    .needs = AK_NEEDS_IN,
    .forward = forward,
    .backward = backward,
};

ak_tensor *ak_cross_entropy(ak_graph *g, ak_tensor *z, const int32_t *labels)
{
    static const int64_t one[1] = { 1 };
    ak_op *op = ak_op_record(g, &kind, z, NULL, 1, one);

    if (op)
        *(cross_entropy *)op->self = (cross_entropy){ .labels = labels,
                                                      .rows = z->shape[0],
                                                      .classes = z->shape[1],
                                                      .all = z->shape[0] * g->world.shards };
    return ak_op_result(g, op);
}
