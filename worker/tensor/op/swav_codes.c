// worker/tensor/op/swav_codes.c -- SwAV's codes: soft assignments that use all prototypes alike, by
// Sinkhorn-Knopp (arXiv:2006.09882, eq. 3 to 5, Algorithm 1).
//
//     Q_ik = c_i M_ik r_k,  M_ik = exp((s_ik - max_k s_ik) / epsilon)
//     r_k = 1 / (K sum_i c_i M_ik),  c_i = 1 / (N sum_k M_ik r_k)     in turn, `iterations` times
//     q_i = N Q_i
//
// s (V b,K) per shard: the first b rows are view 0's, the next view 1's; each view is assigned by
// itself.  N: the images of the global batch and the rows of the queue, whose scores are made here
// with the prototypes of now.  q (2b,K), the batch's codes; no gradient.  The start is
// exp(s_ik / epsilon) as in the paper, so c_i = exp((max_k s_ik - max_ik s_ik) / epsilon); M has
// its rows' largest at 1, so that no epsilon overflows (rounded up at exp(-87): a difference of 2,
// the largest of unit vectors, keeps its size down to epsilon 0.023).
//
// Shard s of S takes its own images and rows [L s/S, L (s+1)/S) of the queue; sums over shards are
// in the fixed tree.

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "worker/tensor/assignment.h"
#include "worker/tensor/gemm.h"
#include "worker/tensor/kernel.h"
#include "worker/tensor/op.h"
#include "worker/tensor/ops.h"
#include "worker/tensor/pieces.h"

typedef struct swav_codes {
    ak_swav_queue *queue;
    int64_t images, k, most_rows; // of a shard; prototypes; most rows of a shard's M
    float *m;                     // [local][most_rows][k]
    double *top, *c;              // [local][most_rows]: a row's max / epsilon, its scale
    double *r, *log_r;            // [k]
    double *parts, *sums;         // [local][k], [k+1]
    double *usage;                // [local][k+1]: sums of the codes, and of their entropies
} swav_codes;

static akssl_status plan(ak_op *op, ak_graph *g)
{
    swav_codes *x = op->self;
    size_t local = (size_t)g->world.local, k = (size_t)x->k;
    int64_t slice = (x->queue->length + g->world.shards - 1) / g->world.shards;

    x->most_rows = x->images + slice;
    x->m = ak_try_alloc(local * (size_t)x->most_rows, k * sizeof(float));
    x->top = ak_try_alloc(local * (size_t)x->most_rows, sizeof(double));
    x->c = ak_try_alloc(local * (size_t)x->most_rows, sizeof(double));
    x->r = ak_try_alloc(k, sizeof(double));
    x->log_r = ak_try_alloc(k, sizeof(double));
    x->parts = ak_try_alloc(local, k * sizeof(double));
    x->sums = ak_try_alloc(k + 1, sizeof(double));
    x->usage = ak_try_alloc(local, (k + 1) * sizeof(double));
    if (!x->m || !x->top || !x->c || !x->r || !x->log_r || !x->parts || !x->sums || !x->usage)
        return AKSSL_ERR_NO_MEMORY;
    ak_op_scratch(g, slice * x->queue->prototypes->shape[1]);
    ak_op_room(g, (x->k + 1) * ak_comm_size(g->world.comm));
    return AKSSL_OK;
}

// The rows of the queue that local shard s takes.
static void slice_of(const swav_codes *x, const ak_graph *g, int s, int64_t *lo, int64_t *hi)
{
    int64_t length = x->queue->used ? x->queue->length : 0, at = g->world.first + s;

    *lo = length * at / g->world.shards;
    *hi = length * (at + 1) / g->world.shards;
}

static int64_t rows_of(const swav_codes *x, const ak_graph *g, int s)
{
    int64_t lo, hi;

    slice_of(x, g, s, &lo, &hi);
    return x->images + hi - lo;
}

static float *m_of(const swav_codes *x, int s)
{
    return x->m + s * x->most_rows * x->k;
}

static void take_scores(ak_op *op, ak_graph *g, int view, int s)
{
    swav_codes *x = op->self;
    const ak_param *w = x->queue->prototypes;
    int64_t lo, hi, d = w->shape[1], batch = x->images * x->k;

    slice_of(x, g, s, &lo, &hi);
    memcpy(m_of(x, s), ak_value(g, op->in[0], s) + view * batch, (size_t)batch * sizeof(float));
    for (int64_t i = lo; i < hi; i++)
        memcpy(g->scratch + (i - lo) * d, x->queue->rows + (2 * i + view) * d,
               (size_t)d * sizeof(float));
    if (hi > lo)
        ak_gemm_nt(m_of(x, s) + batch, g->scratch, w->value, hi - lo, x->k, d, 1);
}

CLONES static void scale(float *x, float by, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        x[i] *= by;
}

static void exponentiate(swav_codes *x, int s, int64_t lo, int64_t hi)
{
    for (int64_t i = lo; i < hi; i++) {
        float *row = m_of(x, s) + i * x->k, most;

        scale(row, (float)(1 / x->queue->epsilon), x->k);
        most = ak_kernel_max(row, x->k);
        (void)ak_kernel_exp(row, x->k, most);
        x->top[s * x->most_rows + i] = (double)most;
    }
}

// c at the start, from each row's largest score and the largest of all shards.
static void start(swav_codes *x, ak_graph *g)
{
    double largest = -INFINITY;

    for (int s = 0; s < g->world.local; s++)
        for (int64_t i = 0; i < rows_of(x, g, s); i++)
            largest = fmax(largest, x->top[s * x->most_rows + i]);
    ak_comm_all_gather(g->world.comm, &largest, g->room, sizeof largest);
    for (int i = 0; i < ak_comm_size(g->world.comm); i++)
        largest = fmax(largest, g->room[i]);
    for (int s = 0; s < g->world.local; s++)
        for (int64_t i = 0; i < rows_of(x, g, s); i++)
            x->c[s * x->most_rows + i] = exp(x->top[s * x->most_rows + i] - largest);
}

CLONES static void add_row(double *restrict sums, const float *restrict m, double c, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        sums[i] += c * (double)m[i];
}

enum { LANES = 8 };

CLONES static double dot(const float *m, const double *r, int64_t n)
{
    double sums[LANES] = { 0 }, sum = 0;
    int64_t i = 0;

    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++)
            sums[k] += (double)m[i + k] * r[i + k];
    for (int k = 0; i < n; i++, k++)
        sums[k] += (double)m[i] * r[i];
    for (int k = 0; k < LANES; k++)
        sum += sums[k];
    return sum;
}

static double total(const swav_codes *x, const ak_graph *g)
{
    return (double)(x->images * g->world.shards + (x->queue->used ? x->queue->length : 0));
}

// One pass over M: with r (not at the start) c is made anew; then the columns are summed.
static void pass(swav_codes *x, ak_graph *g, bool first)
{
    for (int s = 0; s < g->world.local; s++) {
        double *parts = x->parts + s * x->k, *c = x->c + s * x->most_rows;
        int64_t rows = rows_of(x, g, s);

        memset(parts, 0, (size_t)x->k * sizeof *parts);
        for (int64_t i = 0; i < rows; i++) {
            const float *row = m_of(x, s) + i * x->k;

            if (!first)
                c[i] = 1 / (total(x, g) * dot(row, x->r, x->k));
            add_row(parts, row, c[i], x->k);
        }
    }
    ak_world_sum(&g->world, x->parts, x->k, g->room, x->sums);
    for (int64_t k = 0; k < x->k; k++)
        x->r[k] = 1 / ((double)x->k * x->sums[k]);
}

// A row's codes from the last r; adds them to usage[k], and their entropy to the last place.
static void write_row(swav_codes *x, const float *m, const float *s, double top, float *q,
                      double *usage)
{
    double scale = 1 / dot(m, x->r, x->k), inverse = 1 / x->queue->epsilon; // N c
    double log_scale = log(scale) - top, entropy = 0;

    for (int64_t k = 0; k < x->k; k++) {
        double p = scale * (double)m[k] * x->r[k];

        q[k] = (float)p;
        usage[k] += p;
        entropy -= p * (log_scale + x->log_r[k] + (double)s[k] * inverse);
    }
    usage[x->k] += entropy;
}

static void write_view(ak_op *op, ak_graph *g, int view, int s)
{
    swav_codes *x = op->self;
    int64_t at = view * x->images * x->k;

    for (int64_t i = 0; i < x->images; i++, at += x->k)
        write_row(x, m_of(x, s) + i * x->k, ak_value(g, op->in[0], s) + at,
                  x->top[s * x->most_rows + i], ak_value(g, op->out, s) + at,
                  x->usage + s * (x->k + 1));
}

static void assign(ak_op *op, ak_graph *g, int view)
{
    swav_codes *x = op->self;

    for (int s = 0; s < g->world.local; s++) {
        take_scores(op, g, view, s);
        PIECES(rows_of(x, g, s), 16, g->world.threads, exponentiate(x, s, lo, hi));
    }
    start(x, g);
    for (int64_t i = 0; i < x->queue->iterations; i++)
        pass(x, g, i == 0);
    for (int64_t k = 0; k < x->k; k++)
        x->log_r[k] = log(x->r[k]);
    for (int s = 0; s < g->world.local; s++)
        write_view(op, g, view, s);
}

static void forward(ak_op *op, ak_graph *g)
{
    swav_codes *x = op->self;
    double count = 2 * (double)(x->images * g->world.shards);

    memset(x->usage, 0, (size_t)(g->world.local * (x->k + 1)) * sizeof(double));
    for (int view = 0; view < 2; view++)
        assign(op, g, view);
    ak_world_sum(&g->world, x->usage, x->k + 1, g->room, x->sums);
    x->queue->entropy = x->sums[x->k] / count;
    x->queue->usage = ak_assignment_usage(x->sums, x->k, count);
}

static void backward(ak_op *op, ak_graph *g)
{
    (void)op;
    (void)g;
}

static void fini(ak_op *op)
{
    swav_codes *x = op->self;

    free(x->m);
    free(x->top);
    free(x->c);
    free(x->r);
    free(x->log_r);
    free(x->parts);
    free(x->sums);
    free(x->usage);
}

static const ak_op_kind kind = {
    .name = "swav_codes",
    .self_size = sizeof(swav_codes),
    .constant = 1,
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .fini = fini,
};

ak_tensor *ak_swav_codes(ak_graph *g, ak_tensor *s, int64_t images, ak_swav_queue *queue)
{
    const int64_t q[2] = { 2 * images, s->shape[1] };
    ak_op *op;

    if (g->status == AKSSL_OK && s->shape[0] < 2 * images)
        return ak_op_fail(g, ak_fail(AKSSL_ERR_INTERNAL, "codes are of two views"));
    op = ak_op_record(g, &kind, s, NULL, 2, q);
    if (op)
        *(swav_codes *)op->self =
            (swav_codes){ .queue = queue, .images = images, .k = s->shape[1] };
    return ak_op_result(g, op);
}
