// worker/augment/none.c -- the image resized, nothing left to chance: every view is the plain one.

#include "worker/augment/recipe_kind.h"

const ak_recipe_kind ak_recipe_none = {
    .name = "none",
    .title = "the image resized; every view alike",
    .normalize = "imagenet",
    .filter = AK_BILINEAR,
    .scale = { 1, 1 },
    .local_scale = "1-1",
    .whole = true,
    .jitter = { { 0.8, 0.8, 0.8, 0.2 }, { 0.8, 0.8, 0.8, 0.2 } },
};
