// worker/tensor/graph.c -- recording and replay; see plan.c for where tensors live, and when.

#include "worker/tensor/graph.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"
#include "worker/tensor/gemm.h"
#include "worker/tensor/half.h"
#include "worker/tensor/op.h"
#include "worker/tensor/ops.h"
#include "worker/tensor/plan.h"

// ---- recording

static ak_tensor *new_tensor(ak_graph *g, int dims, const int64_t *shape)
{
    ak_tensor *t = ak_alloc(1, sizeof *t);

    t->dims = dims;
    t->numel = 1;
    t->groups = 1;
    for (int i = 0; i < dims; i++) {
        t->shape[i] = shape[i];
        t->numel *= shape[i];
    }
    t->value_at = t->grad_at = t->input_at = -1;
    t->value_last = t->grad_first = t->back_first = t->back_last = -1;
    g->tensors = ak_realloc(g->tensors, (size_t)g->tensor_count + 1, sizeof *g->tensors);
    g->tensors[g->tensor_count++] = t;
    return t;
}

akssl_status ak_graph_new(ak_graph **out, const ak_world *world, ak_graph_mode mode)
{
    ak_graph *g = ak_alloc(1, sizeof *g);
    akssl_status rc = ak_conv_engine_new(&g->engine, world->threads, world->isa, world->bf16);

    if (rc < 0) {
        free(g);
        return rc;
    }
    ak_gemm_threads(world->threads);
    g->world = *world;
    g->mode = mode;
    g->lanes = 1;
    *out = g;
    return AKSSL_OK;
}

// The recording ends: another graph may read the parameters.
static void release(ak_graph *g)
{
    for (int i = 0; i < g->used_count; i++)
        g->used[i]->reads = 0;
    free(g->used);
    g->used = NULL;
    g->used_count = 0;
}

void ak_graph_free(ak_graph *g)
{
    if (!g)
        return;
    release(g);
    for (int i = 0; i < g->op_count; i++) {
        if (g->ops[i]->kind->fini)
            g->ops[i]->kind->fini(g->ops[i]);
        free(g->ops[i]->self);
        free(g->ops[i]);
    }
    for (int i = 0; i < g->tensor_count; i++)
        free(g->tensors[i]);
    free(g->ops);
    free(g->tensors);
    free(g->sentence);
    free(g->inputs);
    free(g->arena);
    free(g->scratch);
    free(g->room);
    ak_tree_fini(&g->tree);
    ak_conv_engine_free(g->engine);
    free(g);
}

ak_tensor *ak_graph_input(ak_graph *g, int dims, const int64_t *shape)
{
    ak_tensor *t = new_tensor(g, dims, shape);

    t->input_at = g->input_size;
    g->input_size += t->numel;
    return t;
}

ak_tensor *ak_op_fail(ak_graph *g, akssl_status code)
{
    static const int64_t one[1] = { 1 };

    if (g->status == AKSSL_OK) {
        g->status = code;
        g->sentence = ak_strdup(ak_error_text());
    }
    return new_tensor(g, 1, one);
}

ak_tensor *ak_join(ak_graph *g, ak_tensor *const *inputs, int count, int groups)
{
    int64_t shape[4], numel = 0;
    ak_tensor *t;

    memcpy(shape, inputs[0]->shape, sizeof shape);
    shape[0] = 0;
    for (int i = 0; i < count; i++) {
        if (inputs[i]->input_at != inputs[0]->input_at + numel)
            return ak_op_fail(g, ak_fail(AKSSL_ERR_INTERNAL, "joined inputs are not neighbours"));
        numel += inputs[i]->numel;
        shape[0] += inputs[i]->shape[0];
    }
    t = new_tensor(g, inputs[0]->dims, shape);
    t->input_at = inputs[0]->input_at;
    t->groups = groups;
    return t;
}

bool ak_op_differentiates(const ak_op *op, int k)
{
    return op->in[k]->needs_grad && !(op->kind->constant >> k & 1);
}

ak_op *ak_op_record(ak_graph *g, const ak_op_kind *kind, ak_tensor *in0, ak_tensor *in1, int dims,
                    const int64_t *shape)
{
    ak_op *op;

    if (g->status < 0)
        return NULL;
    if ((in0->half || (in1 && in1->half)) && !(kind->half & AK_HALF_IN)) {
        ak_op_fail(g, ak_fail(AKSSL_ERR_INTERNAL, "%s reads no bf16", kind->name));
        return NULL;
    }
    op = ak_alloc(1, sizeof *op);
    op->kind = kind;
    op->self = ak_alloc(1, kind->self_size);
    op->needs = kind->needs;
    op->in[0] = in0;
    op->in[1] = in1;
    op->out = new_tensor(g, dims, shape);
    op->out->producer = op;
    op->out->half = g->world.bf16 && dims >= AK_IMAGE_AXES && kind->half & AK_HALF_OUT;
    op->out->groups = in0->groups;
    op->out->needs_grad = ak_op_differentiates(op, 0) || (in1 && ak_op_differentiates(op, 1));
    g->ops = ak_realloc(g->ops, (size_t)g->op_count + 1, sizeof *g->ops);
    g->ops[g->op_count++] = op;
    return op;
}

ak_tensor *ak_op_result(ak_graph *g, ak_op *op)
{
    return op && g->status == AKSSL_OK ? op->out : ak_op_fail(g, g->status);
}

void ak_op_param(ak_graph *g, ak_op *op, ak_param *param)
{
    int k = 0;

    if (!op || !param || param->role != AK_ROLE_TRAINED || param->fixed || !g->mode.differentiate)
        return;
    if (op->trains && op->lane != param->reads)
        ak_op_fail(g, ak_fail(AKSSL_ERR_INTERNAL,
                              "'%s' is read more often than the parameter beside it", param->name));
    if (param->reads == 0) {
        g->used = ak_realloc(g->used, (size_t)g->used_count + 1, sizeof(ak_param *));
        g->used[g->used_count++] = param;
    }
    while (k < AK_GRAPH_PARAMS && op->trained[k])
        k++;
    if (k == AK_GRAPH_PARAMS) { // one that is left out would be summed before it is final
        ak_op_fail(g, ak_fail(AKSSL_ERR_INTERNAL,
                              "'%s' is one parameter too many for an operation: it has %d",
                              param->name, AK_GRAPH_PARAMS));
        return;
    }
    op->trained[k] = param;
    op->lane = param->reads++;
    g->lanes = param->reads > g->lanes ? param->reads : g->lanes;
    op->trains = true;
    op->out->needs_grad = true;
}

const ak_maps *ak_op_maps(const ak_tensor *t)
{
    return t->half ? &ak_maps_half : &ak_maps_single;
}

void ak_op_scratch(ak_graph *g, int64_t floats)
{
    g->scratch_size = floats > g->scratch_size ? floats : g->scratch_size;
}

void ak_op_room(ak_graph *g, int64_t doubles)
{
    g->room_size = doubles > g->room_size ? doubles : g->room_size;
}

void ak_op_leaf(ak_graph *g, int64_t floats)
{
    g->leaf_size = floats > g->leaf_size ? floats : g->leaf_size;
}

int64_t ak_op_layer_products(const ak_op *op, int64_t forward, bool backward)
{
    return backward ? forward * (op->in[0]->needs_grad + op->trains) : forward;
}

float *ak_op_gradient(ak_graph *g, const ak_op *op, const ak_param *param)
{
    return g->gradient + op->lane * g->lane_size + param->offset;
}

// ---- compiling

static akssl_status allocate(ak_graph *g)
{
    size_t local = (size_t)g->world.local;

    g->inputs = ak_try_alloc(local, (size_t)g->input_size * sizeof(float));
    g->arena = ak_try_alloc(local, (size_t)g->arena_size * sizeof(float));
    g->scratch = ak_try_alloc((size_t)g->scratch_size, sizeof(float));
    g->room = ak_try_alloc((size_t)g->room_size, sizeof(double));
    if (!g->inputs || !g->arena || !g->scratch || !g->room)
        return ak_wrap(AKSSL_ERR_NO_MEMORY,
                       "activations of %d shards, of which a smaller batch, more hosts or "
                       "--recompute yes need fewer",
                       g->world.local);
    return ak_tree_init(&g->tree, g->world.local, g->leaf_size);
}

akssl_status ak_graph_compile(ak_graph *g, ak_tensor *loss, ak_tensor *keep)
{
    akssl_status rc;

    release(g);
    if (g->status < 0)
        return ak_fail(g->status, "%s", g->sentence);
    g->loss = loss;
    ak_plan(g, keep);
    ak_op_room(g, 2 * (int64_t)(g->world.local + ak_comm_size(g->world.comm)));
    for (int i = 0; i < g->op_count; i++) {
        ak_op *op = g->ops[i];

        rc = op->kind->plan ? op->kind->plan(op, g) : AKSSL_OK;
        if (rc < 0)
            return ak_wrap(rc, "operation %s", op->kind->name);
    }
    return allocate(g);
}

int ak_graph_lanes(const ak_graph *g)
{
    return g->lanes;
}

void ak_graph_set_gradient(ak_graph *g, float *gradient, int64_t size)
{
    g->gradient = gradient;
    g->lane_size = size;
}

// ---- replay

void ak_graph_set_step(ak_graph *g, uint64_t seed, int64_t step)
{
    g->seed = seed;
    g->step = step;
}

static void *number_at(const ak_tensor *t, float *from, int64_t index)
{
    return t->half ? (void *)((ak_half *)(void *)from + index) : from + index;
}

void *ak_value_at(const ak_graph *g, const ak_tensor *t, int s, int64_t index)
{
    if (t->input_at >= 0)
        return number_at(t, g->inputs + s * g->input_size + t->input_at, index);
    return number_at(t, g->arena + s * g->arena_size + t->value_at, index);
}

void *ak_grad_at(const ak_graph *g, const ak_tensor *t, int s, int64_t index)
{
    return number_at(t, g->arena + s * g->arena_size + t->grad_at, index);
}

float *ak_value(const ak_graph *g, const ak_tensor *t, int s)
{
    assert(!t->half);
    return ak_value_at(g, t, s, 0);
}

float *ak_grad(const ak_graph *g, const ak_tensor *t, int s)
{
    assert(!t->half);
    return ak_grad_at(g, t, s, 0);
}

void ak_graph_watch(ak_graph *g, ak_graph_watcher *watch, void *ctx)
{
    g->watch = watch;
    g->watch_ctx = ctx;
}

void ak_graph_follow(ak_graph *g, ak_graph_follower *follow, void *ctx)
{
    g->follow = follow;
    g->follow_ctx = ctx;
}

const ak_param *ak_graph_trained(const ak_graph *g, int op, int k)
{
    return k < AK_GRAPH_PARAMS ? g->ops[op]->trained[k] : NULL;
}

int ak_graph_ops(const ak_graph *g)
{
    return g->op_count;
}

static void took(ak_graph *g, ak_op *op, bool back, int64_t start)
{
    int64_t end = ak_clock_ns();

    op->seconds += (double)(end - start) * 1e-9;
    if (op->kind->products)
        op->products += (double)op->kind->products(op, back) * g->world.local;
    if (g->watch)
        g->watch(g->watch_ctx, op->kind->name, op->out, back, start, end);
}

void ak_graph_forward(ak_graph *g)
{
    for (int i = 0; i < g->tensor_count; i++) {
        g->tensors[i]->value_at = g->tensors[i]->first_at;
        g->tensors[i]->made_again = false;
    }
    for (int i = 0; i < g->op_count; i++) {
        int64_t start = ak_clock_ns();

        g->ops[i]->kind->forward(g->ops[i], g);
        took(g, g->ops[i], false, start);
    }
}

double ak_graph_loss(ak_graph *g)
{
    return ak_graph_sum(g, g->loss);
}

double ak_graph_sum(ak_graph *g, const ak_tensor *scalar)
{
    double *parts = g->room, sum;

    for (int s = 0; s < g->world.local; s++)
        parts[s] = (double)*ak_value(g, scalar, s);
    ak_world_sum(&g->world, parts, 1, parts + g->world.local, &sum);
    return sum;
}

// Makes a value again at its second place, if it is due (whoever should have read it first may not
// have been asked for a gradient), behind those that it is made from.
static void revive(ak_graph *g, ak_tensor *t, int tick)
{
    ak_op *op = t->producer;

    if (!t->again || t->made_again || tick < t->back_first || tick > t->back_last)
        return;
    for (int k = 0; k < AK_OP_INPUTS && op->in[k]; k++)
        revive(g, op->in[k], tick);
    t->made_again = true;
    t->value_at = t->again_at;
    op->kind->again(op, g);
}

static void differentiate(ak_graph *g, int i)
{
    int64_t start = ak_clock_ns();
    ak_op *op = g->ops[i];

    for (int k = 0; k < AK_OP_INPUTS && op->in[k]; k++)
        revive(g, op->in[k], 2 * g->op_count - 1 - i);
    revive(g, op->out, 2 * g->op_count - 1 - i);
    op->kind->backward(op, g);
    for (int k = 0; k < AK_OP_INPUTS && op->in[k]; k++)
        if (ak_op_differentiates(op, k))
            op->in[k]->grad_written = true;
    took(g, op, true, start);
}

void ak_graph_backward(ak_graph *g)
{
    for (int i = 0; i < g->tensor_count; i++)
        g->tensors[i]->grad_written = false;
    if (!g->loss || !g->loss->needs_grad)
        return;
    for (int s = 0; s < g->world.local; s++)
        *ak_grad(g, g->loss, s) = 1;
    g->loss->grad_written = true;
    for (int i = g->op_count - 1; i >= 0; i--) {
        if (g->ops[i]->out->grad_written) // else the loss holds it constant, or has none of it
            differentiate(g, i);
        if (g->follow)
            g->follow(g->follow_ctx, i);
    }
}

bool ak_graph_node_at(const ak_graph *g, int index, ak_graph_node *node)
{
    const ak_op *op;

    if (index >= g->op_count)
        return false;
    op = g->ops[index];
    *node =
        (ak_graph_node){ .kind = op->kind->name, .in = { op->in[0], op->in[1] }, .out = op->out };
    if (op->kind->tell)
        op->kind->tell(op, node);
    return true;
}

const ak_world *ak_graph_world(const ak_graph *g)
{
    return &g->world;
}

int64_t ak_graph_bytes(const ak_graph *g)
{
    return (g->input_size + g->arena_size) * g->world.local * (int64_t)sizeof(float);
}

double ak_graph_seconds(const ak_graph *g, const char *kind)
{
    double sum = 0;

    for (int i = 0; i < g->op_count; i++)
        if (!kind || strcmp(g->ops[i]->kind->name, kind) == 0)
            sum += g->ops[i]->seconds;
    return sum;
}

double ak_graph_gflop(const ak_graph *g, const char *kind)
{
    double sum = 0;

    for (int i = 0; i < g->op_count; i++)
        if (!kind || strcmp(g->ops[i]->kind->name, kind) == 0)
            sum += g->ops[i]->products;
    return 2e-9 * sum;
}

const char *ak_graph_kind(const ak_graph *g, int index)
{
    for (int i = 0; i < g->op_count; i++) {
        bool seen = false;

        for (int j = 0; j < i && !seen; j++)
            seen = g->ops[j]->kind == g->ops[i]->kind;
        if (!seen && index-- == 0)
            return g->ops[i]->kind->name;
    }
    return NULL;
}

const float *ak_gathered(const ak_tensor *t)
{
    return t->producer->kind->gathered(t->producer);
}
