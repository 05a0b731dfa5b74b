// worker/train/check.h -- is a spec one that can run, and what do its open values mean?

#ifndef AK_TRAIN_CHECK_H
#define AK_TRAIN_CHECK_H

#include "proto/spec/spec.h"

// ak_check_spec checks names, options, ranges and how numbers fit together, and settles values
// left open (batch_norm; the recipe of kinds linear and finetune; image_size).  It opens no data,
// and weights only to ask them how images are prepared (pixels.h).
akssl_status ak_check_spec(ak_spec *spec) AKSSL_MUST_CHECK;

// ak_train_set is what a job trains on.
typedef struct ak_train_set {
    int64_t images;
    bool decoded; // from files of some image format, each time that one is read
} ak_train_set;

// ak_check_data opens the data set, and the weights of an evaluation, and checks that they serve
// the spec.
akssl_status ak_check_data(ak_spec *spec, ak_train_set *train) AKSSL_MUST_CHECK;

#endif
