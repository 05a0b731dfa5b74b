// worker/tensor/assignment.h -- for operations that assign samples to prototypes.

#ifndef AK_TENSOR_ASSIGNMENT_H
#define AK_TENSOR_ASSIGNMENT_H

#include <stdint.h>

// ak_assignment_usage gives exp(entropy of the mean assignment) / k, 1 when all prototypes are used
// alike and 1/k when one is: sums[k] are the assignments of count samples, added up.
double ak_assignment_usage(const double *sums, int64_t k, double count);

#endif
