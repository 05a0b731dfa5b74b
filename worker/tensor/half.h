// worker/tensor/half.h -- bf16, the upper half of a float, and what it becomes one from.
//
// Rounds to the nearest, ties to even; a NaN stays one.

#ifndef AK_TENSOR_HALF_H
#define AK_TENSOR_HALF_H

#include <stdint.h>
#include <string.h>

typedef uint16_t ak_half;

static inline float ak_half_get(ak_half half)
{
    uint32_t bits = (uint32_t)half << 16;
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline ak_half ak_half_of(float value)
{
    uint32_t bits, nan = 0x7fc0;

    memcpy(&bits, &value, sizeof bits);
    bits = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    return (ak_half)(value == value ? bits : nan);
}

// to[0..n) = from[0..n)
void ak_half_widen(float *to, const ak_half *from, int64_t n);
void ak_half_narrow(ak_half *to, const float *from, int64_t n, int threads);

#endif
