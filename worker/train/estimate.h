// worker/train/estimate.h -- what a job will take, before it runs.

#ifndef AK_TRAIN_ESTIMATE_H
#define AK_TRAIN_ESTIMATE_H

#include "proto/spec/spec.h"
#include "proto/base/str.h"

// ak_estimate appends one line about a checked spec: parameters, steps, memory of all ranks.  It
// builds the networks of one rank to count them.
akssl_status ak_estimate(const ak_spec *spec, int64_t images, ak_str *text) AKSSL_MUST_CHECK;

#endif
