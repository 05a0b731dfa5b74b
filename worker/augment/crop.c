// worker/augment/crop.c -- random resized crop (Szegedy et al. 2015, arXiv:1409.4842).

#include <math.h>

#include "worker/augment/augment.h"

enum { TRIES = 10 };

static const double min_aspect = 3.0 / 4, max_aspect = 4.0 / 3;

// The whole image, cut to an aspect that is allowed.
static ak_box middle(int64_t height, int64_t width)
{
    double aspect = (double)width / (double)height;
    int64_t h = height, w = width;

    if (aspect < min_aspect)
        h = (int64_t)rint((double)w / min_aspect);
    else if (aspect > max_aspect)
        w = (int64_t)rint((double)h * max_aspect);
    return (ak_box){ (height - h) / 2, (width - w) / 2, h, w };
}

ak_box ak_crop_box(ak_rng *rng, int64_t height, int64_t width, double min_scale, double max_scale)
{
    for (int i = 0; i < TRIES; i++) {
        double area = (double)(height * width) * ak_rng_between(rng, min_scale, max_scale);
        double aspect = exp(ak_rng_between(rng, log(min_aspect), log(max_aspect)));
        int64_t w = (int64_t)rint(sqrt(area * aspect)), h = (int64_t)rint(sqrt(area / aspect));

        if (w > 0 && w <= width && h > 0 && h <= height) {
            int64_t top = ak_rng_below(rng, (uint32_t)(height - h + 1));
            int64_t left = ak_rng_below(rng, (uint32_t)(width - w + 1));

            return (ak_box){ top, left, h, w };
        }
    }
    return middle(height, width);
}

void ak_resized_crop(ak_canvas *x, ak_box box, ak_filter filter, int64_t height, int64_t width)
{
    ak_canvas_resize(x, height, width);
    ak_resample(x->image, box, filter, &x->resample, x->plane, height, width);
}

static void apply(const void *self, ak_rng *rng, ak_canvas *x)
{
    const ak_crop *s = self;
    int64_t height = x->image->height, width = x->image->width;

    if (s->plain)
        ak_plain_crop(x, &s->as, s->filter, s->size);
    else
        ak_resized_crop(x, ak_crop_box(rng, height, width, s->min_scale, s->max_scale), s->filter,
                        s->size, s->size);
}

const ak_augment ak_augment_crop = {
    .name = "crop",
    .title = "a random box of the image, resized",
    .self_size = sizeof(ak_crop),
    .apply = apply,
};
