// worker/tensor/conv.c -- a convolution by the first algorithm that says it fits.

#include "worker/tensor/conv.h"

#include <stdlib.h>

#include "proto/base/alloc.h"
#include "worker/tensor/conv_kind.h"

static const ak_conv_kind *const kinds[] = { &ak_conv_pointwise, &ak_conv_winograd, &ak_conv_taps,
                                             &ak_conv_direct };

struct ak_conv {
    const ak_conv_kind *kind;
    void *self;
};

int64_t ak_conv_out(int64_t size, const ak_conv_shape *s)
{
    return (size + 2 * s->padding - s->kernel) / s->stride + 1;
}

akssl_status ak_conv_new(ak_conv **out, ak_conv_engine *engine, const ak_conv_shape *shape,
                         bool training, bool with_data)
{
    ak_conv *c = ak_alloc(1, sizeof *c);
    akssl_status rc;

    for (size_t i = 0; !c->kind; i++)
        if (kinds[i]->fits(shape))
            c->kind = kinds[i];
    rc = c->kind->make(&c->self, engine, shape, training, with_data);
    if (rc < 0) {
        free(c);
        return rc;
    }
    *out = c;
    return AKSSL_OK;
}

void ak_conv_free(ak_conv *c)
{
    if (!c)
        return;
    c->kind->release(c->self);
    free(c);
}

const char *ak_conv_algorithm(const ak_conv *c)
{
    return c->kind->name;
}

void ak_conv_load(ak_conv *c, const float *w, bool backward)
{
    c->kind->load(c->self, w, backward);
}

void ak_conv_forward(ak_conv *c, const void *x, void *y)
{
    c->kind->forward(c->self, x, y);
}

void ak_conv_backward_data(ak_conv *c, const void *dy, void *dx)
{
    c->kind->backward_data(c->self, dy, dx);
}

void ak_conv_backward_weights(ak_conv *c, const void *x, const void *dy, float *gradient)
{
    c->kind->backward_weights(c->self, x, dy, gradient);
}

int64_t ak_conv_gradient_size(const ak_conv *c)
{
    return c->kind->gradient_size(c->self);
}

void ak_conv_unpack(ak_conv *c, const float *gradient, float *dw)
{
    c->kind->unpack(c->self, gradient, dw);
}
