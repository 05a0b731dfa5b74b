// worker/tensor/graph.c -- recording, planning by lifetime, replay.
//
// Time runs over 2n ticks: operation i computes forward at tick i and backward at tick 2n-1-i.
// A value lives from its operation to its last reader, a gradient from its first writer to the
// backward of its tensor's operation.  Tensors get places in the arena greedily, largest first,
// each at the lowest offset that is free for all of its lifetime.  A map that its operation can
// make again (a batch norm with its ReLU) lives twice: up to its last reader of forward, and from
// the first of backward on.

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

enum { ALIGN = 16, IMAGE_AXES = 3 }; // floats; least axes of what is stored as bf16
enum { MOST_LINKS = 2 };             // values made again to make one

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
    t->value_last = t->grad_first = t->again_first = t->again_last = -1;
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

static bool differentiates(const ak_op *op, int k)
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
    op->out->half = g->world.bf16 && dims >= IMAGE_AXES && kind->half & AK_HALF_OUT;
    op->out->groups = in0->groups;
    op->out->needs_grad = differentiates(op, 0) || (in1 && differentiates(op, 1));
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

// ---- planning

static void lives(int *first, int *last, int tick)
{
    *first = *first < 0 || tick < *first ? tick : *first;
    *last = tick > *last ? tick : *last;
}

// Whether its backward pass reads the value of input k.
static bool reads_back(const ak_op *op, int k)
{
    return op->out->needs_grad && op->needs & (k == 0 ? AK_NEEDS_IN | AK_NEEDS_FIRST : AK_NEEDS_IN);
}

static void find_lifetimes(ak_graph *g)
{
    int ticks = 2 * g->op_count;

    for (int i = 0; i < g->op_count; i++) {
        ak_op *op = g->ops[i];
        int back = ticks - 1 - i;
        bool differentiated = op->out->needs_grad && g->loss;

        op->out->value_first = i;
        lives(&op->out->value_first, &op->out->value_last, i);
        for (int k = 0; k < AK_OP_INPUTS && op->in[k]; k++) {
            ak_tensor *in = op->in[k];

            if (in->producer)
                lives(&in->value_first, &in->value_last, i);
            if (differentiated && in->producer && reads_back(op, k))
                lives(&in->value_first, &in->value_last, back);
            if (differentiated && differentiates(op, k))
                lives(&in->grad_first, &in->grad_last, back);
        }
        if (differentiated && (op->needs & AK_NEEDS_OUT))
            lives(&op->out->value_first, &op->out->value_last, back);
        if (differentiated)
            lives(&op->out->grad_first, &op->out->grad_last, back);
    }
}

// How many values are made again, one from the other, to have this one in backward.
static int links(const ak_tensor *t)
{
    int count = 0;

    for (; t && t->again_first >= 0; t = t->producer->in[1])
        count++;
    return count;
}

// Whether its producer makes it from what is there: the first input is kept anyway, if nothing
// could make that again, and the second may be made again itself, of few.
static bool can_again(const ak_graph *g, const ak_tensor *t, const ak_tensor *keep)
{
    const ak_op *op = t->producer;
    const ak_tensor *other = op ? op->in[1] : NULL;

    if (!g->loss || !op || !op->kind->again || t->dims < IMAGE_AXES || t == keep || t == g->loss ||
        (op->in[0]->producer && op->in[0]->producer->kind->again))
        return false;
    if (!other || !other->producer)
        return true;
    return links(other) < MOST_LINKS &&
           (other->again_first < 0 ? other->value_last : other->again_last) >= t->value_last;
}

// Cuts the lifetime of what is made again in two: until forward's last reader, and from backward's
// first one on; what it is made from has to be there by then.
static void cut_life(ak_graph *g, ak_tensor *t)
{
    int forth = t->value_first, back = t->value_last;

    for (int k = 0; k < g->op_count; k++)
        for (int in = 0; in < AK_OP_INPUTS && g->ops[k]->in[in]; in++)
            if (g->ops[k]->in[in] == t) {
                int reader = 2 * g->op_count - 1 - k;

                forth = k;
                if (reads_back(g->ops[k], in))
                    back = reader < back ? reader : back;
            }
    t->again_first = back;
    t->again_last = t->value_last;
    t->value_last = forth;
    for (ak_tensor *from = t->producer->in[1]; from && from->again_first > back;
         from = from->producer->in[1])
        from->again_first = back;
}

// In the order of recording, so that it is known of what a value is made from.
static void find_second_lives(ak_graph *g, const ak_tensor *keep)
{
    for (int i = 0; i < g->tensor_count; i++)
        if (g->tensors[i]->value_last >= g->op_count && can_again(g, g->tensors[i], keep))
            cut_life(g, g->tensors[i]);
}

typedef struct span {
    int64_t *at; // where the place goes
    int64_t size;
    int first, last, order;
} span;

static int larger_first(const void *a, const void *b)
{
    const span *x = a, *y = b;

    if (x->size != y->size)
        return x->size > y->size ? -1 : 1;
    return x->order - y->order;
}

static int lower_first(const void *a, const void *b)
{
    const span *const *x = a, *const *y = b;

    return *(*x)->at < *(*y)->at ? -1 : *(*x)->at > *(*y)->at;
}

static int64_t place(span *spans, int count)
{
    const span **busy = ak_alloc((size_t)count, sizeof *busy);
    int64_t end = 0;

    qsort(spans, (size_t)count, sizeof *spans, larger_first);
    for (int i = 0; i < count; i++) {
        int64_t at = 0;
        int n = 0;

        for (int j = 0; j < i; j++)
            if (spans[j].first <= spans[i].last && spans[i].first <= spans[j].last)
                busy[n++] = &spans[j];
        qsort(busy, (size_t)n, sizeof *busy, lower_first);
        for (int j = 0; j < n; j++) {
            if (at + spans[i].size <= *busy[j]->at)
                break;
            if (*busy[j]->at + busy[j]->size > at)
                at = *busy[j]->at + busy[j]->size;
        }
        *spans[i].at = at;
        end = at + spans[i].size > end ? at + spans[i].size : end;
    }
    free(busy);
    return end;
}

static int64_t padded(int64_t n)
{
    return (n + ALIGN - 1) / ALIGN * ALIGN;
}

int64_t ak_op_floats(const ak_tensor *t)
{
    return t->half ? (t->numel + 1) / 2 : t->numel;
}

static void plan_arena(ak_graph *g)
{
    span *spans = ak_alloc((size_t)g->tensor_count * 3, sizeof *spans);
    int count = 0;

    for (int i = 0; i < g->tensor_count; i++) {
        ak_tensor *t = g->tensors[i];
        int64_t size = padded(ak_op_floats(t));

        if (t->producer)
            spans[count] = (span){ &t->value_at, size, t->value_first, t->value_last, count },
            count++;
        if (t->again_first >= 0)
            spans[count] = (span){ &t->again_at, size, t->again_first, t->again_last, count },
            count++;
        if (t->grad_first >= 0)
            spans[count] = (span){ &t->grad_at, size, t->grad_first, t->grad_last, count }, count++;
    }
    g->arena_size = place(spans, count);
    free(spans);
    for (int i = 0; i < g->tensor_count; i++)
        g->tensors[i]->first_at = g->tensors[i]->value_at;
}

static akssl_status allocate(ak_graph *g)
{
    size_t local = (size_t)g->world.local;

    g->input_size = padded(g->input_size);
    g->inputs = ak_try_alloc(local, (size_t)g->input_size * sizeof(float));
    g->arena = ak_try_alloc(local, (size_t)g->arena_size * sizeof(float));
    g->scratch = ak_try_alloc((size_t)g->scratch_size, sizeof(float));
    g->room = ak_try_alloc((size_t)g->room_size, sizeof(double));
    if (!g->inputs || !g->arena || !g->scratch || !g->room)
        return ak_wrap(AKSSL_ERR_NO_MEMORY, "activations of %d shards", g->world.local);
    return ak_tree_init(&g->tree, g->world.local, g->leaf_size);
}

akssl_status ak_graph_compile(ak_graph *g, ak_tensor *loss, ak_tensor *keep)
{
    akssl_status rc;

    release(g);
    if (g->status < 0)
        return ak_fail(g->status, "%s", g->sentence);
    g->loss = loss;
    find_lifetimes(g);
    if (keep)
        keep->value_last = 2 * g->op_count;
    if (loss)
        loss->value_last = 2 * g->op_count;
    find_second_lives(g, keep);
    plan_arena(g);
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

static bool due(const ak_tensor *t, int tick)
{
    return t && t->again_first >= 0 && tick >= t->again_first && tick <= t->again_last &&
           !t->made_again;
}

// Makes a value again at its second place, if it is due (whoever should have read it first may not
// have been asked for a gradient), behind those that it is made from.
static void revive(ak_graph *g, ak_tensor *t, int tick)
{
    ak_tensor *chain[MOST_LINKS];
    int count = 0;

    for (; due(t, tick); t = t->producer->in[1])
        chain[count++] = t;
    while (count-- > 0) {
        t = chain[count];
        t->made_again = true;
        t->value_at = t->again_at;
        t->producer->kind->again(t->producer, g);
    }
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
        if (differentiates(op, k))
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
