// worker/tensor/op/batch_norm.c -- batch norm, with the addition and the ReLU that follow it.
//
//     xhat = (x - mean) / sqrt(var + 1e-5),  y = relu?(weight * xhat + bias + add)
//     g = dy where y > 0;  dbias = sum g, dweight = sum g xhat, dadd = g
//     dx = weight / sqrt(var + 1e-5) * (g - dbias/M - xhat dweight/M)
//
// x (groups x rows, C).  mean and the biased var are over the M samples of a group in the global
// batch, summed per shard and then in the fixed tree, or of one shard each (graph mode shard_norm).
// The running statistics move by 0.1 towards the batch's, with the unbiased variance, once a group;
// per shard, towards the mean of the shards' statistics.  ak_standard_columns keeps none, and is
// over the global batch in any mode.

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "worker/tensor/kernel.h"
#include "worker/tensor/op.h"
#include "worker/tensor/ops.h"

static const double epsilon = 1e-5, momentum = 0.1;

typedef struct batch_norm {
    ak_norm norm;
    bool relu;
    int64_t rows, channels; // rows of a group in a shard
    int groups;
    double *parts;        // [local][groups][2C]: sums of each shard
    double *sums;         // [groups][2C]
    float *mean, *invstd; // [local][groups][C]; over the global batch, all shards share the first
    float *a, *b, *k;     // [C]: coefficients of one group
} batch_norm;

static bool per_shard(const batch_norm *n, const ak_graph *g)
{
    return g->mode.shard_norm && g->world.shards > 1 && n->norm.mean;
}

static akssl_status plan(ak_op *op, ak_graph *g)
{
    batch_norm *n = op->self;
    int64_t room = ak_kernel_room(n->rows, n->channels), all = n->groups * n->channels;
    int64_t gathered = 2 * all * (ak_comm_size(g->world.comm) + g->world.local);
    size_t c = (size_t)n->channels, cells = (size_t)(g->world.local * all);

    n->parts = ak_try_alloc(cells * 2, sizeof(double));
    n->sums = ak_try_alloc((size_t)all * 2, sizeof(double));
    n->mean = ak_try_alloc(cells, sizeof(float));
    n->invstd = ak_try_alloc(cells, sizeof(float));
    n->a = ak_try_alloc(3 * c, sizeof(float));
    if (!n->parts || !n->sums || !n->mean || !n->invstd || !n->a)
        return AKSSL_ERR_NO_MEMORY;
    n->b = n->a + c;
    n->k = n->b + c;
    ak_op_room(g, room > gathered ? room : gathered);
    ak_op_leaf(g, 2 * n->channels);
    if (op->in[1])
        ak_op_scratch(g, ak_op_floats(op->out));
    return AKSSL_OK;
}

static double weight_of(const batch_norm *n, int64_t c)
{
    return n->norm.weight ? (double)n->norm.weight->value[c] : 1;
}

// Turns sums over m samples into mean and 1/std, and moves the running statistics by `share`.
static void settle(batch_norm *n, const double *sums, double m, float *mean, float *invstd)
{
    for (int64_t c = 0; c < n->channels; c++) {
        double mu = sums[c] / m;
        double var = sums[n->channels + c] / m - mu * mu;

        var = var < 0 ? 0 : var;
        mean[c] = (float)mu;
        invstd[c] = (float)(1 / sqrt(var + epsilon));
    }
}

// What the running statistics move towards, of one shard or of all: mean and unbiased variance.
static void moments_of(const double *sums, double m, int64_t channels, double *out)
{
    for (int64_t c = 0; c < channels; c++) {
        double mu = sums[c] / m, var = sums[channels + c] / m - mu * mu;

        out[c] = mu;
        out[channels + c] = (var < 0 ? 0 : var) * m / (m > 1 ? m - 1 : 1);
    }
}

static void move_running(batch_norm *n, const double *moments)
{
    float *mean = n->norm.mean->value, *var = n->norm.var->value;

    for (int64_t c = 0; c < n->channels; c++) {
        mean[c] = (float)((1 - momentum) * (double)mean[c] + momentum * moments[c]);
        var[c] = (float)((1 - momentum) * (double)var[c] + momentum * moments[n->channels + c]);
    }
    n->norm.count->count++;
}

static void measure(ak_op *op, ak_graph *g)
{
    batch_norm *n = op->self;
    int64_t c = n->channels, all = n->groups * c;
    double m = (double)n->rows * (per_shard(n, g) ? 1 : g->world.shards);
    int cells = n->groups * (per_shard(n, g) ? g->world.local : 1);

    for (int s = 0; s < g->world.local; s++)
        for (int k = 0; k < n->groups; k++)
            ak_op_maps(op->out)->moments(ak_value_at(g, op->in[0], s, k * n->rows * c), n->rows, c,
                                         n->parts + s * 2 * all + k * 2 * c, g->room,
                                         g->world.threads);
    if (!per_shard(n, g)) {
        ak_world_sum(&g->world, n->parts, 2 * all, g->room, n->sums);
        memcpy(n->parts, n->sums, (size_t)(2 * all) * sizeof(double));
    }
    for (int i = 0; i < cells; i++) {
        double *sums = n->parts + i * 2 * c;

        settle(n, sums, m, n->mean + i * c, n->invstd + i * c);
        moments_of(sums, m, c, sums);
    }
    if (per_shard(n, g)) {
        ak_world_sum(&g->world, n->parts, 2 * all, g->room, n->sums);
        for (int64_t i = 0; i < 2 * all; i++)
            n->parts[i] = n->sums[i] / g->world.shards;
    }
    for (int k = 0; k < n->groups && n->norm.mean; k++)
        move_running(n, n->parts + k * 2 * c);
}

static void take_running(batch_norm *n)
{
    for (int64_t i = 0; i < n->groups * n->channels; i++) {
        n->mean[i] = n->norm.mean->value[i % n->channels];
        n->invstd[i] = (float)(1 / sqrt((double)n->norm.var->value[i % n->channels] + epsilon));
    }
}

// Where the statistics of a shard's group stand.
static int64_t cell(const ak_graph *g, const batch_norm *n, int s, int group)
{
    bool apart = g->mode.training && per_shard(n, g);

    return ((apart ? s * n->groups : 0) + group) * n->channels;
}

static void normalize(ak_op *op, ak_graph *g, int s, int group)
{
    batch_norm *n = op->self;
    const float *mean = n->mean + cell(g, n, s, group), *invstd = n->invstd + cell(g, n, s, group);
    int64_t at = group * n->rows * n->channels;

    for (int64_t c = 0; c < n->channels; c++) {
        double scale = weight_of(n, c) * (double)invstd[c];
        double bias = n->norm.bias ? (double)n->norm.bias->value[c] : 0;

        n->a[c] = (float)scale;
        n->b[c] = (float)(bias - scale * (double)mean[c]);
    }
    ak_op_maps(op->out)->normalize(ak_value_at(g, op->out, s, at), ak_value_at(g, op->in[0], s, at),
                                   op->in[1] ? ak_value_at(g, op->in[1], s, at) : NULL, n->a, n->b,
                                   n->rows, n->channels, n->relu, g->world.threads);
}

static void again(ak_op *op, ak_graph *g)
{
    batch_norm *n = op->self;

    for (int s = 0; s < g->world.local; s++)
        for (int k = 0; k < n->groups; k++)
            normalize(op, g, s, k);
}

static void forward(ak_op *op, ak_graph *g)
{
    batch_norm *n = op->self;

    if (g->mode.training || !n->norm.mean)
        measure(op, g);
    else
        take_running(n);
    again(op, g);
}

// The sums of one shard's group; where an addition needs g, g goes to its gradient, or beside it
// when that one is to be added to.
static void sum_group(ak_op *op, ak_graph *g, int s, int group)
{
    batch_norm *n = op->self;
    ak_tensor *add = op->in[1] && op->in[1]->needs_grad ? op->in[1] : NULL;
    int64_t at = group * n->rows * n->channels, c = n->channels;
    const ak_maps *maps = ak_op_maps(op->out);
    void *masked = NULL, *to = add ? ak_grad_at(g, add, s, at) : NULL;

    if (add)
        masked = add->grad_written ? g->scratch : to;
    maps->norm_sums(ak_grad_at(g, op->out, s, at), n->relu ? ak_value_at(g, op->out, s, at) : NULL,
                    ak_value_at(g, op->in[0], s, at), n->mean + cell(g, n, s, group),
                    n->invstd + cell(g, n, s, group), n->rows, c, masked,
                    n->parts + (s * n->groups + group) * 2 * c, g->room, g->world.threads);
    if (add && add->grad_written)
        maps->add(to, to, g->scratch, n->rows * c, g->world.threads);
}

static void spread(ak_op *op, ak_graph *g, int s, int group, const double *sums, double m)
{
    batch_norm *n = op->self;
    const float *mean = n->mean + cell(g, n, s, group), *invstd = n->invstd + cell(g, n, s, group);
    int64_t at = group * n->rows * n->channels;
    ak_tensor *x = op->in[0], *add = op->in[1];
    bool has_g = add && add != x && add->needs_grad && !add->grad_written; // sum_group put it there

    for (int64_t c = 0; c < n->channels; c++) {
        double scale = weight_of(n, c) * (double)invstd[c];
        double slope = -scale * (double)invstd[c] * sums[n->channels + c] / m;

        n->a[c] = (float)scale;
        n->b[c] = (float)slope;
        n->k[c] = (float)(-scale * sums[c] / m - slope * (double)mean[c]);
    }
    ak_op_maps(op->out)->norm_backward(
        ak_grad_at(g, x, s, at), ak_grad_at(g, has_g ? add : op->out, s, at),
        n->relu && !has_g ? ak_value_at(g, op->out, s, at) : NULL, ak_value_at(g, x, s, at), n->a,
        n->b, n->k, n->rows, n->channels, x->grad_written || x == add, g->world.threads);
}

static void gradients(ak_op *op, ak_graph *g)
{
    batch_norm *n = op->self;
    int64_t c = n->channels;
    const float *total;

    if (!op->trains)
        return;
    for (int s = 0; s < g->world.local; s++) {
        const double *parts = n->parts + s * n->groups * 2 * c;
        float *leaf = ak_tree_leaf(&g->tree);

        for (int64_t i = 0; i < 2 * c; i++) {
            double sum = 0;

            for (int k = 0; k < n->groups; k++)
                sum += parts[k * 2 * c + i];
            leaf[i] = (float)sum;
        }
        ak_tree_push(&g->tree, 2 * c, g->world.threads);
    }
    total = ak_tree_total(&g->tree);
    if (n->norm.bias)
        memcpy(ak_op_gradient(g, op, n->norm.bias), total, (size_t)c * sizeof(float));
    if (n->norm.weight)
        memcpy(ak_op_gradient(g, op, n->norm.weight), total + c, (size_t)c * sizeof(float));
}

static void backward(ak_op *op, ak_graph *g)
{
    batch_norm *n = op->self;
    int64_t all = 2 * n->groups * n->channels;
    double m = (double)n->rows * (per_shard(n, g) ? 1 : g->world.shards);

    for (int s = 0; s < g->world.local; s++)
        for (int k = 0; k < n->groups; k++)
            sum_group(op, g, s, k);
    gradients(op, g);
    if (!op->in[0]->needs_grad)
        return;
    if (!per_shard(n, g))
        ak_world_sum(&g->world, n->parts, all, g->room, n->sums);
    for (int s = 0; s < g->world.local; s++)
        for (int k = 0; k < n->groups; k++)
            spread(op, g, s, k,
                   (per_shard(n, g) ? n->parts + s * all : n->sums) + k * 2 * n->channels, m);
}

static void fini(ak_op *op)
{
    batch_norm *n = op->self;

    free(n->parts);
    free(n->sums);
    free(n->mean);
    free(n->invstd);
    free(n->a);
}

// weight, bias, running mean and variance; whether a ReLU follows.
static void tell(const ak_op *op, ak_graph_node *node)
{
    const batch_norm *n = op->self;

    node->param[0] = n->norm.weight;
    node->param[1] = n->norm.bias;
    node->param[2] = n->norm.mean;
    node->param[3] = n->norm.var;
    node->number[0] = n->relu;
    node->epsilon = epsilon;
}

static const ak_op_kind kind = {
    .name = "batch_norm",
    .self_size = sizeof(batch_norm),
    .needs = AK_NEEDS_FIRST | AK_NEEDS_OUT,
    .half = AK_HALF,
    .plan = plan,
    .forward = forward,
    .again = again,
    .cheap = true,
    .backward = backward,
    .fini = fini,
    .tell = tell,
};

static ak_tensor *record(ak_graph *g, ak_tensor *x, const ak_norm *norm, ak_tensor *add, bool relu,
                         int groups)
{
    ak_op *op = ak_op_record(g, &kind, x, add, x->dims, x->shape);
    int64_t channels = x->shape[x->dims - 1];

    if (op) {
        *(batch_norm *)op->self = (batch_norm){ .norm = *norm,
                                                .relu = relu,
                                                .rows = x->numel / channels / groups,
                                                .channels = channels,
                                                .groups = groups };
        if (!relu)
            op->needs = AK_NEEDS_FIRST; // else the output tells backward where ReLU let through
        op->out->groups = groups;
        op->out->half = x->half;
    }
    ak_op_param(g, op, norm->weight);
    ak_op_param(g, op, norm->bias);
    return ak_op_result(g, op);
}

ak_tensor *ak_batch_norm(ak_graph *g, ak_tensor *x, const ak_norm *norm, ak_tensor *add, bool relu)
{
    return record(g, x, norm, add, relu, x->groups);
}

ak_tensor *ak_standard_columns(ak_graph *g, ak_tensor *x, int groups)
{
    return record(g, x, &(ak_norm){ 0 }, NULL, false, groups);
}
