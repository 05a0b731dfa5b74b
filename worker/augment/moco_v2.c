// worker/augment/moco_v2.c -- MoCo v2 (Chen et al. 2020, arXiv:2003.04297): two views alike, also
// of SimSiam.

#include "worker/augment/recipe_kind.h"

const ak_recipe_kind ak_recipe_moco_v2 = {
    .name = "moco_v2",
    .title = "MoCo v2: larger crops and weaker colours than SimCLR's; two views alike",
    .normalize = "imagenet",
    .filter = AK_BILINEAR,
    .scale = { 0.2, 1 },
    .local_scale = "0.05-0.2",
    .flip = 0.5,
    .flip_last = true,
    .jitter = { { 0.4, 0.4, 0.4, 0.1 }, { 0.4, 0.4, 0.4, 0.1 } },
    .jitter_prob = 0.8,
    .gray_prob = 0.2,
    .blur_prob = { 0.5, 0.5, 0.5 },
};
