// worker/tensor/op/residual.c -- y = x + s branch, with drop path (Huang et al. 2016,
// arXiv:1603.09382).
//
// x, branch, y (n,...); s is 1, or in training of each sample 0 with probability drop and else
// 1 / (1 - drop); dx = dy, dbranch = s dy.  Drawn by (step, operation, row of the global batch), so
// that ranks and restarts draw the same.

#include <stdlib.h>

#include "proto/base/alloc.h"
#include "worker/rng/rng.h"
#include "worker/tensor/half.h"
#include "worker/tensor/kernel_vit.h"
#include "worker/tensor/op.h"
#include "worker/tensor/ops.h"
#include "worker/tensor/pieces.h"

typedef struct residual {
    double drop;
    uint32_t index; // of the operation in its graph
    float *scale;   // [local][n]; NULL: nothing is dropped
} residual;

static akssl_status plan(ak_op *op, ak_graph *g)
{
    residual *r = op->self;

    if (op->out->half)
        ak_op_scratch(g, g->world.threads * 3 * op->out->numel / op->out->shape[0]);
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

// Rows of bf16 are computed as floats, three at a time in each thread's part of the scratch.
static void forward_row(const ak_op *op, const ak_graph *g, int s, int64_t row, float *room)
{
    const residual *r = op->self;
    int64_t rows = op->out->shape[0], width = op->out->numel / rows;
    const float *scale = r->scale ? r->scale + s * rows + row : NULL;

    ak_half_widen(room, ak_value_at(g, op->in[0], s, row * width), width);
    ak_half_widen(room + width, ak_value_at(g, op->in[1], s, row * width), width);
    ak_kernel_residual(room + 2 * width, room, room + width, scale, 1, width, 1);
    ak_half_narrow(ak_value_at(g, op->out, s, row * width), room + 2 * width, width, 1);
}

static void backward_row(const ak_op *op, const ak_graph *g, int s, int64_t row, float *room)
{
    const residual *r = op->self;
    int64_t rows = op->out->shape[0], width = op->out->numel / rows;
    const float *scale = r->scale ? r->scale + s * rows + row : NULL;
    ak_tensor *branch = op->in[1];
    ak_half *to = ak_grad_at(g, branch, s, row * width);

    ak_half_widen(room, ak_grad_at(g, op->out, s, row * width), width);
    if (branch->grad_written)
        ak_half_widen(room + width, to, width);
    ak_kernel_scale_rows(room + width, room, scale, 1, width, branch->grad_written, 1);
    ak_half_narrow(to, room + width, width, 1);
}

typedef void row_function(const ak_op *op, const ak_graph *g, int s, int64_t row, float *room);

static void share_of_rows(const ak_op *op, const ak_graph *g, int s, row_function *one, int64_t t)
{
    int64_t rows = op->out->shape[0], room = 3 * op->out->numel / rows;

    for (int64_t row = t; row < rows; row += g->world.threads)
        one(op, g, s, row, g->scratch + t * room);
}

static void each_row(const ak_op *op, const ak_graph *g, int s, row_function *one)
{
    PIECES(g->world.threads, 1, g->world.threads, share_of_rows(op, g, s, one, lo));
}

static void forward(ak_op *op, ak_graph *g)
{
    const residual *r = op->self;
    int64_t rows = op->out->shape[0], width = op->out->numel / rows;

    if (r->scale)
        draw(r, g, rows);
    for (int s = 0; s < g->world.local; s++)
        if (op->out->half)
            each_row(op, g, s, forward_row);
        else
            ak_kernel_residual(ak_value(g, op->out, s), ak_value(g, op->in[0], s),
                               ak_value(g, op->in[1], s), r->scale ? r->scale + s * rows : NULL,
                               rows, width, g->world.threads);
}

static void backward(ak_op *op, ak_graph *g)
{
    const residual *r = op->self;
    int64_t rows = op->out->shape[0], width = op->out->numel / rows;
    ak_tensor *x = op->in[0], *branch = op->in[1];

    for (int s = 0; s < g->world.local; s++) {
        if (x->needs_grad)
            ak_op_maps(x)->pass(ak_grad_at(g, x, s, 0), ak_grad_at(g, op->out, s, 0), x->numel,
                                x->grad_written, g->world.threads);
        if (branch->needs_grad && branch->half)
            each_row(op, g, s, backward_row);
        else if (branch->needs_grad)
            ak_kernel_scale_rows(ak_grad(g, branch, s), ak_grad(g, op->out, s),
                                 r->scale ? r->scale + s * rows : NULL, rows, width,
                                 branch->grad_written, g->world.threads);
    }
}

static void fini(ak_op *op)
{
    free(((residual *)op->self)->scale);
}

static const ak_op_kind kind = {
    .name = "residual",
    .self_size = sizeof(residual),
    .half = AK_HALF,
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
