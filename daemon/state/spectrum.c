// daemon/state/spectrum.c -- eigenvalues of a symmetric matrix, and how many of them count.

#include "daemon/state/spectrum.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"

enum { SWEEPS = 64 }; // of QL for one value; two or three are usual

// Householder: column k below the diagonal becomes (e, 0, ..., 0) by H = I - b v v^T,
//     A' = H A H = A - v w^T - w v^T,   p = b A v,   w = p - (b/2)(p.v) v
// on the trailing block.  d is the diagonal that is left, e[k] couples k and k + 1.
static void reflect(double *a, int n, int k, double *v, double *w, double *e)
{
    int m = n - k - 1;
    double *block = a + (size_t)(k + 1) * (size_t)n + k + 1;
    double norm = 0, scale, b, pv = 0;

    for (int i = 0; i < m; i++) {
        v[i] = a[(size_t)(k + 1 + i) * (size_t)n + k];
        norm = hypot(norm, v[i]);
    }
    e[k] = v[0] > 0 ? -norm : norm;
    v[0] -= e[k];
    scale = 0;
    for (int i = 0; i < m; i++)
        scale += v[i] * v[i];
    if (scale < DBL_MIN)
        return; // there was nothing below
    b = 2 / scale;
    for (int i = 0; i < m; i++)
        w[i] = 0;
    for (int i = 0; i < m; i++) {
        const double *row = block + (size_t)i * (size_t)n;

        for (int j = 0; j < i; j++) {
            w[i] += row[j] * v[j];
            w[j] += row[j] * v[i];
        }
        w[i] += row[i] * v[i];
    }
    for (int i = 0; i < m; i++) {
        w[i] *= b;
        pv += w[i] * v[i];
    }
    for (int i = 0; i < m; i++)
        w[i] -= b / 2 * pv * v[i];
    for (int i = 0; i < m; i++)
        for (int j = 0; j <= i; j++)
            block[(size_t)i * (size_t)n + j] -= v[i] * w[j] + w[i] * v[j];
}

// One implicit QL step on the block l..m of the tridiagonal matrix (d, e), shifted towards d[l].
static void chase(double *d, double *e, int l, int m)
{
    double g = (d[l + 1] - d[l]) / (2 * e[l]);
    double r = hypot(g, 1), s = 1, c = 1, p = 0;

    g = d[m] - d[l] + e[l] / (g + copysign(r, g));
    for (int i = m - 1; i >= l; i--) {
        double f = s * e[i], b = c * e[i];

        r = hypot(f, g);
        e[i + 1] = r;
        if (r == 0) { // splits here
            d[i + 1] -= p;
            e[m] = 0;
            return;
        }
        s = f / r;
        c = g / r;
        g = d[i + 1] - p;
        r = (d[i] - g) * s + 2 * c * b;
        p = s * r;
        d[i + 1] = g + p;
        g = c * r - b;
    }
    d[l] -= p;
    e[l] = g;
    e[m] = 0;
}

// split gives the first place from l where the matrix falls apart.
static int split(const double *d, const double *e, int n, int l)
{
    int m = l;

    while (m < n - 1 && fabs(e[m]) > DBL_EPSILON * (fabs(d[m]) + fabs(d[m + 1])))
        m++;
    return m;
}

akssl_status ak_spectrum_values(double *a, int n, double *d)
{
    double *work = ak_try_alloc((size_t)n, 3 * sizeof(double));
    double *e = work;
    akssl_status rc = AKSSL_OK;

    if (!work)
        return AKSSL_ERR_NO_MEMORY;
    for (int k = 0; k < n - 1; k++)
        reflect(a, n, k, work + n, work + 2 * n, e);
    for (int k = 0; k < n; k++)
        d[k] = a[(size_t)k * (size_t)n + k];
    for (int l = 0; l < n && rc == AKSSL_OK; l++) {
        int sweep = 0;

        for (int m; (m = split(d, e, n, l)) != l && sweep < SWEEPS; sweep++)
            chase(d, e, l, m);
        if (sweep == SWEEPS || !isfinite(d[l]))
            rc = ak_fail(AKSSL_ERR_INVALID, "the matrix holds what is no finite number");
    }
    free(work);
    return rc;
}

double ak_spectrum_rank(const double *values, int n)
{
    double sum = 0, entropy = 0;

    for (int i = 0; i < n; i++)
        sum += fmax(values[i], 0);
    if (!(sum > 0))
        return 0;
    for (int i = 0; i < n; i++) {
        double share = fmax(values[i], 0) / sum;

        entropy -= share > 0 ? share * log(share) : 0;
    }
    return exp(entropy);
}
