// worker/eval/features.h -- private to worker/eval: what evaluations do to features first.

#ifndef AK_EVAL_FEATURES_H
#define AK_EVAL_FEATURES_H

#include <stdint.h>

#include "akssl/status.h"

// ak_features_check fails with ERR_INVALID unless rows, width and classes are positive and small
// enough for BLAS, every value is finite and the first `labelled` labels are in 0..classes-1;
// `what` names the rows in the sentence.
akssl_status ak_features_check(const char *what, const float *x, const int64_t *labels,
                               int64_t rows, int64_t labelled, int64_t d,
                               int64_t classes) AKSSL_MUST_CHECK;

// ak_features_normalize writes rows (rows, d) divided by max(length, 1e-12).
void ak_features_normalize(const float *x, int64_t rows, int64_t d, float *out);

#endif
