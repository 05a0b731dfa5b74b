// tests/unit/worker/eval/map.c -- tests worker/eval/map.c by the definitions.

#include "worker/eval/map.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/error.h"
#include "tests/check.h"
#include "worker/rng/rng.h"

// OpenBLAS's, whose results are the same again with one thread.
extern void openblas_set_num_threads(int count);

enum { N = 120, D = 6, K = 7 };

static float x[N * D];
static double unit[N * D], covariance[D * D];

static void fill(void)
{
    ak_rng rng = ak_rng_at(9, AK_RNG_BENCH, 0, 0, 0);

    openblas_set_num_threads(1);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < D; j++)
            x[i * D + j] = (float)(3 + ak_rng_normal(&rng) * (D - j));
}

// Rows of length 1, and what is left of them without their mean; their covariance times N.
static double prepare(double *centred)
{
    double trace = 0;

    memset(covariance, 0, sizeof covariance);
    for (int i = 0; i < N; i++) {
        double squares = 0;

        for (int j = 0; j < D; j++)
            squares += (double)x[i * D + j] * (double)x[i * D + j];
        for (int j = 0; j < D; j++)
            unit[i * D + j] = (double)x[i * D + j] / sqrt(squares);
    }
    for (int j = 0; j < D; j++) {
        double mean = 0;

        for (int i = 0; i < N; i++)
            mean += unit[i * D + j] / N;
        for (int i = 0; i < N; i++)
            centred[i * D + j] = unit[i * D + j] - mean;
    }
    for (int a = 0; a < D; a++)
        for (int b = 0; b < D; b++)
            for (int i = 0; i < N; i++)
                covariance[a * D + b] += centred[i * D + a] * centred[i * D + b];
    for (int a = 0; a < D; a++)
        trace += covariance[a * D + a];
    return trace;
}

// The greatest eigenvalue of the covariance and its vector, by repeated products; then takes it
// out.
static double take_greatest(double *vector)
{
    double value = 0;

    for (int j = 0; j < D; j++)
        vector[j] = 1 + j;
    for (int turn = 0; turn < 5000; turn++) {
        double next[D] = { 0 }, squares = 0;

        for (int a = 0; a < D; a++)
            for (int b = 0; b < D; b++)
                next[a] += covariance[a * D + b] * vector[b];
        for (int a = 0; a < D; a++)
            squares += next[a] * next[a];
        value = sqrt(squares);
        for (int a = 0; a < D; a++)
            vector[a] = next[a] / value;
    }
    for (int a = 0; a < D; a++)
        for (int b = 0; b < D; b++)
            covariance[a * D + b] -= value * vector[a] * vector[b];
    return value;
}

START_TEST(axes_are_principal_components)
{
    static double centred[N * D];
    double trace, vector[D];
    ak_map m;

    fill();
    trace = prepare(centred);
    ck_assert_msg(ak_eval_map(&m, x, N, D, K) == AKSSL_OK, "%s", ak_error_text());
    for (int axis = 0; axis < 2; axis++) {
        double value = take_greatest(vector), farthest = 0, at[N];

        for (int i = 0; i < N; i++) {
            at[i] = 0;
            for (int j = 0; j < D; j++)
                at[i] += centred[i * D + j] * vector[j];
            farthest = fabs(at[i]) > fabs(farthest) ? at[i] : farthest;
        }
        for (int i = 0; i < N; i++)
            ck_assert_double_eq_tol(m.pca[2 * i + axis], farthest < 0 ? -at[i] : at[i], 1e-5);
        ck_assert_double_eq_tol(m.share[axis], value / trace, 1e-6);
    }
    ak_map_fini(&m);
}
END_TEST

static double cosine(int a, int b)
{
    double sum = 0;

    for (int j = 0; j < D; j++)
        sum += unit[a * D + j] * unit[b * D + j];
    return sum;
}

// The place of a neighbour is how many others are nearer.
START_TEST(neighbours_are_nearest)
{
    static double centred[N * D];
    ak_map m;

    fill();
    (void)prepare(centred);
    ck_assert_int_eq(ak_eval_map(&m, x, N, D, K), AKSSL_OK);
    ck_assert_int_eq(m.k, K);
    for (int i = 0; i < N; i++)
        for (int at = 0; at < K; at++) {
            int64_t who = m.neighbour[i * K + at], nearer = 0;

            ck_assert_int_ne(who, i);
            for (int j = 0; j < N; j++)
                nearer += j != i && j != who && cosine(i, j) > cosine(i, (int)who);
            ck_assert_int_eq(nearer, at);
            ck_assert_double_eq_tol((double)m.cosine[i * K + at], cosine(i, (int)who), 1e-6);
        }
    ak_map_fini(&m);
}
END_TEST

START_TEST(the_same_twice)
{
    ak_map a, b;

    fill();
    ck_assert_int_eq(ak_eval_map(&a, x, N, D, K), AKSSL_OK);
    ck_assert_int_eq(ak_eval_map(&b, x, N, D, K), AKSSL_OK);
    ck_assert_mem_eq(a.pca, b.pca, sizeof(double) * 2 * N);
    ck_assert_mem_eq(a.neighbour, b.neighbour, sizeof(int64_t) * N * K);
    ck_assert_mem_eq(a.cosine, b.cosine, sizeof(float) * N * K);
    ak_map_fini(&a);
    ak_map_fini(&b);
}
END_TEST

// Few images; a backbone that says the same of all, or nothing at all.
START_TEST(little_to_show)
{
    ak_map m;

    fill();
    ck_assert_int_eq(ak_eval_map(&m, x, 1, D, K), AKSSL_OK);
    ck_assert_int_eq(m.k, 0);
    ck_assert_double_eq(m.pca[0], 0);
    ck_assert_double_eq(m.share[0], 0);
    ak_map_fini(&m);
    ck_assert_int_eq(ak_eval_map(&m, x, 3, D, K), AKSSL_OK);
    ck_assert_int_eq(m.k, 2);
    ck_assert_double_eq_tol(m.share[0] + m.share[1], 1, 1e-6); // three points are a plane
    ak_map_fini(&m);
    for (int value = 0; value < 2; value++) {
        for (int i = 0; i < N * D; i++)
            x[i] = (float)value;
        ck_assert_int_eq(ak_eval_map(&m, x, N, D, K), AKSSL_OK);
        for (int i = 0; i < 2 * N; i++)
            ck_assert_double_eq_tol(m.pca[i], 0, 1e-3);
        ck_assert_int_eq(m.neighbour[0], 1); // of equal ones the first
        ck_assert_int_eq(m.neighbour[K], 0);
        ak_map_fini(&m);
    }
}
END_TEST

START_TEST(refused)
{
    ak_map m;

    fill();
    ck_assert_int_eq(ak_eval_map(&m, x, 0, D, K), AKSSL_ERR_INVALID);
    ak_map_fini(&m);
    ck_assert_int_eq(ak_eval_map(&m, x, N, D, 0), AKSSL_ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(ak_error_text(), "0 neighbours"));
    ak_map_fini(&m);
    x[5 * D] = NAN;
    ck_assert_int_eq(ak_eval_map(&m, x, N, D, K), AKSSL_ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(ak_error_text(), "mapped image 5 are not finite"));
    ak_map_fini(&m);
}
END_TEST

AK_TEST_MAIN(AK_CASE(axes_are_principal_components), AK_CASE(neighbours_are_nearest),
             AK_CASE(the_same_twice), AK_CASE(little_to_show), AK_CASE(refused))
