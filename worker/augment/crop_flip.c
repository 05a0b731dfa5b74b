// worker/augment/crop_flip.c -- what classifiers are trained on: a random resized crop (Szegedy et
// al. 2015, arXiv:1409.4842), mirrored half of the time.

#include "worker/augment/recipe_kind.h"

const ak_recipe_kind ak_recipe_crop_flip = {
    .name = "crop_flip",
    .title = "crop and flip alone, as classifiers are trained",
    .normalize = "imagenet",
    .filter = AK_BILINEAR,
    .scale = { 0.08, 1 },
    .local_scale = "0.05-0.4",
    .flip = 0.5,
    .jitter = { { 0.8, 0.8, 0.8, 0.2 }, { 0.8, 0.8, 0.8, 0.2 } },
};
