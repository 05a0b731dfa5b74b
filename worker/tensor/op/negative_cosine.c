// worker/tensor/op/negative_cosine.c -- each view's prediction against the other view's row:
// SimSiam's loss (arXiv:2011.10566, eq. 2) and BYOL's (arXiv:2006.07733, eq. 2).
//
//     S = 1/2B sum_i (p_0i z_1i + p_1i z_0i),  L = offset + scale S
//     SimSiam -S;  BYOL 1/B sum_i (|p_0i - z_1i|^2 + |p_1i - z_0i|^2) = 4 - 4 S
//     dp_vi = scale/2B z_(1-v)i, and the same to z where it is not held constant
//
// p, z (2b,d) per shard, unit rows, view 0 above view 1.

#include "worker/tensor/kernel.h"
#include "worker/tensor/op.h"
#include "worker/tensor/ops.h"

typedef struct negative_cosine {
    double offset, scale;
} negative_cosine;

// The row of the other view.
static int64_t other(const ak_tensor *t, int64_t r)
{
    return (r + t->shape[0] / 2) % t->shape[0];
}

static void forward(ak_op *op, ak_graph *g)
{
    const negative_cosine *c = op->self;
    const ak_tensor *p = op->in[0];
    int64_t d = p->shape[1];
    double rows = (double)(p->shape[0] * g->world.shards);

    for (int s = 0; s < g->world.local; s++) {
        double sum = 0;

        for (int64_t r = 0; r < p->shape[0]; r++)
            sum += ak_kernel_dot(ak_value(g, p, s) + r * d,
                                 ak_value(g, op->in[1], s) + other(p, r) * d, d);
        *ak_value(g, op->out, s) = (float)(c->offset / g->world.shards + c->scale * sum / rows);
    }
}

static void backward(ak_op *op, ak_graph *g)
{
    const negative_cosine *c = op->self;
    int64_t d = op->in[0]->shape[1];

    for (int k = 0; k < 2; k++) {
        ak_tensor *to = op->in[k], *from = op->in[1 - k];

        if (!to->needs_grad || op->kind->constant >> k & 1)
            continue;
        for (int s = 0; s < g->world.local; s++) {
            double rows = (double)(to->shape[0] * g->world.shards);
            float up = (float)((double)*ak_grad(g, op->out, s) * c->scale / rows);

            for (int64_t r = 0; r < to->shape[0]; r++) {
                const float *v = ak_value(g, from, s) + other(from, r) * d;
                float *dv = ak_grad(g, to, s) + r * d;

                for (int64_t i = 0; i < d; i++)
                    dv[i] = (to->grad_written ? dv[i] : 0) + up * v[i];
            }
        }
    }
}

static const ak_op_kind held = {
    .name = "negative_cosine",
    .self_size = sizeof(negative_cosine),
    .needs = AK_NEEDS_IN,
    .constant = 1 << 1, // z
    .forward = forward,
    .backward = backward,
};

static const ak_op_kind through = {
    .name = "negative_cosine",
    .self_size = sizeof(negative_cosine),
    .needs = AK_NEEDS_IN,
    .forward = forward,
    .backward = backward,
};

static ak_tensor *record(ak_graph *g, const ak_op_kind *kind, ak_tensor *p, ak_tensor *z,
                         negative_cosine how)
{
    static const int64_t one[1] = { 1 };
    ak_op *op = ak_op_record(g, kind, p, z, 1, one);

    if (op)
        *(negative_cosine *)op->self = how;
    return ak_op_result(g, op);
}

ak_tensor *ak_negative_cosine(ak_graph *g, ak_tensor *p, ak_tensor *z, bool stop_gradient)
{
    return record(g, stop_gradient ? &held : &through, p, z, (negative_cosine){ .scale = -1 });
}

ak_tensor *ak_byol(ak_graph *g, ak_tensor *p, ak_tensor *z)
{
    return record(g, &held, p, z, (negative_cosine){ .offset = 4, .scale = -4 });
}
