// worker/tensor/op/residual.c -- y = x + s branch, with drop path (Huang et al. 2016,
// arXiv:1603.09382).
//
// x, branch, y (n,...); s is 1, or in training of each sample 0 with probability drop and else
// 1 / (1 - drop); dx = dy, dbranch = s dy.  Drawn by (step, operation, row of the global batch), so
// that ranks and restarts draw the same.

#include <stdlib.h>

#include "proto/base/alloc.h"
#include "worker/rng/rng.h"
#include "worker/tensor/kernel_vit.h"
#include "worker/tensor/op.h"
#include "worker/tensor/ops.h"

typedef struct residual {
    double drop;
    uint32_t index; // of the operation in its graph
    float *scale;   // [local][n]; NULL: nothing is dropped
} residual;

static akssl_status plan(ak_op *op, ak_graph *g)
{
    residual *r = op->self;

    if (r->drop == 0 || !g->mode.training)
        return AKSSL_OK;
    r->scale = ak_try_alloc((size_t)(g->world.local * op->out->shape[0]), sizeof(float));
    return r->scale ? AKSSL_OK : AKSSL_ERR_NO_MEMORY;
}

static void draw(const residual *r, const ak_graph *g, int64_t rows)
{
    for (int64_t i = 0; i < g->world.local * rows; i++) {
        ak_rng rng = ak_rng_at(g->seed, AK_RNG_DROP, (uint32_t)g->step, r->index,
                               (uint32_t)(g->world.first * rows + i));

        r->scale[i] = ak_rng_uniform(&rng) < r->drop ? 0 : (float)(1 / (1 - r->drop));
    }
}

static void forward(ak_op *op, ak_graph *g)
{
    const residual *r = op->self;
    int64_t rows = op->out->shape[0], width = op->out->numel / rows;

    if (r->scale)
        draw(r, g, rows);
    for (int s = 0; s < g->world.local; s++)
        ak_kernel_residual(ak_value(g, op->out, s), ak_value(g, op->in[0], s),
                           ak_value(g, op->in[1], s), r->scale ? r->scale + s * rows : NULL, rows,
                           width, g->world.threads);
}

static void backward(ak_op *op, ak_graph *g)
{
    const residual *r = op->self;
    int64_t rows = op->out->shape[0], width = op->out->numel / rows;

    for (int s = 0; s < g->world.local; s++) {
        const float *dy = ak_grad(g, op->out, s);

        if (op->in[0]->needs_grad)
            ak_kernel_scale_rows(ak_grad(g, op->in[0], s), dy, NULL, rows, width,
                                 op->in[0]->grad_written, g->world.threads);
        if (op->in[1]->needs_grad)
            ak_kernel_scale_rows(ak_grad(g, op->in[1], s), dy,
                                 r->scale ? r->scale + s * rows : NULL, rows, width,
                                 op->in[1]->grad_written, g->world.threads);
    }
}

static void fini(ak_op *op)
{
    free(((residual *)op->self)->scale);
}

static const ak_op_kind kind = {
    .name = "residual",
    .self_size = sizeof(residual),
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .fini = fini,
};

ak_tensor *ak_residual(ak_graph *g, ak_tensor *x, ak_tensor *branch, double drop)
{
    ak_op *op = ak_op_record(g, &kind, x, branch, x->dims, x->shape);

    if (op)
        *(residual *)op->self = (residual){ .drop = drop, .index = (uint32_t)g->op_count };
    return ak_op_result(g, op);
}
