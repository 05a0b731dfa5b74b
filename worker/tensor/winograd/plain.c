// worker/tensor/winograd/plain.c -- Winograd's inner loops for any CPU.

#define LANES 4
#define ROWS 2
#define COLUMNS 16
#define TABLE ak_winograd_plain

#include "worker/tensor/winograd/kernels.h"
