// worker/tensor/exp.h -- for the files of kernels: an exponential that loops can vectorise.

#ifndef AK_TENSOR_EXP_H
#define AK_TENSOR_EXP_H

#include <stdint.h>

// exp(x) = 2^n e^r with n = round(x log2 e), r = x - n ln 2, |r| <= 0.35: e^r by its series to
// r^7, 2^n through the exponent's bits.  Below -87 the result is the smallest normal, as good as 0.
static inline float ak_exp_of(float x)
{
    union {
        int32_t bits;
        float value;
    } power;
    float n, r, p;

    x = x < -87.0f ? -87.0f : x > 88.0f ? 88.0f : x;
    n = x * 1.44269504f + 12582912.0f; // 1.5 * 2^23: rounds to a whole number
    power.value = n;
    power.bits = (int32_t)(((uint32_t)power.bits << 23) + 0x3f800000u);
    n -= 12582912.0f;
    r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
    p = 1.0f / 5040;
    p = p * r + 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    return p * power.value;
}

#endif
