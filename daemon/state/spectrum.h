// daemon/state/spectrum.h -- eigenvalues of a symmetric matrix, and how many of them count.

#ifndef AK_DAEMON_STATE_SPECTRUM_H
#define AK_DAEMON_STATE_SPECTRUM_H

#include "akssl/status.h"

// ak_spectrum_values gives the n eigenvalues of the symmetric matrix a[n][n], in no order; a is
// used up.  Only its lower half is read.  ERR_INVALID when it holds what is no finite number.
akssl_status ak_spectrum_values(double *a, int n, double *values) AKSSL_MUST_CHECK;

// ak_spectrum_rank is the effective rank: exp of the entropy of the eigenvalues as shares of their
// sum (Roy & Vetterli 2007).  From 1 (one direction) to n (all alike); 0 when there is no spread.
double ak_spectrum_rank(const double *values, int n);

#endif
