// worker/augment/simclr.c -- SimCLR (Chen et al. 2020, arXiv:2002.05709, appendix A), in the order
// of the common PyTorch code.

#include "worker/augment/recipe_kind.h"

const ak_recipe_kind ak_recipe_simclr = {
    .name = "simclr",
    .title = "crop, flip, colour jitter, grayscale, blur; two views alike",
    .normalize = "imagenet",
    .filter = AK_BILINEAR,
    .scale = { 0.08, 1 },
    .local_scale = "0.05-0.4",
    .flip = 0.5,
    .jitter = { { 0.8, 0.8, 0.8, 0.2 }, { 0.8, 0.8, 0.8, 0.2 } },
    .jitter_prob = 0.8,
    .gray_prob = 0.2,
    .blur_prob = { 0.5, 0.5, 0.5 },
    .narrow_blur = true,
};
