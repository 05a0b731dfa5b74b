// worker/tensor/op/first_token.c -- the class token: (n,tokens,D) to (n,D).
//
// dx is dy in the first row and 0 in the others.

#include <string.h>

#include "worker/tensor/half.h"
#include "worker/tensor/kernel.h"
#include "worker/tensor/op.h"
#include "worker/tensor/ops.h"

static void take(float *y, const ak_tensor *x, const void *at, int64_t d)
{
    if (x->half)
        ak_half_widen(y, at, d);
    else
        memcpy(y, at, (size_t)d * sizeof *y);
}

// at, numbers of x's gradient, += dy
static void give(const ak_tensor *x, void *at, const float *dy, int64_t d)
{
    ak_half *half = at;

    if (!x->half)
        ak_kernel_add(at, at, dy, d, 1);
    for (int64_t k = 0; k < d && x->half; k++)
        half[k] = ak_half_of(ak_half_get(half[k]) + dy[k]);
}

static void forward(ak_op *op, ak_graph *g)
{
    int64_t n = op->out->shape[0], d = op->out->shape[1], row = op->in[0]->numel / n;

    for (int s = 0; s < g->world.local; s++)
        for (int64_t i = 0; i < n; i++)
            take(ak_value(g, op->out, s) + i * d, op->in[0], ak_value_at(g, op->in[0], s, i * row),
                 d);
}

static void backward(ak_op *op, ak_graph *g)
{
    int64_t n = op->out->shape[0], d = op->out->shape[1], row = op->in[0]->numel / n;

    for (int s = 0; s < g->world.local; s++) {
        ak_tensor *x = op->in[0];
        const float *dy = ak_grad(g, op->out, s);

        if (!x->grad_written)
            memset(ak_grad_at(g, x, s, 0), 0,
                   (size_t)x->numel * (x->half ? sizeof(ak_half) : sizeof(float)));
        for (int64_t i = 0; i < n; i++)
            give(x, ak_grad_at(g, x, s, i * row), dy + i * d, d);
    }
}

static const ak_op_kind kind = {
    .name = "first_token",
    .half = AK_HALF_IN,
    .forward = forward,
    .backward = backward,
};

ak_tensor *ak_first_token(ak_graph *g, ak_tensor *x)
{
    const int64_t y[2] = { x->shape[0], x->shape[2] };

    return ak_op_result(g, ak_op_record(g, &kind, x, NULL, 2, y));
}
