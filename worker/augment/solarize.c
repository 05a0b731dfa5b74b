// worker/augment/solarize.c -- values from a threshold on are inverted.

#include "worker/augment/augment.h"
#include "worker/image/hot.h"

AK_HOT static void invert(float *v, float threshold, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        v[i] = v[i] >= threshold ? 1 - v[i] : v[i];
}

void ak_invert_from(ak_canvas *x, float threshold)
{
    for (int c = 0; c < 3; c++)
        invert(x->plane[c], threshold, x->height * x->width);
}

static void apply(const void *self, ak_rng *rng, ak_canvas *x)
{
    const ak_solarize *s = self;

    (void)rng;
    ak_invert_from(x, (float)s->threshold);
}

const ak_augment ak_augment_solarize = {
    .name = "solarize",
    .title = "values from a threshold on inverted",
    .self_size = sizeof(ak_solarize),
    .apply = apply,
};
