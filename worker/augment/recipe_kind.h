// worker/augment/recipe_kind.h -- a recipe is its paper's numbers; build.c makes the steps.

#ifndef AK_AUGMENT_RECIPE_KIND_H
#define AK_AUGMENT_RECIPE_KIND_H

#include <stdbool.h>

#include "proto/base/option.h"
#include "worker/augment/augment.h"
#include "worker/augment/recipe.h"

// One file, one row in recipes.def.  A number left out is 0.
typedef struct ak_recipe_kind {
    const char *name; // as users type it, but for '-' and '_'; equals the file name
    const char *title;
    const char *normalize; // mean and standard deviation, a name in build.c
    ak_filter filter;      // of resizing

    double scale[2];         // share of the area that a global view is cut from, least and most
    const char *local_scale; // of a local crop, "MIN-MAX"
    bool plain;              // instead: the plain view, unless a scale is asked for
    int64_t size_as[2]; // the paper's {image size, size of local crops}; elsewhere they are half
    int locals;         // how many of them the paper takes

    double flip;         // probability
    bool flip_last;      // after the colours, not before
    double jitter[2][4]; // brightness, contrast, saturation, hue: global views, local crops
    double jitter_prob, gray_prob;
    double blur_prob[3], solarize_prob[3]; // first view, second view, local crops
    bool narrow_blur; // the kernel is a tenth of the view's side; else as wide as sigma asks for
} ak_recipe_kind;

typedef union ak_settings {
    ak_crop crop;
    ak_flip flip;
    ak_jitter jitter;
    ak_grayscale grayscale;
    ak_blur blur;
    ak_solarize solarize;
    ak_normalize normalize;
} ak_settings;

typedef struct ak_step {
    const ak_augment *augment;
    double probability;
    ak_settings settings;
} ak_step;

enum { AK_LOOKS = 3, AK_STEPS = 8, AK_RECIPE_OPTIONS = 16 };

// One way to make a view.
typedef struct ak_look {
    int64_t size;
    ak_step steps[AK_STEPS];
    int count;
} ak_look;

struct ak_recipe {
    ak_look look[AK_LOOKS]; // first view, second view, local crops
    ak_filter filter;
    ak_plain plain;
    bool normalized;
    int locals; // that the paper takes
    ak_normalize normalize;
    const char *normalize_name; // if normalized
};

const char *ak_filter_name(ak_filter filter); // the option interpolation's value

// ak_recipe_options writes the options of every recipe with this one's defaults and ranges.
void ak_recipe_options(const ak_recipe_kind *kind, ak_option table[AK_RECIPE_OPTIONS]);

// ak_recipe_build fills recipe by the kind's numbers and the pairs, as ak_recipe_new says.
akssl_status ak_recipe_build(ak_recipe *recipe, const ak_recipe_kind *kind,
                             const ak_spec_pairs *pairs, int64_t image_size);

#endif
