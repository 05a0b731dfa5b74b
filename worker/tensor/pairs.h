// worker/tensor/pairs.h -- vectors of bf16 pairs, for the files of AVX512_BF16.
//
// What a product reads is 32 bits that hold two neighbours along its sum (the first in the lower
// half), so that such a file shares its loops with those of floats: it multiplies by `dot`, over
// half as many steps.  Included behind lanes.h with 16 LANES.

#ifndef AK_TENSOR_PAIRS_H
#define AK_TENSOR_PAIRS_H

#ifdef __AVX512BF16__ // else it is no file of theirs

#include <immintrin.h>

#include "worker/tensor/half.h"

// sum + the products of both halves; a is one pair.
INLINE vec dot(vec sum, float a, vec b)
{
    return (vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_ps(a), (__m512bh)b);
}

// Sixteen numbers as bf16.
INLINE __m256i narrowed(vec v)
{
    return (__m256i)_mm512_cvtneps_pbh((__m512)v);
}

// The first `count` lanes: of numbers, and of pairs' halves.  Loads under a mask are as fast as
// others, stores are not.
INLINE __mmask16 first_of(int64_t count)
{
    return (__mmask16)(count >= 16 ? 0xffff : count > 0 ? (1u << count) - 1 : 0);
}

INLINE __mmask32 first_halves_of(int64_t count)
{
    return count >= 32 ? 0xffffffff : count > 0 ? ((__mmask32)1 << count) - 1 : 0;
}

INLINE vec widened(const void *halves)
{
    return (vec)_mm512_slli_epi32(
        _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)halves)), 16);
}

INLINE void put_halves(void *to, vec v)
{
    _mm256_storeu_si256((__m256i *)to, narrowed(v));
}

// Pairs of a number of `first` and one of `second`.
INLINE vec across(vec first, vec second)
{
    return (vec)_mm512_or_si512(_mm512_cvtepu16_epi32(narrowed(first)),
                                _mm512_slli_epi32(_mm512_cvtepu16_epi32(narrowed(second)), 16));
}

// One pair.
INLINE float pair_of(float first, float second)
{
    uint32_t bits = ak_half_of(first) | (uint32_t)ak_half_of(second) << 16;
    float pair;

    memcpy(&pair, &bits, sizeof pair);
    return pair;
}

INLINE vec either(vec a, vec b)
{
    return (vec)_mm512_or_si512((__m512i)a, (__m512i)b);
}

// Pairs of the neighbours in `first`, then of those in `second`.
INLINE vec along(vec first, vec second)
{
    return (vec)_mm512_cvtne2ps_pbh((__m512)second, (__m512)first);
}

#endif

#endif
