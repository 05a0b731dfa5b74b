// worker/tensor/op/cross_views.c -- every view predicts the assignments of the other global views:
// the loss of SwAV (arXiv:2006.09882, eq. 2) and DINO (arXiv:2104.14294, eq. 3).
//
//     Q_v = sum_{a in {0,1}, a != v} q_a,  n_v = sum_k Q_vk,  l_v = s_v / t
//     L = 1/(2 (V-1) B) sum_v sum_i [n_v log sum_k exp l_vk - sum_k Q_vk l_vk]
//     ds_v = (n_v softmax(l_v) - Q_v) / (2 (V-1) B t)
//
// s (V b,K) per shard, view above view; q (2b,K), the assignments of views 0 and 1, held constant;
// B images in the global batch.  The softmax is made again in backward, from the logarithms of the
// rows' sums.

#include <math.h>
#include <stdlib.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "worker/tensor/kernel.h"
#include "worker/tensor/op.h"
#include "worker/tensor/ops.h"
#include "worker/tensor/pieces.h"

typedef struct cross_views {
    double temperature;
    int64_t images, views, k, all; // images of a shard; prototypes; images of the batch
    double *lse, *mass, *part;     // [local][views][images]: of a row, and its share of the loss
} cross_views;

static akssl_status plan(ak_op *op, ak_graph *g)
{
    cross_views *x = op->self;
    size_t rows = (size_t)(g->world.local * x->images * x->views);

    x->lse = ak_try_alloc(rows, sizeof(double));
    x->mass = ak_try_alloc(rows, sizeof(double));
    x->part = ak_try_alloc(rows, sizeof(double));
    if (!x->lse || !x->mass || !x->part)
        return AKSSL_ERR_NO_MEMORY;
    ak_op_scratch(g, 2 * x->k * g->world.threads);
    return AKSSL_OK;
}

CLONES static void scaled(float *restrict y, const float *restrict x, float scale, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] * scale;
}

CLONES static void sum(float *restrict y, const float *restrict a, const float *restrict b,
                       int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = a[i] + b[i];
}

enum { LANES = 16, PIECE = 1024 };

// out[0] += sum of q (l - most), out[1] += sum of q, at most PIECE of them.
CLONES static void weighted_piece(const float *q, const float *l, float most, int64_t n,
                                  double out[2])
{
    float dot[LANES] = { 0 }, mass[LANES] = { 0 };
    int64_t i = 0;

    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) {
            dot[k] += q[i + k] * (l[i + k] - most);
            mass[k] += q[i + k];
        }
    for (int k = 0; i < n; i++, k++) {
        dot[k] += q[i] * (l[i] - most);
        mass[k] += q[i];
    }
    for (int k = 0; k < LANES; k++) {
        out[0] += (double)dot[k];
        out[1] += (double)mass[k];
    }
}

static void weighted(const float *q, const float *l, float most, int64_t n, double out[2])
{
    out[0] = out[1] = 0;
    for (int64_t i = 0; i < n; i += PIECE)
        weighted_piece(q + i, l + i, most, n - i < PIECE ? n - i : PIECE, out);
}

// What view v of image i is to predict; both: room for a sum.
static const float *target_of(const cross_views *x, const float *q, int64_t v, int64_t i,
                              float *both)
{
    const float *q0 = q + i * x->k, *q1 = q0 + x->images * x->k;

    if (v < 2)
        return v == 0 ? q1 : q0;
    if (v == 2)
        sum(both, q0, q1, x->k);
    return both;
}

static void images_loss(cross_views *x, const float *s, const float *q, int64_t first,
                        float *scratch, int64_t lo, int64_t hi)
{
    float *l = scratch, *both = scratch + x->k;

    for (int64_t i = lo; i < hi; i++)
        for (int64_t v = 0; v < x->views; v++) {
            const float *target = target_of(x, q, v, i, both);
            int64_t row = v * x->images + i;
            double sums[2], log_sum;
            float most;

            scaled(l, s + row * x->k, (float)(1 / x->temperature), x->k);
            most = ak_kernel_max(l, x->k);
            weighted(target, l, most, x->k, sums);
            log_sum = log(ak_kernel_exp(l, x->k, most));
            x->lse[first + row] = (double)most + log_sum;
            x->mass[first + row] = sums[1];
            x->part[first + row] = sums[1] * log_sum - sums[0];
        }
}

// Images of a thread; rows are independent, so that the cut does not show.
static int64_t share(const cross_views *x, const ak_graph *g)
{
    return (x->images + g->world.threads - 1) / g->world.threads;
}

static double terms(const cross_views *x)
{
    return 2 * (double)(x->views - 1) * (double)x->all;
}

static void forward(ak_op *op, ak_graph *g)
{
    cross_views *x = op->self;
    int64_t rows = x->images * x->views, size = share(x, g);

    for (int s = 0; s < g->world.local; s++) {
        double loss = 0;

        PIECES(x->images, size, g->world.threads,
               images_loss(x, ak_value(g, op->in[0], s), ak_value(g, op->in[1], s), s * rows,
                           g->scratch + lo / size * 2 * x->k, lo, hi));
        for (int64_t r = 0; r < rows; r++)
            loss += x->part[s * rows + r];
        *ak_value(g, op->out, s) = (float)(loss / terms(x));
    }
}

CLONES static void slope(float *restrict ds, const float *restrict p, const float *restrict q,
                         float mass, float scale, int64_t n, bool accumulate)
{
    if (accumulate)
        for (int64_t i = 0; i < n; i++)
            ds[i] += (p[i] * mass - q[i]) * scale;
    else
        for (int64_t i = 0; i < n; i++)
            ds[i] = (p[i] * mass - q[i]) * scale;
}

static void images_slope(ak_op *op, ak_graph *g, int s, float *scratch, int64_t lo, int64_t hi)
{
    cross_views *x = op->self;
    const float *logits = ak_value(g, op->in[0], s), *q = ak_value(g, op->in[1], s);
    float scale = (float)((double)*ak_grad(g, op->out, s) / (terms(x) * x->temperature));
    float *p = scratch, *both = scratch + x->k;

    for (int64_t i = lo; i < hi; i++)
        for (int64_t v = 0; v < x->views; v++) {
            const float *target = target_of(x, q, v, i, both);
            int64_t row = v * x->images + i, at = s * x->images * x->views + row;

            scaled(p, logits + row * x->k, (float)(1 / x->temperature), x->k);
            (void)ak_kernel_exp(p, x->k, (float)x->lse[at]);
            slope(ak_grad(g, op->in[0], s) + row * x->k, p, target, (float)x->mass[at], scale, x->k,
                  op->in[0]->grad_written);
        }
}

static void backward(ak_op *op, ak_graph *g)
{
    cross_views *x = op->self;
    int64_t size = share(x, g);

    for (int s = 0; s < g->world.local && op->in[0]->needs_grad; s++)
        PIECES(x->images, size, g->world.threads,
               images_slope(op, g, s, g->scratch + lo / size * 2 * x->k, lo, hi));
}

static void fini(ak_op *op)
{
    cross_views *x = op->self;

    free(x->lse);
    free(x->mass);
    free(x->part);
}

static const ak_op_kind kind = {
    .name = "cross_views",
    .self_size = sizeof(cross_views),
    .needs = AK_NEEDS_IN,
    .constant = 1 << 1, // q
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .fini = fini,
};

ak_tensor *ak_cross_views(ak_graph *g, ak_tensor *s, ak_tensor *q, double temperature)
{
    static const int64_t one[1] = { 1 };
    int64_t images = q->shape[0] / 2;
    ak_op *op;

    if (g->status == AKSSL_OK &&
        (s->shape[0] % images || s->shape[0] < 2 * images || s->shape[1] != q->shape[1]))
        return ak_op_fail(g, ak_fail(AKSSL_ERR_INTERNAL, "assignments do not fit the views"));
    op = ak_op_record(g, &kind, s, q, 1, one);
    if (op)
        *(cross_views *)op->self = (cross_views){ .temperature = temperature,
                                                  .images = images,
                                                  .views = s->shape[0] / images,
                                                  .k = s->shape[1],
                                                  .all = images * g->world.shards };
    return ak_op_result(g, op);
}
