// worker/tensor/half.c -- bf16 in bulk.

#include "worker/tensor/half.h"

#include "worker/tensor/pieces.h"

enum { PIECE = 16384 };

CLONES void ak_half_widen(float *restrict to, const ak_half *restrict from, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = ak_half_get(from[i]);
}

CLONES static void narrow(ak_half *restrict to, const float *restrict from, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = ak_half_of(from[i]);
}

void ak_half_narrow(ak_half *to, const float *from, int64_t n, int threads)
{
    PIECES(n, PIECE, threads, narrow(to + lo, from + lo, hi - lo));
}
