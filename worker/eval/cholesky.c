// worker/eval/cholesky.c -- a = L L', in blocks of columns so that BLAS does most of the work.

#include "worker/eval/cholesky.h"

#include <cblas.h>
#include <math.h>

enum { BLOCK = 48 };

// Factors the diagonal block of size n at a, whose rows are stride apart.
static bool factor(double *a, int n, int stride)
{
    for (int j = 0; j < n; j++) {
        double *row = a + (long)j * stride;
        double left = row[j];

        for (int k = 0; k < j; k++)
            left -= row[k] * row[k];
        if (!(left > 0))
            return false;
        row[j] = sqrt(left);
        for (int i = j + 1; i < n; i++) {
            double *below = a + (long)i * stride, sum = below[j];

            for (int k = 0; k < j; k++)
                sum -= below[k] * row[k];
            below[j] = sum / row[j];
        }
    }
    return true;
}

bool ak_cholesky_factor(double *a, int n)
{
    for (int j = 0; j < n; j += BLOCK) {
        int width = n - j < BLOCK ? n - j : BLOCK, rest = n - j - width;
        double *corner = a + (long)j * n + j, *below = corner + (long)width * n;

        if (!factor(corner, width, n))
            return false;
        if (!rest)
            break;
        cblas_dtrsm(CblasRowMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit, rest, width, 1,
                    corner, n, below, n);
        cblas_dsyrk(CblasRowMajor, CblasLower, CblasNoTrans, rest, width, -1, below, n, 1,
                    below + width, n);
    }
    return true;
}

bool ak_cholesky_solve(double *a, int n, double *b, int m)
{
    if (!ak_cholesky_factor(a, n))
        return false;
    cblas_dtrsm(CblasRowMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, n, m, 1, a, n, b,
                m);
    cblas_dtrsm(CblasRowMajor, CblasLeft, CblasLower, CblasTrans, CblasNonUnit, n, m, 1, a, n, b,
                m);
    return true;
}
