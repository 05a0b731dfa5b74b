// worker/tensor/kernel_maps.c -- loops over maps of floats.

#define REAL float
#define GET(number) (number)
#define SET(number) (number)
#define TABLE ak_maps_single

#include "worker/tensor/kernel_maps.h"
