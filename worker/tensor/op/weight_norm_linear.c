// worker/tensor/op/weight_norm_linear.c -- y = x w^T with rows w_k = g_k v_k / |v_k|
// (Salimans & Kingma 2016, arXiv:1602.07868, eq. 2 and 3).
//
//     dx = dy w,  dw = dy^T x,  u_k = v_k / |v_k|
//     dg_k = u_k . dw_k,  dv_k = g_k / |v_k| (dw_k - u_k (u_k . dw_k))
//
// x (b,in), v [out,in], g [out,1], y (b,out).  dg and dv are made of each shard's dw, before the
// shards are summed: sums over fewer shards would round otherwise.

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "worker/tensor/gemm.h"
#include "worker/tensor/kernel.h"
#include "worker/tensor/op.h"
#include "worker/tensor/ops.h"
#include "worker/tensor/pieces.h"

typedef struct weight_norm_linear {
    ak_param *v, *gain;
    int64_t rows, in, out;
    float *w;      // [out][in], of this step
    float *length; // [out]: |v_k|
} weight_norm_linear;

static bool gain_trains(const weight_norm_linear *l)
{
    return l->gain->role == AK_ROLE_TRAINED && !l->gain->fixed;
}

static akssl_status plan(ak_op *op, ak_graph *g)
{
    weight_norm_linear *l = op->self;

    l->w = ak_try_alloc((size_t)l->out, (size_t)l->in * sizeof(float));
    l->length = ak_try_alloc((size_t)l->out, sizeof(float));
    if (!l->w || !l->length)
        return AKSSL_ERR_NO_MEMORY;
    if (op->trains)
        ak_op_leaf(g, l->out * (l->in + 1));
    ak_op_scratch(g, op->in[0]->numel);
    return AKSSL_OK;
}

static double dot(const float *a, const float *b, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

static void weigh(weight_norm_linear *l, int64_t lo, int64_t hi)
{
    for (int64_t k = lo; k < hi; k++) {
        const float *v = l->v->value + k * l->in;
        double length = fmax(sqrt(dot(v, v, l->in)), 1e-12);
        float scale = (float)((double)l->gain->value[k] / length);

        l->length[k] = (float)length;
        for (int64_t i = 0; i < l->in; i++)
            l->w[k * l->in + i] = v[i] * scale;
    }
}

enum { PIECE = 64 }; // outputs

static void forward(ak_op *op, ak_graph *g)
{
    weight_norm_linear *l = op->self;

    PIECES(l->out, PIECE, g->world.threads, weigh(l, lo, hi));
    for (int s = 0; s < g->world.local; s++)
        ak_gemm_nt(ak_value(g, op->out, s), ak_value(g, op->in[0], s), l->w, l->rows, l->out, l->in,
                   1);
}

// dw of one shard becomes dv in place; dg is written to gain.
static void project(const weight_norm_linear *l, float *dw, float *gain, int64_t lo, int64_t hi)
{
    for (int64_t k = lo; k < hi; k++) {
        const float *v = l->v->value + k * l->in;
        float *d = dw + k * l->in;
        double length = (double)l->length[k], along = dot(v, d, l->in) / length;
        float scale = (float)((double)l->gain->value[k] / length), share = (float)(along / length);

        gain[k] = (float)along;
        for (int64_t i = 0; i < l->in; i++)
            d[i] = (d[i] - v[i] * share) * scale;
    }
}

static void gradients(ak_op *op, ak_graph *g)
{
    weight_norm_linear *l = op->self;
    int64_t n = l->out * l->in;
    const float *total;

    for (int s = 0; s < g->world.local; s++) {
        float *leaf = ak_tree_leaf(&g->tree);

        ak_gemm_tn(leaf, ak_grad(g, op->out, s), ak_value(g, op->in[0], s), l->out, l->in, l->rows);
        PIECES(l->out, PIECE, g->world.threads, project(l, leaf, leaf + n, lo, hi));
        ak_tree_push(&g->tree, n + l->out, g->world.threads);
    }
    total = ak_tree_total(&g->tree);
    memcpy(ak_op_gradient(g, op, l->v), total, (size_t)n * sizeof(float));
    if (gain_trains(l))
        memcpy(ak_op_gradient(g, op, l->gain), total + n, (size_t)l->out * sizeof(float));
}

static void backward(ak_op *op, ak_graph *g)
{
    weight_norm_linear *l = op->self;
    ak_tensor *x = op->in[0];

    if (op->trains)
        gradients(op, g);
    for (int s = 0; s < g->world.local && x->needs_grad; s++) {
        float *dx = x->grad_written ? g->scratch : ak_grad(g, x, s);

        ak_gemm(dx, ak_grad(g, op->out, s), l->w, l->rows, l->in, l->out, 1, 0);
        if (x->grad_written)
            ak_kernel_add(ak_grad(g, x, s), ak_grad(g, x, s), dx, x->numel, g->world.threads);
    }
}

static void fini(ak_op *op)
{
    free(((weight_norm_linear *)op->self)->w);
    free(((weight_norm_linear *)op->self)->length);
}

static int64_t products(const ak_op *op, bool backward)
{
    const weight_norm_linear *l = op->self;

    return ak_op_layer_products(op, l->rows * l->in * l->out, backward);
}

static const ak_op_kind kind = {
    .name = "weight_norm_linear",
    .self_size = sizeof(weight_norm_linear),
    .needs = AK_NEEDS_IN,
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .products = products,
    .fini = fini,
};

ak_tensor *ak_weight_norm_linear(ak_graph *g, ak_tensor *x, ak_param *v, ak_param *gain)
{
    int64_t y[2] = { x->shape[0], v->shape[0] };
    ak_op *op = ak_op_record(g, &kind, x, NULL, 2, y);

    if (op)
        *(weight_norm_linear *)op->self = (weight_norm_linear){
            .v = v, .gain = gain, .rows = x->shape[0], .in = v->shape[1], .out = v->shape[0]
        };
    ak_op_param(g, op, v);
    ak_op_param(g, op, gain);
    return ak_op_result(g, op);
}
