// worker/tensor/conv_pointwise.c -- convolution of 1x1 and stride 1 over maps of bf16: a linear
// layer of the pixels (dense.h).
//
// Weights and their gradient stay as they come, [out][in].  Results do not depend on the threads.

#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "worker/tensor/conv_kind.h"
#include "worker/tensor/dense.h"

typedef struct pointwise {
    ak_dense layer;
    ak_conv_engine *engine;
} pointwise;

enum { LEAST_WEIGHTS = 65536 }; // with fewer, oneDNN's direct one is as fast or faster

static bool fits(const ak_conv_shape *s)
{
    return s->half && s->kernel == 1 && s->stride == 1 && s->padding == 0 &&
           s->in * s->out >= LEAST_WEIGHTS;
}

static void release(void *self)
{
    free(self);
}

static akssl_status make(void **out, ak_conv_engine *engine, const ak_conv_shape *s, bool training,
                         bool with_data)
{
    pointwise *p = ak_alloc(1, sizeof *p);
    ak_dense *d = &p->layer;
    int64_t forth, back;
    akssl_status rc;

    (void)training;
    (void)with_data;
    p->engine = engine;
    *d = (ak_dense){ .rows = s->n * s->h * s->w,
                     .in = s->in,
                     .out = s->out,
                     .kernels = ak_dense_kernels_of(ak_conv_isa(engine), true),
                     .x_half = true,
                     .y_half = true,
                     .threads = ak_conv_threads(engine) };
    forth = ak_dense_packed(d, false);
    back = ak_dense_packed(d, true);
    rc = ak_conv_reserve(engine, (size_t)ak_dense_room(d), (size_t)(forth > back ? forth : back));
    if (rc < 0) {
        release(p);
        return rc;
    }
    *out = p;
    return AKSSL_OK;
}

static void load(void *self, const float *w, bool backward)
{
    pointwise *p = self;

    p->layer.w = w;
    p->layer.packed = ak_conv_weights(p->engine);
    ak_dense_pack(&p->layer, backward, ak_conv_weights(p->engine));
}

static void forward(void *self, const void *x, void *y)
{
    pointwise *p = self;

    ak_dense_forward(&p->layer, y, NULL, x, NULL, ak_conv_room(p->engine));
}

static void backward_data(void *self, const void *dy, void *dx)
{
    pointwise *p = self;

    ak_dense_backward(&p->layer, dx, false, NULL, dy, NULL, NULL, ak_conv_room(p->engine));
}

static void backward_weights(void *self, const void *x, const void *dy, float *gradient)
{
    pointwise *p = self;

    ak_dense_weights(&p->layer, gradient, NULL, dy, x, NULL, ak_conv_room(p->engine));
}

static int64_t gradient_size(const void *self)
{
    const pointwise *p = self;

    return p->layer.in * p->layer.out;
}

static void unpack(void *self, const float *gradient, float *dw)
{
    memcpy(dw, gradient, (size_t)gradient_size(self) * sizeof *dw);
}

const ak_conv_kind ak_conv_pointwise = {
    .name = "pointwise",
    .fits = fits,
    .make = make,
    .release = release,
    .load = load,
    .forward = forward,
    .backward_data = backward_data,
    .backward_weights = backward_weights,
    .gradient_size = gradient_size,
    .unpack = unpack,
};
