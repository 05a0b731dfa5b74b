// worker/tensor/assignment.c -- what assignments of samples to prototypes have in common.

#include "worker/tensor/assignment.h"

#include <math.h>

double ak_assignment_usage(const double *sums, int64_t k, double count)
{
    double entropy = 0;

    for (int64_t i = 0; i < k; i++) {
        double p = sums[i] / count;

        entropy -= p > 0 ? p * log(p) : 0;
    }
    return exp(entropy) / (double)k;
}
