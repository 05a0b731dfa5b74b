// worker/train/pixels.h -- how images are prepared for a backbone, as its exported file says.
//
// The keys of the file's metadata: image_size; normalize, interpolation and crop_pct, recipes'
// options by their values; normalize_mean and normalize_std, the numbers behind normalize for other
// programs.

#ifndef AK_TRAIN_PIXELS_H
#define AK_TRAIN_PIXELS_H

#include "proto/spec/spec.h"

// ak_pixels_tell adds to a file's metadata how the images of the spec's job are prepared.
akssl_status ak_pixels_tell(ak_spec_pairs *about, const ak_spec *spec) AKSSL_MUST_CHECK;

// ak_pixels_settle gives a spec of another kind than pretrain what it leaves open (image_size,
// normalize, interpolation, crop_pct) from the metadata of spec->weights.  ERR_INVALID where both
// are silent about image_size, or about normalize without a recipe that has its own.
akssl_status ak_pixels_settle(ak_spec *spec) AKSSL_MUST_CHECK;

#endif
