// worker/tensor/dense/bf16.c -- products for AVX512_BF16.

#define LANES 16
#define ROWS 8
#define VECTORS 3
#define TURN(M)                                                                                    \
    M(0), M(1), M(2), M(3), M(4), M(5), M(6), M(7), M(8), M(9), M(10), M(11), M(12), M(13), M(14), \
        M(15)
#define PAIRS
#define TABLE ak_dense_bf16

#include "worker/tensor/dense/kernels.h"
