// worker/augment/none.c -- nothing left to chance: every view is the plain one.

#include "worker/augment/recipe_kind.h"

const ak_recipe_kind ak_recipe_none = {
    .name = "none",
    .title = "nothing random; every view is the plain one",
    .normalize = "imagenet",
    .filter = AK_BILINEAR,
    .scale = { 1, 1 },
    .local_scale = "1-1",
    .plain = true,
    .jitter = { { 0.8, 0.8, 0.8, 0.2 }, { 0.8, 0.8, 0.8, 0.2 } },
};
