// worker/augment/recipe.h -- from a decoded image to a normalised view, per image.
//
// A recipe is a row of recipes.def: `recipe=NAME` among --augment's pairs chooses the row (default:
// simclr), the other pairs set its options, which all recipes have (min_scale, local_size, ...);
// what is not given stays as the recipe's paper has it, view by view.  Views 0 and 1 are the two
// global views, views 2, 3, ... are local crops, any number of them, alike in everything but
// chance.  Every random choice of a view is a function of (seed, epoch, sample, view).

#ifndef AK_AUGMENT_RECIPE_H
#define AK_AUGMENT_RECIPE_H

#include <stdint.h>

#include "akssl/status.h"
#include "proto/spec/spec.h"
#include "worker/image/image.h"

typedef struct ak_recipe ak_recipe;

// ak_recipe_new checks the pairs against the recipe's options: ERR_NOT_FOUND for an unknown name,
// ERR_INVALID for a value out of range or options that contradict one another.  image_size: side
// of the global views, at least 8.
akssl_status ak_recipe_new(ak_recipe **out, const ak_spec_pairs *augment,
                           int64_t image_size) AKSSL_MUST_CHECK;
void ak_recipe_free(ak_recipe *recipe); // NULL-safe

// ak_recipe_settle writes down, beside a recipe that pairs name, how it prepares pixels (normalize,
// interpolation): a job that starts from another one's weights takes that, not the recipe.
akssl_status ak_recipe_settle(ak_spec_pairs *augment) AKSSL_MUST_CHECK;

// ak_recipe_size gives the side of a view: image_size for views 0 and 1, then the local size.
int64_t ak_recipe_size(const ak_recipe *recipe, int view);

// ak_recipe_least gives the side that an image must keep so that no crop of any view has to be
// enlarged which would not have been before: what a decoder may reduce an image to.
int64_t ak_recipe_least(const ak_recipe *recipe);

int ak_recipe_locals(const ak_recipe *recipe); // how many local crops its paper takes

// ak_recipe_view writes one augmented, normalised view, nhwc: size x size x 3 floats, size as
// ak_recipe_size says.  scratch is from ak_scratch_new, one per thread.
typedef struct ak_scratch ak_scratch;
ak_scratch *ak_scratch_new(void);
void ak_scratch_free(ak_scratch *scratch);
void ak_recipe_view(const ak_recipe *recipe, const ak_image *image, uint64_t seed, uint32_t epoch,
                    uint32_t sample, uint32_t view, ak_scratch *scratch, float *out);

// ak_recipe_plain writes the view for evaluation, image_size x image_size: the middle of a
// photograph, or all of a small square image (plain.c), resized with antialias and normalised, all
// of it as the recipe has it; without a recipe (NULL), 7/8 of the shorter side, bilinear, and by
// ImageNet's mean and standard deviation.  ak_recipe_plain_least: as ak_recipe_least, for it.
void ak_recipe_plain(const ak_recipe *recipe, const ak_image *image, int64_t image_size,
                     ak_scratch *scratch, float *out);
int64_t ak_recipe_plain_least(const ak_recipe *recipe, int64_t image_size);

// ak_recipe_thumbnail writes the plain view of the recipe's image size in less pixels, side x side.
void ak_recipe_thumbnail(const ak_recipe *recipe, const ak_image *image, int64_t side,
                         ak_scratch *scratch, float *out);

// ak_recipe_prepares is how a recipe prepares pixels, by random choice or not: values of the
// options normalize and interpolation, which live as long as the program, and the numbers behind
// the first; and the option crop_pct.
typedef struct ak_recipe_pixels {
    const char *normalize, *interpolation;
    double crop_pct;
    double mean[3], std[3]; // of normalize "none": 0 and 1
} ak_recipe_pixels;
ak_recipe_pixels ak_recipe_prepares(const ak_recipe *recipe);

// ak_recipe_bytes turns a view, or a plain view, of this recipe back into size x size x 3 bytes, as
// images have them: its normalisation taken out, rounded.
void ak_recipe_bytes(const ak_recipe *recipe, const float *view, int64_t size, uint8_t *out);

// ak_recipes_json appends every recipe with its options as a JSON array (for the catalogue).
void ak_recipes_json(ak_str *text);

// ak_augments_json appends the operations that recipes are made of, in the same way.
void ak_augments_json(ak_str *text);

#endif
