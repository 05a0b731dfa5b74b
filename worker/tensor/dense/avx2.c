// worker/tensor/dense/avx2.c -- products for AVX2 and FMA.

#define LANES 8
#define ROWS 4
#define VECTORS 3
#define TURN(M) M(0), M(1), M(2), M(3), M(4), M(5), M(6), M(7)
#define TABLE ak_dense_avx2

#include "worker/tensor/dense/kernels.h"
