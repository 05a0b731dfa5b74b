// worker/eval/features.c -- what evaluations do to features first.

#include "worker/eval/features.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>

#include "proto/base/error.h"

akssl_status ak_features_check(const char *what, const float *x, const int64_t *labels,
                               int64_t rows, int64_t labelled, int64_t d, int64_t classes)
{
    if (rows < 1 || d < 1 || classes < 1)
        return ak_fail(AKSSL_ERR_INVALID,
                       "%s images: %" PRId64 " of width %" PRId64 " in %" PRId64
                       " classes are none to evaluate: use a data set with labels",
                       what, rows, d, classes);
    if (rows > INT_MAX || d > INT_MAX || classes > INT_MAX)
        return ak_fail(AKSSL_ERR_LIMIT, "%s images: %" PRId64 " of width %" PRId64 " are too many",
                       what, rows, d);
    for (int64_t i = 0; i < labelled; i++)
        if (labels[i] < 0 || labels[i] >= classes)
            return ak_fail(AKSSL_ERR_INVALID,
                           "%s image %" PRId64 " has label %" PRId64 ", not one of 0 to %" PRId64,
                           what, i, labels[i], classes - 1);
    for (int64_t i = 0; i < rows * d; i++)
        if (!isfinite(x[i]))
            return ak_fail(AKSSL_ERR_INVALID,
                           "the features of %s image %" PRId64
                           " are not finite: the training diverged, lower the learning rate",
                           what, i / d);
    return AKSSL_OK;
}

void ak_features_normalize(const float *x, int64_t rows, int64_t d, float *out)
{
    for (int64_t i = 0; i < rows; i++) {
        double squares = 0, scale;

        for (int64_t j = 0; j < d; j++)
            squares += (double)x[i * d + j] * (double)x[i * d + j];
        scale = 1 / fmax(sqrt(squares), 1e-12);
        for (int64_t j = 0; j < d; j++)
            out[i * d + j] = (float)((double)x[i * d + j] * scale);
    }
}
