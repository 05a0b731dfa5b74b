// worker/augment/cifar_asymmetric.c -- solo-learn's CIFAR views for Barlow Twins, BYOL, DINO and
// MoCo v3 (da Costa et al. 2022, arXiv:2108.01775).

#include "worker/augment/recipe_kind.h"

const ak_recipe_kind ak_recipe_cifar_asymmetric = {
    .name = "cifar_asymmetric",
    .title = "small images, BYOL's colours without blur; the second view at times solarised",
    .normalize = "cifar10",
    .filter = AK_BICUBIC,
    .scale = { 0.08, 1 },
    .local_scale = "0.05-0.4",
    .flip = 0.5,
    .flip_last = true,
    .jitter = { { 0.4, 0.4, 0.2, 0.1 }, { 0.4, 0.4, 0.2, 0.1 } },
    .jitter_prob = 0.8,
    .gray_prob = 0.2,
    .solarize_prob = { 0, 0.2, 0 },
};
