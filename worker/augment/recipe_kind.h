// worker/augment/recipe_kind.h -- a recipe: which operations, in which order, how likely.

#ifndef AK_AUGMENT_RECIPE_KIND_H
#define AK_AUGMENT_RECIPE_KIND_H

#include <stddef.h>

#include "proto/base/option.h"
#include "worker/augment/augment.h"
#include "worker/augment/recipe.h"

// One file, one row in recipes.def.
typedef struct ak_recipe_kind {
    const char *name; // as users type it; equals the file name
    const char *title;
    int views;
    const ak_option *options;
    size_t self_size; // of what the options fill

    // build adds the steps of each view; it fails when options contradict one another.
    akssl_status (*build)(const void *self, ak_recipe *recipe, int64_t image_size);
} ak_recipe_kind;

// ak_recipe_step appends an operation, with a copy of its settings, to every view with this bit
// set (1 << view); it is applied with the given probability.
void ak_recipe_step(ak_recipe *recipe, unsigned views, const ak_augment *augment,
                    double probability, const void *settings);

#endif
