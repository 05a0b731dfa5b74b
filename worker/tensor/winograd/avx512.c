// worker/tensor/winograd/avx512.c -- Winograd's inner loops for AVX-512.

#define LANES 16
#define ROWS 8
#define COLUMNS 32
#define TABLE ak_winograd_avx512

#include "worker/tensor/winograd/kernels.h"
