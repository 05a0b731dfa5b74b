// worker/tensor/op/observe.c -- gathers some rows of a tensor from all shards, to be looked at.
//
// x (n,d): the first `rows` of each shard; ak_gathered gives [shards][rows][d].  No gradient: the
// output, a 0, is no part of the loss.

#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "worker/tensor/op.h"
#include "worker/tensor/ops.h"

typedef struct observe {
    int64_t rows, d;
    float *local, *all; // [local][rows][d], [shards][rows][d]
} observe;

static akssl_status plan(ak_op *op, ak_graph *g)
{
    observe *o = op->self;
    size_t row = (size_t)(o->rows * o->d) * sizeof(float);

    o->local = ak_try_alloc((size_t)g->world.local, row);
    o->all = ak_try_alloc((size_t)g->world.shards, row);
    return o->local && o->all ? AKSSL_OK : AKSSL_ERR_NO_MEMORY;
}

static void forward(ak_op *op, ak_graph *g)
{
    observe *o = op->self;
    size_t row = (size_t)(o->rows * o->d) * sizeof(float);

    for (int s = 0; s < g->world.local; s++) {
        memcpy(o->local + s * o->rows * o->d, ak_value(g, op->in[0], s), row);
        *ak_value(g, op->out, s) = 0;
    }
    ak_comm_all_gather(g->world.comm, o->local, o->all, (size_t)g->world.local * row);
}

static void backward(ak_op *op, ak_graph *g)
{
    (void)op;
    (void)g;
}

static const float *gathered(const ak_op *op)
{
    return ((const observe *)op->self)->all;
}

static void fini(ak_op *op)
{
    free(((observe *)op->self)->local);
    free(((observe *)op->self)->all);
}

static const ak_op_kind kind = {
    .name = "observe",
    .self_size = sizeof(observe),
    .constant = 1,
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .gathered = gathered,
    .fini = fini,
};

ak_tensor *ak_observe(ak_graph *g, ak_tensor *x, int64_t rows)
{
    static const int64_t one[1] = { 1 };
    ak_op *op = ak_op_record(g, &kind, x, NULL, 1, one);

    if (op)
        *(observe *)op->self =
            (observe){ .rows = rows < x->shape[0] ? rows : x->shape[0], .d = x->shape[1] };
    return ak_op_result(g, op);
}

int64_t ak_observed_rows(const ak_graph *g, const ak_tensor *t)
{
    return t->producer ? ((const observe *)t->producer->self)->rows * g->world.shards : 0;
}
