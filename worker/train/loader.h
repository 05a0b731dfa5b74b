// worker/train/loader.h -- which images a step has, and their augmented views.
//
// The order of an epoch is a permutation keyed by (seed, epoch); step t of it has images
// order[t*batch ...); the last, incomplete batch is left out.

#ifndef AK_TRAIN_LOADER_H
#define AK_TRAIN_LOADER_H

#include "worker/augment/recipe.h"
#include "worker/data/dataset.h"
#include "worker/train/trainer.h"

// Decoded images are kept from one epoch to the next where that is worth their memory, of which all
// ranks together take AK_LOADER_KEPT bytes at most, and what one decodes all ranks of its node
// have; numbers do not depend on it.

typedef struct ak_loader ak_loader;

enum { AK_LOADER_KEPT = 1 << 29 };

// ak_loader_open opens the spec's data set and recipe; threads make views.
akssl_status ak_loader_open(ak_loader **out, const ak_spec *spec, int threads) AKSSL_MUST_CHECK;
void ak_loader_close(ak_loader *loader); // NULL-safe

const ak_dataset *ak_loader_set(const ak_loader *loader);
int64_t ak_loader_classes(const ak_loader *loader); // 0: no labels
int64_t ak_loader_images(const ak_loader *loader);  // of the data set
int64_t ak_loader_steps(const ak_loader *loader);   // in an epoch; at least 1

// ak_loader_choose leaves only these images of the data set, takes them (free()) and fails when
// they are fewer than a batch.  Before the first step.
akssl_status ak_loader_choose(ak_loader *loader, uint32_t *images, int64_t count) AKSSL_MUST_CHECK;

// ak_loader_turn gives the images of step `step`, [batch], the loader's until the next call, and
// puts their labels into trainer.  What ak_loader_fill does too, before it makes views.
const uint32_t *ak_loader_turn(ak_loader *loader, ak_trainer *trainer, int64_t step);

// ak_loader_fill makes the views of step `step` (from 0, over all epochs) in trainer's inputs,
// after ak_trainer_begin.  An image that cannot be read fails it, on the rank that needs it: in
// training, all ranks then agree (loop.h).
akssl_status ak_loader_fill(ak_loader *loader, ak_trainer *trainer, int64_t step) AKSSL_MUST_CHECK;

// Spent in fill; and of that, what a thread stood idle in the mean, since it had no image to work
// on while others had.
double ak_loader_seconds(const ak_loader *loader);
double ak_loader_idle(const ak_loader *loader);

#endif
