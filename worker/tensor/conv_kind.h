// worker/tensor/conv_kind.h -- what a convolution algorithm is to conv.c.

#ifndef AK_TENSOR_CONV_KIND_H
#define AK_TENSOR_CONV_KIND_H

#include <stddef.h>

#include "worker/tensor/conv.h"

// Functions as in conv.h; self is the algorithm's own, whole or NULL.
typedef struct ak_conv_kind {
    const char *name;

    // fits: whether this is the algorithm for a shape.  By the shape alone, since the choice is
    // part of the result.
    bool (*fits)(const ak_conv_shape *shape);
    akssl_status (*make)(void **self, ak_conv_engine *engine, const ak_conv_shape *shape,
                         bool training, bool with_data);
    void (*release)(void *self);
    void (*load)(void *self, const float *w, bool backward);
    void (*forward)(void *self, const void *x, void *y);
    void (*backward_data)(void *self, const void *dy, void *dx);
    void (*backward_weights)(void *self, const void *x, const void *dy, float *gradient);
    int64_t (*gradient_size)(const void *self);
    void (*unpack)(void *self, const float *gradient, float *dw);
} ak_conv_kind;

// What the algorithms of one engine share: threads, the instruction set, room that each uses only
// within one call, and the place of the weights that were loaded last.  ak_conv_reserve makes these
// at least so many floats, all zero at first; they may move until the last convolution is made.
int ak_conv_threads(const ak_conv_engine *engine);
ak_isa ak_conv_isa(const ak_conv_engine *engine);
akssl_status ak_conv_reserve(ak_conv_engine *engine, size_t room, size_t weights) AKSSL_MUST_CHECK;
float *ak_conv_room(const ak_conv_engine *engine);
float *ak_conv_weights(const ak_conv_engine *engine);

extern const ak_conv_kind ak_conv_pointwise;
extern const ak_conv_kind ak_conv_winograd;
extern const ak_conv_kind ak_conv_taps;
extern const ak_conv_kind ak_conv_direct; // any shape

#endif
