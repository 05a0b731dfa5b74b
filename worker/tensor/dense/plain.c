// worker/tensor/dense/plain.c -- products for any CPU.

#include "worker/tensor/dense/kernels.h"
