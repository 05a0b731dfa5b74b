// worker/eval/cholesky.h -- solves a symmetric positive definite system.

#ifndef AK_EVAL_CHOLESKY_H
#define AK_EVAL_CHOLESKY_H

#include <stdbool.h>

// ak_cholesky_solve replaces b (n, m) by a^-1 b; only the lower half of a (n, n) is read, and
// overwritten.  False, with both spoilt, when a is not positive definite.
bool ak_cholesky_solve(double *a, int n, double *b, int m);

#endif
