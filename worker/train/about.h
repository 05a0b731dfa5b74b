// worker/train/about.h -- what a file of weights says of itself, as metadata: pairs of text.
//
//     backbone, and each of its options by name (heads, patch_size, ...); method; dataset,
//     data_fingerprint; image_size, normalize, interpolation, crop_pct, normalize_mean,
//     normalize_std (pixels.h); step; seed

#ifndef AK_TRAIN_ABOUT_H
#define AK_TRAIN_ABOUT_H

#include "proto/format/safetensors.h"
#include "proto/spec/spec.h"
#include "worker/backbone/backbone.h"

// ak_about_run adds what the resolved spec of a run tells; method: what trained the weights.
akssl_status ak_about_run(ak_spec_pairs *about, const ak_spec *spec, const char *method,
                          int64_t step) AKSSL_MUST_CHECK;

// ak_about_file adds the same from a file's metadata, as far as it is there.
akssl_status ak_about_file(ak_spec_pairs *about, const ak_safetensors *file) AKSSL_MUST_CHECK;

// ak_about_backbone adds the options of a backbone that was built: heads 0 is then a number.
akssl_status ak_about_backbone(ak_spec_pairs *about, const ak_backbone *row,
                               const void *self) AKSSL_MUST_CHECK;

// ak_about_fits refuses weights of a network whose tensors have names and shapes that fit the one
// that was built, and which computes something else: another one, or with other heads or more
// blocks. ERR_INVALID.
akssl_status ak_about_fits(const ak_safetensors *file, const ak_backbone *row,
                           const void *self) AKSSL_MUST_CHECK;

#endif
