// worker/tensor/peak.h -- how many operations this machine can do.

#ifndef AK_TENSOR_PEAK_H
#define AK_TENSOR_PEAK_H

#include "worker/tensor/dense/dense.h"

// ak_peak_gflop_per_s measures, for some 100 ms, the rate of multiply-adds (two operations each) of
// those kernels on `threads` threads at once, with all operands in registers: 1e9 a second.  No
// product is faster.
double ak_peak_gflop_per_s(const ak_dense_kernels *kernels, int threads);

#endif
