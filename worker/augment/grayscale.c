// worker/augment/grayscale.c -- three equal channels: 0.2989 R + 0.587 G + 0.114 B.

#include <string.h>

#include "worker/augment/augment.h"
#include "worker/image/hot.h"

AK_HOT static void luma(float *restrict r, const float *restrict g, const float *restrict b,
                        int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        r[i] = 0.2989f * r[i] + 0.587f * g[i] + 0.114f * b[i];
}

void ak_gray(ak_canvas *x)
{
    int64_t n = x->height * x->width;

    luma(x->plane[0], x->plane[1], x->plane[2], n);
    memcpy(x->plane[1], x->plane[0], (size_t)n * sizeof(float));
    memcpy(x->plane[2], x->plane[0], (size_t)n * sizeof(float));
}

static void apply(const void *self, ak_rng *rng, ak_canvas *x)
{
    (void)self, (void)rng;
    ak_gray(x);
}

const ak_augment ak_augment_grayscale = {
    .name = "grayscale",
    .title = "without colour",
    .self_size = sizeof(ak_grayscale),
    .apply = apply,
};
