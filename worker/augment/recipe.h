// worker/augment/recipe.h -- from a decoded image to a normalised view, per image.
//
// A recipe is a row of recipes.def: its options (min_scale, jitter, ...) come from --augment
// key=value, `recipe=NAME` chooses the row (default: simclr).  Every random choice of a view is a
// function of (seed, epoch, sample, view).

#ifndef AK_AUGMENT_RECIPE_H
#define AK_AUGMENT_RECIPE_H

#include <stdint.h>

#include "akssl/status.h"
#include "proto/spec/spec.h"
#include "worker/image/image.h"

typedef struct ak_recipe ak_recipe;

// ak_recipe_new checks the pairs against the recipe's options: ERR_NOT_FOUND for an unknown name,
// ERR_INVALID for a value out of range or options that contradict one another.  image_size: side
// of the views, at least 8.
akssl_status ak_recipe_new(ak_recipe **out, const ak_spec_pairs *augment,
                           int64_t image_size) AKSSL_MUST_CHECK;
void ak_recipe_free(ak_recipe *recipe); // NULL-safe

int ak_recipe_views(const ak_recipe *recipe); // 2

// ak_recipe_view writes one augmented, normalised view (ImageNet mean and std), nhwc: size x size
// x 3 floats.  scratch is from ak_scratch_new, one per thread.
typedef struct ak_scratch ak_scratch;
ak_scratch *ak_scratch_new(void);
void ak_scratch_free(ak_scratch *scratch);
void ak_recipe_view(const ak_recipe *recipe, const ak_image *image, uint64_t seed, uint32_t epoch,
                    uint32_t sample, uint32_t view, ak_scratch *scratch, float *out);

// ak_recipe_plain writes the view for evaluation: resized (antialias) to size x size, normalised.
void ak_recipe_plain(const ak_image *image, int64_t image_size, ak_scratch *scratch, float *out);

// ak_recipes_json appends every recipe with its options as a JSON array (for the catalogue).
void ak_recipes_json(ak_str *text);

// ak_augments_json appends the operations that recipes are made of, in the same way.
void ak_augments_json(ak_str *text);

#endif
