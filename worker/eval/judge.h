// worker/eval/judge.h -- how often is a linear classifier right?

#ifndef AK_EVAL_JUDGE_H
#define AK_EVAL_JUDGE_H

#include <stdint.h>

#include "akssl/status.h"

typedef struct ak_verdict {
    double top1, topk; // per cent of the rows
    double loss;       // mean softmax cross-entropy
} ak_verdict;

// ak_eval_judge gives scores x w' + bias to the rows of x (n, d); w (classes, d).  A row counts for
// top1 when its label's score is the highest, for topk when fewer than k are above it; of equal
// scores the lower class stands first.  Determinism and failures: as ak_eval_knn; what names the
// rows in a sentence.
akssl_status ak_eval_judge(const char *what, const float *x, const int64_t *labels, int64_t n,
                           int64_t d, const float *w, const float *bias, int64_t classes, int64_t k,
                           ak_verdict *out) AKSSL_MUST_CHECK;

#endif
