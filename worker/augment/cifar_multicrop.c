// worker/augment/cifar_multicrop.c -- solo-learn's CIFAR multi-crop for SwAV (da Costa et al. 2022,
// arXiv:2108.01775).

#include "worker/augment/recipe_kind.h"

const ak_recipe_kind ak_recipe_cifar_multicrop = {
    .name = "cifar_multicrop",
    .title = "small images, global views without blur and local crops of stronger colours",
    .normalize = "cifar10",
    .filter = AK_BICUBIC,
    .scale = { 0.2, 1 },
    .local_scale = "0.08-0.5",
    .size_as = { 32, 18 },
    .locals = 6,
    .flip = 0.5,
    .flip_last = true,
    .jitter = { { 0.6, 0.6, 0.6, 0.2 }, { 0.8, 0.8, 0.8, 0.2 } },
    .jitter_prob = 0.8,
    .gray_prob = 0.2,
    .blur_prob = { 0, 0, 0.1 },
    .solarize_prob = { 0, 0.2, 0.1 },
};
