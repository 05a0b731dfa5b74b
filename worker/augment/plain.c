// worker/augment/plain.c -- what an evaluation sees of an image, and a network that trains on it.
//
// The papers judge photographs by their middle, with torchvision's Resize(256) and CenterCrop(224):
// the shorter side s becomes r = floor(S / share) for a view of S x S, as timm's crop_pct has it,
//
//     h x w  ->  floor(r h / s) x floor(r w / s)  ->  S x S, from (h - S)/2 and (w - S)/2 on,
//
// halves to the even one.  Sets of small images, as CIFAR, they look at whole: a square image that
// is no larger than what the network takes is resized, and nothing else.  One that is not square is
// a photograph of any size, as ImageNet has some of less than 224.  Sizes alone decide, since the
// same images, as files, packed or in memory, have to give the same numbers.  A reduced image has r
// left or more; that is more than S where anything is cut off, so it is judged as the whole one is.

#include <math.h>

#include "worker/augment/augment.h"

int64_t ak_plain_side(const ak_plain *plain, int64_t size)
{
    return (int64_t)floor((double)size / plain->share);
}

static int64_t middle(int64_t all, int64_t part)
{
    int64_t half = (all - part) / 2;

    return half + ((all - part) % 2 && half % 2);
}

void ak_plain_crop(ak_canvas *x, const ak_plain *plain, ak_filter filter, int64_t size)
{
    const int64_t h = x->image->height, w = x->image->width, s = h < w ? h : w;
    const int64_t r = ak_plain_side(plain, size), height = r * h / s, width = r * w / s;
    const ak_box all = { 0, 0, h, w };

    if (h == w && h <= plain->image_size) {
        ak_resized_crop(x, all, filter, size, size);
        return;
    }
    ak_canvas_resize(x, size, size);
    ak_resample_part(x->image, all, filter, &x->resample, x->plane, height, width,
                     (ak_box){ middle(height, size), middle(width, size), size, size });
}
