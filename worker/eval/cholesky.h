// worker/eval/cholesky.h -- solves a symmetric positive definite system.

#ifndef AK_EVAL_CHOLESKY_H
#define AK_EVAL_CHOLESKY_H

#include <stdbool.h>

// ak_cholesky_factor replaces the lower half of a (n, n) by L; the upper half is not touched.
// False, with a spoilt, when a is not positive definite.
bool ak_cholesky_factor(double *a, int n);

// ak_cholesky_solve replaces b (n, m) by a^-1 b; only the lower half of a (n, n) is read, and
// overwritten.  False, with both spoilt, when a is not positive definite.
bool ak_cholesky_solve(double *a, int n, double *b, int m);

#endif
