// worker/tensor/winograd/avx2.c -- Winograd's inner loops for AVX2 and FMA.

#define LANES 8
#define ROWS 4
#define COLUMNS 16
#define TABLE ak_winograd_avx2

#include "worker/tensor/winograd/kernels.h"
