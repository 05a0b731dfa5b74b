// worker/augment/normalize.c -- (x - mean) / std, per channel: the last step of every recipe.

#include "worker/augment/augment.h"
#include "worker/image/hot.h"

AK_HOT static void standardize(float *v, float mean, float std, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        v[i] = (v[i] - mean) / std;
}

void ak_standardize(ak_canvas *x, const ak_normalize *by)
{
    for (int c = 0; c < 3; c++)
        standardize(x->plane[c], (float)by->mean[c], (float)by->std[c], x->height * x->width);
}

static void apply(const void *self, ak_rng *rng, ak_canvas *x)
{
    (void)rng;
    ak_standardize(x, self);
}

const ak_augment ak_augment_normalize = {
    .name = "normalize",
    .title = "mean and standard deviation taken out, per channel",
    .self_size = sizeof(ak_normalize),
    .apply = apply,
};
