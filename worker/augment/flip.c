// worker/augment/flip.c -- left becomes right.

#include "worker/augment/augment.h"

void ak_mirror(ak_canvas *x)
{
    for (int c = 0; c < 3; c++) {
        for (int64_t y = 0; y < x->height; y++) {
            float *row = x->plane[c] + y * x->width;

            for (int64_t i = 0, j = x->width - 1; i < j; i++, j--) {
                float swap = row[i];

                row[i] = row[j];
                row[j] = swap;
            }
        }
    }
}

static void apply(const void *self, ak_rng *rng, ak_canvas *x)
{
    (void)self, (void)rng;
    ak_mirror(x);
}

const ak_augment ak_augment_flip = {
    .name = "flip",
    .title = "mirrored left to right",
    .self_size = sizeof(ak_flip),
    .apply = apply,
};
