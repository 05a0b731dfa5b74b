// worker/augment/simclr.c -- SimCLR's augmentation (Chen et al. 2020, arXiv:2002.05709, appendix
// A), in the order of the common PyTorch code: both views alike.

#include "proto/base/error.h"
#include "worker/augment/recipe_kind.h"

typedef struct simclr {
    double min_scale, max_scale, flip, jitter, jitter_prob, gray_prob;
    double blur_prob, blur_min, blur_max;
} simclr;

static const ak_option options[] = {
    AK_OPTION_FLOAT(simclr, min_scale, 0.08, 0.001, 1, "smallest share of the area to crop"),
    AK_OPTION_FLOAT(simclr, max_scale, 1, 0.001, 1, "largest share of the area to crop"),
    AK_OPTION_FLOAT(simclr, flip, 0.5, 0, 1, "probability of mirroring"),
    AK_OPTION_FLOAT(
        simclr, jitter, 1, 0, 2.5,
        "strength of the colour jitter: x brightness, contrast, saturation 0.8, hue 0.2"),
    AK_OPTION_FLOAT(simclr, jitter_prob, 0.8, 0, 1, "probability of the colour jitter"),
    AK_OPTION_FLOAT(simclr, gray_prob, 0.2, 0, 1, "probability of losing colour"),
    AK_OPTION_FLOAT(simclr, blur_prob, 0.5, 0, 1, "probability of blurring"),
    AK_OPTION_FLOAT(simclr, blur_min, 0.1, 0.01, 100, "smallest sigma of the blur, in pixels"),
    AK_OPTION_FLOAT(simclr, blur_max, 2, 0.01, 100, "largest sigma of the blur, in pixels"),
    AK_OPTION_END,
};

static akssl_status build(const void *self, ak_recipe *recipe, int64_t image_size)
{
    static const ak_normalize imagenet = AK_NORMALIZE_IMAGENET;
    const simclr *s = self;
    unsigned both = 3;

    if (s->min_scale > s->max_scale)
        return ak_fail(AKSSL_ERR_INVALID, "min_scale %g is over max_scale %g", s->min_scale,
                       s->max_scale);
    if (s->blur_min > s->blur_max)
        return ak_fail(AKSSL_ERR_INVALID, "blur_min %g is over blur_max %g", s->blur_min,
                       s->blur_max);
    ak_recipe_step(recipe, both, &ak_augment_crop, 1,
                   &(ak_crop){ image_size, s->min_scale, s->max_scale });
    ak_recipe_step(recipe, both, &ak_augment_flip, s->flip, &(ak_flip){ 0 });
    ak_recipe_step(recipe, both, &ak_augment_jitter, s->jitter_prob,
                   &(ak_jitter){ .brightness = 0.8 * s->jitter,
                                 .contrast = 0.8 * s->jitter,
                                 .saturation = 0.8 * s->jitter,
                                 .hue = 0.2 * s->jitter });
    ak_recipe_step(recipe, both, &ak_augment_grayscale, s->gray_prob, &(ak_grayscale){ 0 });
    ak_recipe_step(recipe, both, &ak_augment_blur, s->blur_prob,
                   &(ak_blur){ image_size / 20 * 2 + 1, s->blur_min, s->blur_max });
    ak_recipe_step(recipe, both, &ak_augment_normalize, 1, &imagenet);
    return AKSSL_OK;
}

const ak_recipe_kind ak_recipe_simclr = {
    .name = "simclr",
    .title = "crop, flip, colour jitter, grayscale, blur; two views alike",
    .views = 2,
    .options = options,
    .self_size = sizeof(simclr),
    .build = build,
};
