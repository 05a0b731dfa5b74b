// worker/augment/byol.c -- BYOL (Grill et al. 2020, arXiv:2006.07733, appendix B): two views unlike
// each other, also of Barlow Twins and MoCo v3.

#include "worker/augment/recipe_kind.h"

const ak_recipe_kind ak_recipe_byol = {
    .name = "byol",
    .title = "BYOL: the first view blurred, the second now and then, and at times solarised",
    .normalize = "imagenet",
    .filter = AK_BICUBIC,
    .scale = { 0.08, 1 },
    .local_scale = "0.05-0.4",
    .flip = 0.5,
    .jitter = { { 0.4, 0.4, 0.2, 0.1 }, { 0.4, 0.4, 0.2, 0.1 } },
    .jitter_prob = 0.8,
    .gray_prob = 0.2,
    .blur_prob = { 1, 0.1, 0.5 },
    .solarize_prob = { 0, 0.2, 0 },
    .narrow_blur = true,
};
