// worker/augment/swav.c -- SwAV's multi-crop (Caron et al. 2020, arXiv:2006.09882).  Without local
// crops: min_scale=0.08.

#include "worker/augment/recipe_kind.h"

const ak_recipe_kind ak_recipe_swav = {
    .name = "swav",
    .title = "SwAV: global views and small local crops, all of SimCLR's colours",
    .normalize = "imagenet",
    .filter = AK_BILINEAR,
    .scale = { 0.14, 1 },
    .local_scale = "0.05-0.14",
    .size_as = { 224, 96 },
    .locals = 6,
    .flip = 0.5,
    .jitter = { { 0.8, 0.8, 0.8, 0.2 }, { 0.8, 0.8, 0.8, 0.2 } },
    .jitter_prob = 0.8,
    .gray_prob = 0.2,
    .blur_prob = { 0.5, 0.5, 0.5 },
};
