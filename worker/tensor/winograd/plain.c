// worker/tensor/winograd/plain.c -- Winograd's inner loops for any CPU.

#include "worker/tensor/winograd/kernels.h"
