// worker/eval/probe.h -- how good are features with few labels?  A linear classifier by ridge
// regression, in closed form: nothing to tune, nothing random.

#ifndef AK_EVAL_PROBE_H
#define AK_EVAL_PROBE_H

#include <stdint.h>

#include "akssl/status.h"

// ak_eval_probe fits to the first `labelled` rows of train (n, d) and classifies test (m, d):
// rows are divided by their length, then standardised by mean and unbiased std + 1e-6 of all n
// rows (labels are scarce, images are not); A: the labelled rows, Y: their one-hot classes,
//
//     W = (A'A + 0.1 labelled I)^-1 A' (Y - mean Y),    class = argmax(x W + mean Y)
//
// in doubles.  top1 and top5 are per cent of m; of equal classes the lower is taken.  labelled over
// n means n; other labels of train are not read.  Determinism and failures: as ak_eval_knn.
akssl_status ak_eval_probe(const float *train, const int64_t *labels, int64_t n, int64_t labelled,
                           const float *test, const int64_t *test_labels, int64_t m, int64_t d,
                           int64_t classes, double *top1, double *top5) AKSSL_MUST_CHECK;

#endif
