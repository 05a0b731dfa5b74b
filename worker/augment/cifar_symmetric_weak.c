// worker/augment/cifar_symmetric_weak.c -- solo-learn's CIFAR views for MoCo v2+ and SimSiam (da
// Costa et al. 2022, arXiv:2108.01775).

#include "worker/augment/recipe_kind.h"

const ak_recipe_kind ak_recipe_cifar_symmetric_weak = {
    .name = "cifar_symmetric_weak",
    .title = "small images, weak colours and blur; two views alike",
    .normalize = "cifar10",
    .filter = AK_BICUBIC,
    .scale = { 0.08, 1 },
    .local_scale = "0.05-0.4",
    .flip = 0.5,
    .flip_last = true,
    .jitter = { { 0.4, 0.4, 0.4, 0.1 }, { 0.4, 0.4, 0.4, 0.1 } },
    .jitter_prob = 0.8,
    .gray_prob = 0.2,
    .blur_prob = { 0.5, 0.5, 0.5 },
};
