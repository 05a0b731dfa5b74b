// worker/tensor/peak.c -- how many operations this machine can do.

#include "worker/tensor/peak.h"

#include "proto/base/clock.h"
#include "worker/tensor/pieces.h"

enum { ROUNDS = 5, ROUND_NS = 10000000 };

static double spin(const ak_dense_kernels *kernels, int64_t turns, int threads)
{
    int64_t start = ak_clock_ns();

    PIECES(threads, 1, threads, (void)kernels->spin(turns));
    return (double)(ak_clock_ns() - start);
}

// Turns that take one thread as long as a round.
static int64_t turns_of(const ak_dense_kernels *kernels)
{
    int64_t turns = 1024;

    while (spin(kernels, turns, 1) < ROUND_NS)
        turns *= 2;
    return turns;
}

// The best of the rounds: in the first, threads are started, and any may be disturbed.
double ak_peak_gflop_per_s(const ak_dense_kernels *kernels, int threads)
{
    int64_t turns = turns_of(kernels);
    double each = 2.0 * (double)(kernels->rows * kernels->panel * kernels->pair) * threads,
           best = 0;

    for (int i = 0; i < ROUNDS; i++) {
        double rate = each * (double)turns / spin(kernels, turns, threads);

        best = rate > best ? rate : best;
    }
    return best;
}
