// worker/tensor/peak.c -- how many operations this machine can do.

#include "worker/tensor/peak.h"

#include "proto/base/clock.h"
#include "worker/tensor/pieces.h"

enum { ROUNDS = 4, ROUND_NS = 10000000 };

static double spin(const ak_dense_kernels *kernels, int64_t turns, int threads)
{
    int64_t start = ak_clock_ns();

    PIECES(threads, 1, threads, (void)kernels->spin(turns));
    return (double)(ak_clock_ns() - start);
}

double ak_peak_gflop_per_s(const ak_dense_kernels *kernels, int threads)
{
    double each = 2.0 * (double)(kernels->rows * kernels->panel * kernels->pair) * threads, ns,
           best = 0;
    int64_t turns = 1024;

    while (spin(kernels, turns, threads) < ROUND_NS)
        turns *= 2;
    for (int i = 0; i < ROUNDS; i++) {
        ns = spin(kernels, turns, threads);
        if (each * (double)turns / ns > best)
            best = each * (double)turns / ns;
    }
    return best;
}
