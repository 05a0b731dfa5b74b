// worker/tensor/kernel_maps_half.c -- loops over maps of bf16.

#include "worker/tensor/half.h"

#define REAL ak_half
#define GET(number) ak_half_get(number)
#define SET(number) ak_half_of(number)
#define TABLE ak_maps_half

#include "worker/tensor/kernel_maps.h"
