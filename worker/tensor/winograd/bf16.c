// worker/tensor/winograd/bf16.c -- Winograd's inner loops for AVX512_BF16.

#define LANES 16
#define ROWS 8
#define COLUMNS 32
#define PAIRS
#define TABLE ak_winograd_bf16

#include "worker/tensor/winograd/kernels.h"
