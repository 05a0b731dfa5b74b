// tests/unit/worker/tensor/op/probe.h -- one operation against a naive reference in doubles.
//
// A probe holds the inputs of the global batch, the gradient that comes down to its output, and a
// reference.  ak_probe_check runs it on 1, 2 and 4 shards, with 1 and 2 threads, and with an input
// that has a second reader, so that gradients must be added up.

#ifndef AK_TESTS_WORKER_PROBE_H
#define AK_TESTS_WORKER_PROBE_H

#include "tests/unit/worker/rig.h"
#include "worker/nn/model.h"
#include "worker/tensor/gemm.h"
#include "worker/tensor/half.h"
#include "worker/tensor/op.h"
#include "worker/tensor/ops.h"

enum { AK_PROBE_INPUTS = 2, AK_PROBE_SHARDS = 4, AK_PROBE_END = 1000 }; // a time behind all others

// What is to come out, or has: arrays over the global batch.
typedef struct ak_probe_result {
    float *y, *dx[AK_PROBE_INPUTS], *gradient, *buffers;
    double loss;
} ak_probe_result;

typedef struct ak_probe_want {
    double *y, *dx[AK_PROBE_INPUTS], *gradient, *buffers; // zeroed for the reference
    double loss;                                          // of operations that are losses
} ak_probe_want;

typedef struct ak_probe {
    // record records the operation on x, with the model's parameters.
    ak_tensor *(*record)(const struct ak_probe *p, ak_graph *g, ak_tensor *const x[]);
    // naive fills want for a batch cut into so many shards.
    void (*naive)(const struct ak_probe *p, int shards, ak_probe_want *want);
    const void *ctx;
    int inputs, dims;
    int64_t shape[AK_PROBE_INPUTS][4]; // of the global batch, `dims` axes, the first is cut
    int64_t y_numel;                   // of the global batch; 0: a loss, one number a shard
    bool constant[AK_PROBE_INPUTS];    // no gradient to this input
    bool inexact;                      // threads may change bits (matrix products, convolutions)
    bool bf16, images;                 // images: inputs are floats in bf16 too
    ak_graph_mode mode;
    double tolerance, half_tolerance; // half: of a run in bf16 too, where this CPU has it; 0: none
    // Made by ak_probe_init.
    ak_model model;
    float *x[AK_PROBE_INPUTS], *upstream, *second; // second: down to input 0 by its other reader
    float *start;                                  // buffers at the start
} ak_probe;

static inline int64_t ak_probe_numel(const ak_probe *p, int input)
{
    int64_t n = 1;

    for (int i = 0; i < p->dims; i++)
        n *= p->shape[input][i];
    return n;
}

// ---- numbers of either kind

static inline float ak_probe_get(const ak_tensor *t, const void *numbers, int64_t i)
{
    return t->half ? ak_half_get(((const ak_half *)numbers)[i]) : ((const float *)numbers)[i];
}

static inline void ak_probe_put(const ak_tensor *t, void *numbers, int64_t i, float value)
{
    if (t->half)
        ((ak_half *)numbers)[i] = ak_half_of(value);
    else
        ((float *)numbers)[i] = value;
}

static inline void ak_probe_round(float *numbers, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        numbers[i] = ak_half_get(ak_half_of(numbers[i]));
}

// ---- y = x, in bf16

static inline void ak_stored_forward(ak_op *op, ak_graph *g)
{
    for (int s = 0; s < g->world.local; s++)
        for (int64_t i = 0; i < op->out->numel; i++)
            ak_probe_put(op->out, ak_value_at(g, op->out, s, 0), i, ak_value(g, op->in[0], s)[i]);
}

static inline void ak_stored_backward(ak_op *op, ak_graph *g)
{
    for (int s = 0; s < g->world.local; s++)
        for (int64_t i = 0; i < op->out->numel; i++)
            ak_grad(g, op->in[0], s)[i] = ak_probe_get(op->out, ak_grad_at(g, op->out, s, 0), i);
}

static inline ak_tensor *ak_stored(ak_graph *g, ak_tensor *x)
{
    static const ak_op_kind kind = { .name = "stored",
                                     .half = AK_HALF_OUT,
                                     .forward = ak_stored_forward,
                                     .backward = ak_stored_backward };

    return ak_op_result(g, ak_op_record(g, &kind, x, NULL, x->dims, x->shape));
}

// ---- loss = sum(y * upstream) + sum(x * second): hands given gradients down

typedef struct ak_weigh {
    const float *upstream, *second; // [shards][numel]
} ak_weigh;

static inline void ak_weigh_forward(ak_op *op, ak_graph *g)
{
    const ak_weigh *w = op->self;

    for (int s = 0; s < g->world.local; s++) {
        double sum = 0;

        for (int k = 0; k < 2 && op->in[k]; k++)
            for (int64_t i = 0; i < op->in[k]->numel; i++)
                sum += (double)ak_probe_get(op->in[k], ak_value_at(g, op->in[k], s, 0), i) *
                       (double)(k ? w->second : w->upstream)[s * op->in[k]->numel + i];
        *ak_value(g, op->out, s) = (float)sum;
    }
}

static inline void ak_weigh_backward(ak_op *op, ak_graph *g)
{
    const ak_weigh *w = op->self;

    for (int k = 0; k < 2 && op->in[k]; k++)
        for (int s = 0; s < g->world.local && op->in[k]->needs_grad; s++)
            for (int64_t i = 0; i < op->in[k]->numel; i++) {
                void *at = ak_grad_at(g, op->in[k], s, i);
                float v = (k ? w->second : w->upstream)[s * op->in[k]->numel + i];

                v += op->in[k]->grad_written ? ak_probe_get(op->in[k], at, 0) : 0;
                ak_probe_put(op->in[k], at, 0, v);
            }
}

static inline ak_tensor *ak_weighed(ak_graph *g, ak_tensor *y, const float *upstream, ak_tensor *x,
                                    const float *second)
{
    static const ak_op_kind kind = { .name = "weigh",
                                     .self_size = sizeof(ak_weigh),
                                     .needs = AK_NEEDS_IN,
                                     .half = AK_HALF_IN,
                                     .forward = ak_weigh_forward,
                                     .backward = ak_weigh_backward };
    static const int64_t one[1] = { 1 };
    ak_op *op = ak_op_record(g, &kind, y, x, 1, one);

    if (op)
        *(ak_weigh *)op->self = (ak_weigh){ upstream, second };
    return ak_op_result(g, op);
}

// ---- running

static inline void ak_probe_init(ak_probe *p)
{
    int64_t y = p->y_numel ? p->y_numel : AK_PROBE_SHARDS;

    for (int k = 0; k < p->inputs; k++)
        if (!p->x[k])
            p->x[k] = ak_rig_values(ak_probe_numel(p, k), 10 + (uint32_t)k, 2);
    p->upstream = ak_rig_values(y, 20, 1);
    for (int64_t s = 0; !p->y_numel && s < y; s++)
        p->upstream[s] = 1.75f; // of a loss: all shards' is one
    p->second = ak_rig_values(ak_probe_numel(p, 0), 21, 1);
    ak_gemm_threads(1);
}

// ak_probe_model is called after parameters have been registered, before ak_probe_init.
static inline void ak_probe_model(ak_probe *p)
{
    ak_rig_ok(ak_model_allocate(&p->model));
    ak_rig_fill(p->model.trained, p->model.trained_size, 30, 1);
    ak_rig_fill(p->model.buffers, p->model.buffer_size, 31, 1);
    for (int64_t i = 0; i < p->model.buffer_size; i++)
        p->model.buffers[i] = fabsf(p->model.buffers[i]) + 0.5f; // variances among them
    p->start = ak_alloc((size_t)p->model.buffer_size + 1, sizeof(float));
    memcpy(p->start, p->model.buffers, (size_t)p->model.buffer_size * sizeof(float));
}

static inline void ak_probe_fini(ak_probe *p)
{
    for (int k = 0; k < AK_PROBE_INPUTS; k++)
        free(p->x[k]);
    free(p->upstream);
    free(p->second);
    free(p->start);
    ak_model_fini(&p->model);
}

static inline void ak_probe_result_fini(ak_probe_result *r)
{
    free(r->y);
    free(r->gradient);
    free(r->buffers);
    for (int k = 0; k < AK_PROBE_INPUTS; k++)
        free(r->dx[k]);
}

static inline void ak_probe_collect(const ak_graph *g, const ak_tensor *t, bool grad, float **out)
{
    *out = ak_alloc((size_t)(t->numel * g->world.shards), sizeof(float));
    for (int s = 0; s < g->world.shards; s++)
        for (int64_t i = 0; i < t->numel; i++)
            (*out)[s * t->numel + i] =
                ak_probe_get(t, grad ? ak_grad_at(g, t, s, 0) : ak_value_at(g, t, s, 0), i);
}

static inline ak_probe_result ak_probe_run(ak_probe *p, int shards, int threads, bool twice)
{
    ak_probe_result r = { 0 };
    ak_world world = ak_rig_world(shards, threads);
    ak_graph *g = NULL;
    ak_tensor *x[AK_PROBE_INPUTS] = { NULL, NULL }, *in[AK_PROBE_INPUTS] = { NULL, NULL }, *y,
              *loss;

    world.bf16 = p->bf16;
    ak_gemm_threads(threads);
    r.gradient = ak_alloc((size_t)p->model.trained_size + 1, sizeof(float));
    r.buffers = ak_alloc((size_t)p->model.buffer_size + 1, sizeof(float));
    if (p->model.buffer_size)
        memcpy(p->model.buffers, p->start, (size_t)p->model.buffer_size * sizeof(float));
    p->mode.differentiate = true;
    ak_rig_ok(ak_graph_new(&g, &world, p->mode));
    ak_graph_set_gradient(g, r.gradient, p->model.trained_size);
    for (int k = 0; k < p->inputs; k++) {
        int64_t shape[4];

        memcpy(shape, p->shape[k], sizeof shape);
        shape[0] /= shards;
        x[k] = ak_graph_input(g, p->dims, shape);
        x[k]->needs_grad = !p->constant[k];
        x[k]->grad_last = AK_PROBE_END;
        in[k] = p->bf16 && !p->images ? ak_stored(g, x[k]) : x[k];
    }
    y = p->record(p, g, in);
    loss = ak_weighed(g, y, p->upstream, twice ? in[0] : NULL, p->second);
    ak_rig_ok(ak_graph_compile(g, loss, y));
    for (int k = 0; k < p->inputs; k++)
        for (int s = 0; s < shards; s++)
            memcpy(ak_value(g, x[k], s), p->x[k] + s * x[k]->numel,
                   (size_t)x[k]->numel * sizeof(float));
    for (int64_t i = 0; i < g->arena_size * shards; i++)
        g->arena[i] = NAN; // nothing may be read before it is written
    ak_graph_forward(g);
    ak_probe_collect(g, y, false, &r.y);
    for (int s = 0; s < shards; s++)
        r.loss += (double)*ak_value(g, y, s);
    if (p->model.buffer_size)
        memcpy(r.buffers, p->model.buffers, (size_t)p->model.buffer_size * sizeof(float));
    if (p->mode.training) {
        ak_graph_backward(g);
        for (int k = 0; k < p->inputs; k++)
            if (!p->constant[k])
                ak_probe_collect(g, x[k], true, &r.dx[k]);
    }
    ak_graph_free(g);
    ak_comm_close(world.comm);
    return r;
}

static inline double *ak_probe_zeros(int64_t n)
{
    return ak_alloc((size_t)n + 1, sizeof(double));
}

static inline void ak_probe_compare(const ak_probe *p, const ak_probe_result *r,
                                    const ak_probe_want *want, bool twice)
{
    if (p->y_numel)
        ak_rig_close("y", r->y, want->y, p->y_numel, p->tolerance);
    else
        ck_assert_double_le(fabs(r->loss - want->loss), p->tolerance * fabs(want->loss));
    ak_rig_close("buffer", r->buffers, want->buffers, p->model.buffer_size, p->tolerance);
    if (!p->mode.training)
        return;
    for (int k = 0; k < p->inputs; k++) {
        int64_t n = ak_probe_numel(p, k);
        double *dx = ak_probe_zeros(n);

        for (int64_t i = 0; i < n; i++)
            dx[i] = want->dx[k][i] + (twice && k == 0 ? (double)p->second[i] : 0);
        if (!p->constant[k])
            ak_rig_close(k ? "dx1" : "dx0", r->dx[k], dx, n, p->tolerance);
        free(dx);
    }
    ak_rig_close("gradient", r->gradient, want->gradient, p->model.trained_size, p->tolerance);
}

static inline void ak_probe_same(const ak_probe *p, const ak_probe_result *a,
                                 const ak_probe_result *b, int shards)
{
    ak_rig_same("y, by threads", a->y, b->y, p->y_numel ? p->y_numel : shards);
    ak_rig_same("buffer, by threads", a->buffers, b->buffers, p->model.buffer_size);
    ak_rig_same("gradient, by threads", a->gradient, b->gradient, p->model.trained_size);
    for (int k = 0; k < p->inputs; k++)
        if (a->dx[k])
            ak_rig_same("dx, by threads", a->dx[k], b->dx[k], ak_probe_numel(p, k));
}

static inline void ak_probe_check_on(ak_probe *p, int shards)
{
    ak_probe_want want = { .y = ak_probe_zeros(p->y_numel),
                           .gradient = ak_probe_zeros(p->model.trained_size),
                           .buffers = ak_probe_zeros(p->model.buffer_size) };

    for (int k = 0; k < p->inputs; k++)
        want.dx[k] = ak_probe_zeros(ak_probe_numel(p, k));
    for (int64_t i = 0; i < p->model.buffer_size; i++)
        want.buffers[i] = (double)p->start[i];
    p->naive(p, shards, &want);
    for (int twice = 0; twice < (p->mode.training && !p->constant[0] ? 2 : 1); twice++) {
        ak_probe_result one = ak_probe_run(p, shards, 1, twice);
        ak_probe_result two = ak_probe_run(p, shards, 2, twice);

        ak_probe_compare(p, &one, &want, twice);
        if (p->inexact)
            ak_probe_compare(p, &two, &want, twice);
        else
            ak_probe_same(p, &one, &two, shards);
        ak_probe_result_fini(&one);
        ak_probe_result_fini(&two);
    }
    for (int k = 0; k < p->inputs; k++)
        free(want.dx[k]);
    free(want.y);
    free(want.gradient);
    free(want.buffers);
}

// What bf16 holds of all that is given, so that only computing errs.
static inline void ak_probe_round_all(ak_probe *p)
{
    for (int k = 0; k < p->inputs; k++)
        ak_probe_round(p->x[k], ak_probe_numel(p, k));
    ak_probe_round(p->upstream, p->y_numel);
    ak_probe_round(p->second, ak_probe_numel(p, 0));
    ak_probe_round(p->model.trained, p->model.trained_size);
}

static inline void ak_probe_check(ak_probe *p)
{
    bool half = p->half_tolerance > 0 && ak_isa_has_bf16();

    if (half) { // oneDNN settles its instruction set once
        ak_conv_engine *engine = NULL;

        ak_rig_ok(ak_conv_engine_new(&engine, 1, AK_ISA_AVX512, true));
        ak_conv_engine_free(engine);
    }
    ak_probe_init(p);
    for (int shards = 1; shards <= AK_PROBE_SHARDS; shards *= 2)
        ak_probe_check_on(p, shards);
    if (half) {
        p->bf16 = true;
        p->tolerance = p->half_tolerance;
        ak_probe_round_all(p);
        ak_probe_check_on(p, 2);
    }
    ak_probe_fini(p);
}

#endif
