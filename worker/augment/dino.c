// worker/augment/dino.c -- DINO's multi-crop (Caron et al. 2021, arXiv:2104.14294), the numbers of
// vision transformers.  ResNet-50: min_scale=0.14, local_scale=0.05-0.14; without local crops:
// min_scale=0.14.

#include "worker/augment/recipe_kind.h"

const ak_recipe_kind ak_recipe_dino = {
    .name = "dino",
    .title = "DINO: large global views as BYOL's, and small local crops",
    .normalize = "imagenet",
    .filter = AK_BICUBIC,
    .scale = { 0.4, 1 },
    .local_scale = "0.05-0.4",
    .size_as = { 224, 96 },
    .locals = 8,
    .flip = 0.5,
    .jitter = { { 0.4, 0.4, 0.2, 0.1 }, { 0.4, 0.4, 0.2, 0.1 } },
    .jitter_prob = 0.8,
    .gray_prob = 0.2,
    .blur_prob = { 1, 0.1, 0.5 },
    .solarize_prob = { 0, 0.2, 0 },
};
