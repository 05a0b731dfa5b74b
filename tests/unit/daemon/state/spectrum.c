// tests/unit/daemon/state/spectrum.c -- tests daemon/state/spectrum.c against Jacobi's rotations.

#include <math.h>

#include "daemon/state/spectrum.h"
#include "tests/check.h"

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

// The naive way: rotate the largest coupling away until none is left.
static void jacobi(double *a, int n, double *values)
{
    for (;;) {
        int p = 0, q = 0;
        double most = 0, total = 0, theta, t, c, s;

        for (int i = 0; i < n * n; i++)
            total += a[i] * a[i];
        for (int i = 0; i < n; i++)
            for (int j = 0; j < i; j++)
                if (fabs(a[i * n + j]) > most) {
                    most = fabs(a[i * n + j]);
                    p = j;
                    q = i;
                }
        if (most <= 1e-14 * sqrt(total))
            break;
        theta = (a[q * n + q] - a[p * n + p]) / (2 * a[q * n + p]);
        t = (theta < 0 ? -1 : 1) / (fabs(theta) + sqrt(theta * theta + 1));
        c = 1 / sqrt(t * t + 1);
        s = t * c;
        for (int k = 0; k < n; k++) {
            double x = a[k * n + p], y = a[k * n + q];

            a[k * n + p] = c * x - s * y;
            a[k * n + q] = s * x + c * y;
        }
        for (int k = 0; k < n; k++) {
            double x = a[p * n + k], y = a[q * n + k];

            a[p * n + k] = c * x - s * y;
            a[q * n + k] = s * x + c * y;
        }
    }
    for (int i = 0; i < n; i++)
        values[i] = a[i * n + i];
}

static double next_random(unsigned *random)
{
    *random = *random * 1664525u + 1013904223u;
    return (double)(*random >> 8) / (1 << 24) - 0.5;
}

START_TEST(agrees_with_rotations)
{
    enum { MOST = 24 };
    unsigned random = 7;

    for (int n = 1; n <= MOST; n++)
        for (int kind = 0; kind < 3; kind++) { // full, sparse, of low rank
            double a[MOST * MOST], b[MOST * MOST], got[MOST], want[MOST], v[MOST];
            double scale = 0;

            for (int i = 0; i < n; i++)
                v[i] = next_random(&random) * 10;
            for (int i = 0; i < n; i++)
                for (int j = 0; j <= i; j++) {
                    double x = next_random(&random);

                    if (kind == 1 && j != i && j + 2 != i)
                        x = 0;
                    if (kind == 2)
                        x = v[i] * v[j];
                    a[i * n + j] = a[j * n + i] = b[i * n + j] = b[j * n + i] = x;
                    scale = fmax(scale, fabs(x));
                }
            ck_assert_int_eq(ak_spectrum_values(a, n, got), 0);
            jacobi(b, n, want);
            qsort(got, (size_t)n, sizeof *got, ascending);
            qsort(want, (size_t)n, sizeof *want, ascending);
            for (int i = 0; i < n; i++)
                ck_assert_double_eq_tol(got[i], want[i], 1e-12 * n * scale);
        }
}
END_TEST

START_TEST(a_large_one_keeps_trace_and_square)
{
    enum { N = 256 };
    static double a[N * N], values[N];
    double trace = 0, square = 0;
    unsigned random = 3;

    for (int i = 0; i < N; i++)
        for (int j = 0; j <= i; j++)
            a[i * N + j] = a[j * N + i] = next_random(&random);
    for (int i = 0; i < N * N; i++)
        square += a[i] * a[i];
    for (int i = 0; i < N; i++)
        trace += a[i * N + i];
    ck_assert_int_eq(ak_spectrum_values(a, N, values), 0);
    for (int i = 0; i < N; i++) {
        trace -= values[i];
        square -= values[i] * values[i];
    }
    ck_assert_double_eq_tol(trace, 0, 1e-10);
    ck_assert_double_eq_tol(square, 0, 1e-8);
}
END_TEST

START_TEST(edges)
{
    double zero[9] = { 0 }, one[1] = { -3 }, infinite[4] = { 1, 0, INFINITY, 1 };
    double tiny[4] = { 1e-200, 1e-200, 1e-200, 1e-200 };
    double values[3];

    ck_assert_int_eq(ak_spectrum_values(zero, 3, values), 0);
    ck_assert(values[0] == 0 && values[1] == 0 && values[2] == 0);
    ck_assert_double_eq(ak_spectrum_rank(values, 3), 0);
    ck_assert_int_eq(ak_spectrum_values(one, 1, values), 0);
    ck_assert_double_eq(values[0], -3);
    ck_assert_double_eq(ak_spectrum_rank(values, 1), 0); // no share is negative
    ck_assert_int_eq(ak_spectrum_values(infinite, 2, values), AKSSL_ERR_INVALID);
    ck_assert_int_eq(ak_spectrum_values(tiny, 2, values), 0);
    ck_assert_double_eq_tol(fmax(values[0], values[1]), 2e-200, 1e-210);
    ck_assert_int_eq(ak_spectrum_values(NULL, 0, values), 0);
    ck_assert_double_eq(ak_spectrum_rank(values, 0), 0);
}
END_TEST

START_TEST(rank_is_the_number_of_equal_shares)
{
    const double alike[4] = { 2, 2, 2, 2 }, first[4] = { 5, 0, 0, -1e-17 };

    ck_assert_double_eq_tol(ak_spectrum_rank(alike, 4), 4, 1e-12);
    ck_assert_double_eq_tol(ak_spectrum_rank(first, 4), 1, 1e-12);
}
END_TEST

AK_TEST_MAIN(AK_CASE(agrees_with_rotations), AK_CASE(a_large_one_keeps_trace_and_square),
             AK_CASE(edges), AK_CASE(rank_is_the_number_of_equal_shares))
