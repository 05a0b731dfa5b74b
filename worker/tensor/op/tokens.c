// worker/tensor/op/tokens.c -- the class token before the patches, and everybody's position.
//
// x (n,m,D), cls [1,1,D], pos [1,1+q*q,D], y (n,1+m,D): y_0 = cls + pos_0, y_{1+i} = x_i + P_i.  P
// is the rest of pos when m = q*q, else its q x q grid resized to side = sqrt(m) as DINO does:
// bicubic (a = -0.75) without antialias, edges repeated, at a scale of (side + 0.1) / q, so that
// cell t of an axis is read at (t + 0.5) q / (side + 0.1) - 0.5.  P = R pos is linear, so
// dpos = R^T (sum of dy over n), shard by shard; dcls = sum of dy_0.

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "worker/tensor/half.h"
#include "worker/tensor/kernel.h"
#include "worker/tensor/op.h"
#include "worker/tensor/ops.h"

enum { TAPS = 4 };

typedef struct tap {
    int64_t at[TAPS];
    float weight[TAPS];
} tap;

typedef struct tokens {
    ak_param *cls, *pos;
    int64_t grid, side, width; // q, sqrt(m), D
    tap *taps;                 // [side], NULL: positions as they are
    float *places; // [1+m][D]: what is added to the tokens, or in backward the sum of dy
    void *stored;  // the same as y's kind of numbers: places, or bf16
} tokens;

static float cubic(double distance)
{
    const double a = -0.75;
    double t = fabs(distance);

    if (t <= 1)
        return (float)(((a + 2) * t - (a + 3)) * t * t + 1);
    return t < 2 ? (float)(((a * t - 5 * a) * t + 8 * a) * t - 4 * a) : 0;
}

static void find_taps(tokens *k)
{
    for (int64_t t = 0; t < k->side; t++) {
        double at = ((double)t + 0.5) * (double)k->grid / ((double)k->side + 0.1) - 0.5;
        double first = floor(at) - 1;

        for (int i = 0; i < TAPS; i++) {
            double cell = fmin(fmax(first + i, 0), (double)(k->grid - 1));

            k->taps[t].at[i] = (int64_t)cell;
            k->taps[t].weight[i] = cubic(at - (first + i));
        }
    }
}

static akssl_status plan(ak_op *op, ak_graph *g)
{
    tokens *k = op->self;
    int64_t rows = op->out->shape[1];

    k->places = ak_try_alloc((size_t)rows, (size_t)k->width * sizeof(float));
    if (k->side != k->grid)
        k->taps = ak_try_alloc((size_t)k->side, sizeof *k->taps);
    k->stored = k->places;
    if (op->out->half)
        k->stored = ak_try_alloc((size_t)rows, (size_t)k->width * sizeof(ak_half));
    if (!k->places || !k->stored || (k->side != k->grid && !k->taps))
        return AKSSL_ERR_NO_MEMORY;
    if (k->taps)
        find_taps(k);
    ak_op_leaf(g, k->pos->numel);
    return AKSSL_OK;
}

// For each cell (row t, column u) of the resized grid and each of its 16 taps: to += weight * from,
// from pos to places, or with back from places to pos.
static void resize(const tokens *k, float *pos, float *places, bool back)
{
    for (int64_t cell = 0; cell < k->side * k->side; cell++) {
        const tap *row = &k->taps[cell / k->side], *column = &k->taps[cell % k->side];
        float *place = places + cell * k->width;

        for (int i = 0; i < TAPS * TAPS; i++) {
            float weight = row->weight[i / TAPS] * column->weight[i % TAPS];
            float *at = pos + (row->at[i / TAPS] * k->grid + column->at[i % TAPS]) * k->width;
            float *to = back ? at : place;
            const float *from = back ? place : at;

            for (int64_t d = 0; d < k->width; d++)
                to[d] += weight * from[d];
        }
    }
}

static void find_places(const tokens *k, int64_t rows)
{
    size_t token = (size_t)k->width * sizeof(float);

    ak_kernel_add(k->places, k->cls->value, k->pos->value, k->width, 1);
    if (!k->taps) {
        memcpy(k->places + k->width, k->pos->value + k->width, (size_t)(rows - 1) * token);
        return;
    }
    memset(k->places + k->width, 0, (size_t)(rows - 1) * token);
    resize(k, k->pos->value + k->width, k->places + k->width, false);
}

static void forward(ak_op *op, ak_graph *g)
{
    const tokens *k = op->self;
    int64_t n = op->out->shape[0], rows = op->out->shape[1], m = (rows - 1) * k->width;
    const ak_maps *maps = ak_op_maps(op->out);
    size_t number = op->out->half ? sizeof(ak_half) : sizeof(float);

    find_places(k, rows);
    if (op->out->half)
        ak_half_narrow(k->stored, k->places, rows * k->width, 1);
    for (int s = 0; s < g->world.local; s++)
        for (int64_t i = 0; i < n; i++) {
            void *y = ak_value_at(g, op->out, s, i * rows * k->width);
            void *rest = ak_value_at(g, op->out, s, (i * rows + 1) * k->width);

            memcpy(y, k->stored, (size_t)k->width * number);
            maps->add(rest, ak_value_at(g, op->in[0], s, i * m),
                      (const char *)k->stored + (size_t)k->width * number, m, g->world.threads);
        }
}

// The shard's gradient of pos, whose first row is that of cls.
static void leaf(const tokens *k, float *to, const void *dy, bool half, int64_t n, int64_t numel)
{
    const ak_half *halves = dy;
    const float *floats = dy;

    if (half)
        ak_half_widen(k->places, halves, numel);
    else
        memcpy(k->places, floats, (size_t)numel * sizeof(float));
    for (int64_t i = 1; i < n; i++) {
        for (int64_t j = 0; j < numel && half; j++)
            k->places[j] += ak_half_get(halves[i * numel + j]);
        if (!half)
            ak_kernel_add(k->places, k->places, floats + i * numel, numel, 1);
    }
    if (!k->taps) {
        memcpy(to, k->places, (size_t)numel * sizeof(float));
        return;
    }
    memset(to, 0, (size_t)k->pos->numel * sizeof(float));
    memcpy(to, k->places, (size_t)k->width * sizeof(float));
    resize(k, to + k->width, k->places + k->width, true);
}

static void parameters(ak_op *op, ak_graph *g)
{
    const tokens *k = op->self;
    const float *sums;

    for (int s = 0; s < g->world.local; s++) {
        leaf(k, ak_tree_leaf(&g->tree), ak_grad_at(g, op->out, s, 0), op->out->half,
             op->out->shape[0], op->out->shape[1] * k->width);
        ak_tree_push(&g->tree, k->pos->numel, g->world.threads);
    }
    sums = ak_tree_total(&g->tree);
    memcpy(ak_op_gradient(g, op, k->cls), sums, (size_t)k->width * sizeof(float));
    if (!k->pos->fixed)
        memcpy(ak_op_gradient(g, op, k->pos), sums, (size_t)k->pos->numel * sizeof(float));
}

static void backward(ak_op *op, ak_graph *g)
{
    const tokens *k = op->self;
    ak_tensor *x = op->in[0];
    int64_t n = op->out->shape[0], row = op->out->shape[1] * k->width, m = row - k->width;

    if (op->trains)
        parameters(op, g);
    for (int s = 0; s < g->world.local && x->needs_grad; s++)
        for (int64_t i = 0; i < n; i++)
            ak_op_maps(x)->pass(ak_grad_at(g, x, s, i * m),
                                ak_grad_at(g, op->out, s, i * row + k->width), m, x->grad_written,
                                g->world.threads);
}

static void fini(ak_op *op)
{
    tokens *k = op->self;

    free(k->taps);
    if (k->stored != k->places)
        free(k->stored);
    free(k->places);
}

// cls, pos; whether positions are resized.
static void tell(const ak_op *op, ak_graph_node *node)
{
    const tokens *k = op->self;

    node->param[0] = k->cls;
    node->param[1] = k->pos;
    node->number[0] = k->side != k->grid;
}

static const ak_op_kind kind = {
    .name = "tokens",
    .self_size = sizeof(tokens),
    .half = AK_HALF,
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .fini = fini,
    .tell = tell,
};

static int64_t root(int64_t square)
{
    return llround(sqrt((double)square));
}

ak_tensor *ak_tokens(ak_graph *g, ak_tensor *x, ak_param *cls, ak_param *pos)
{
    const int64_t y[3] = { x->shape[0], 1 + x->shape[1], x->shape[2] };
    ak_op *op = ak_op_record(g, &kind, x, NULL, 3, y);

    if (op)
        op->out->half = x->half;
    if (op)
        *(tokens *)op->self = (tokens){ .cls = cls,
                                        .pos = pos,
                                        .grid = root(pos->shape[1] - 1),
                                        .side = root(x->shape[1]),
                                        .width = x->shape[2] };
    ak_op_param(g, op, cls);
    ak_op_param(g, op, pos);
    return ak_op_result(g, op);
}
