// worker/train/estimate.h -- what a job will take, before it runs.

#ifndef AK_TRAIN_ESTIMATE_H
#define AK_TRAIN_ESTIMATE_H

#include "proto/base/str.h"
#include "worker/train/check.h"

// ak_estimate appends one line about a checked spec: parameters, steps, memory of all ranks,
// and of the images that they keep (loader.h).  It builds the networks of one rank to count them.
akssl_status ak_estimate(const ak_spec *spec, const ak_train_set *train,
                         ak_str *text) AKSSL_MUST_CHECK;

#endif
