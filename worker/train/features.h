// worker/train/features.h -- a backbone's features of a data set, in evaluation mode.

#ifndef AK_TRAIN_FEATURES_H
#define AK_TRAIN_FEATURES_H

#include "worker/augment/recipe.h"
#include "worker/data/dataset.h"
#include "worker/method/method.h"

// ak_features computes the features of images[0..count) of set (NULL: of all, count is ignored):
// each image in its plain view (as the recipe has it; NULL: ak_recipe_plain's defaults), batch norm
// by its running statistics.  *out: [count][width] floats,
// the caller's (free()): everywhere on every rank, else on rank 0, and NULL on the others.  The
// shards share the images, so that the numbers do not depend on the ranks. Collective.
akssl_status ak_features(const ak_world *world, ak_encoder *encoder, const ak_recipe *recipe,
                         int64_t image_size, const ak_dataset *set, const uint32_t *images,
                         int64_t count, bool everywhere, float **out) AKSSL_MUST_CHECK;

#endif
