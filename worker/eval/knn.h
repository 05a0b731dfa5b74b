// worker/eval/knn.h -- how good are features?  Weighted nearest neighbours (Wu et al. 2018,
// arXiv:1805.01978).

#ifndef AK_EVAL_KNN_H
#define AK_EVAL_KNN_H

#include <stdint.h>

#include "akssl/status.h"

// ak_eval_knn classifies each row of test (m, d) by its k nearest rows of train (n, d): s is the
// cosine, a neighbour adds exp(s / temperature) to its class.  Rows are normalised inside.  top1
// and topk, the label's class among the first `top`, are per cent of m.  Of equal neighbours, and
// of equal classes, the lower index is taken; a class without a vote is never among them.  k over n
// means n.
//
// The result depends on nothing but the arguments (and the BLAS in use) as long as the caller has
// set OpenBLAS to one thread.  ERR_INVALID for labels out of range or features that are not
// finite; ERR_NO_MEMORY.  Outputs are untouched on failure.
akssl_status ak_eval_knn(const float *train, const int64_t *labels, int64_t n, const float *test,
                         const int64_t *test_labels, int64_t m, int64_t d, int64_t classes,
                         int64_t k, double temperature, int64_t top, double *top1,
                         double *topk) AKSSL_MUST_CHECK;

#endif
