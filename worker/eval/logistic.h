// worker/eval/logistic.h -- how good are features with all labels?  Multinomial logistic
// regression, taken to its optimum: nothing to tune, nothing random.

#ifndef AK_EVAL_LOGISTIC_H
#define AK_EVAL_LOGISTIC_H

#include <stdint.h>

#include "akssl/status.h"

typedef struct ak_logistic {
    double *mean, *scale; // [d]: a feature is standardised as (x - mean) * scale
    double *w, *bias;     // [classes][d], [classes]
    double loss;          // the objective at the end
    double slope;         // the largest |d loss / d weight| there, of decorrelated features
    int iterations;
} ak_logistic;

// ak_logistic_fit minimises, over w and bias, by L-BFGS from zero,
//
//     1/n sum_i -log softmax(w x_i + bias)_y(i) + 1/(2n) |w|^2
//
// which is scikit-learn's LogisticRegression with C = 1 on features that StandardScaler has
// standardised; x: the rows of train (n, d) by their own mean and std (+ 1e-6).  It ends when no
// slope is over 2e-5, when rounding hides further descent, or after 400 iterations.  The caller
// frees *out by ak_logistic_fini (NULL-safe members).  Determinism and failures: as ak_eval_knn.
akssl_status ak_logistic_fit(ak_logistic *out, const float *train, const int64_t *labels, int64_t n,
                             int64_t d, int64_t classes) AKSSL_MUST_CHECK;
void ak_logistic_fini(ak_logistic *fit);

// ak_eval_logistic fits to train and classifies test (m, d): top1 and topk are per cent of m, as
// ak_eval_judge counts them.
akssl_status ak_eval_logistic(const float *train, const int64_t *labels, int64_t n,
                              const float *test, const int64_t *test_labels, int64_t m, int64_t d,
                              int64_t classes, int64_t k, double *top1,
                              double *topk) AKSSL_MUST_CHECK;

#endif
