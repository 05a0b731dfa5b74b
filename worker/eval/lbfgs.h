// worker/eval/lbfgs.h -- private to worker/eval: the minimum of a smooth convex function by L-BFGS
// (Nocedal & Wright, Numerical Optimization, 2nd ed., algorithm 7.4), with halved steps until the
// function falls enough (Armijo).

#ifndef AK_EVAL_LBFGS_H
#define AK_EVAL_LBFGS_H

#include <stdint.h>

#include "akssl/status.h"

// Gives the value at x [n] and writes the gradient [n].
typedef double (*ak_lbfgs_function)(void *ctx, const double *x, double *gradient);

typedef struct ak_lbfgs {
    double value, slope; // where it ended; the largest |gradient|
    int iterations;
} ak_lbfgs;

// ak_lbfgs_minimize moves x [n] from where it stands.  It ends when no slope is over `enough`, when
// no step along the direction makes the value smaller, or after `most` iterations.
akssl_status ak_lbfgs_minimize(double *x, int64_t n, ak_lbfgs_function function, void *ctx,
                               double enough, int most, ak_lbfgs *out) AKSSL_MUST_CHECK;

#endif
