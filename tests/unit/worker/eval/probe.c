// tests/unit/worker/eval/probe.c -- tests worker/eval/probe.c and cholesky.c.

#include <math.h>

#include "proto/base/error.h"
#include "tests/check.h"
#include "worker/eval/cholesky.h"
#include "worker/eval/probe.h"
#include "worker/rng/rng.h"

enum { N = 600, M = 300, D = 23, CLASSES = 7 };

static float train[N * D], test[M * D];
static int64_t labels[N], test_labels[M];

static void fill(void)
{
    ak_rng rng = ak_rng_at(4, AK_RNG_BENCH, 1, 0, 0);
    float centre[CLASSES * D];

    for (int i = 0; i < CLASSES * D; i++)
        centre[i] = (float)ak_rng_normal(&rng);
    for (int i = 0; i < N + M; i++) {
        float *x = i < N ? train + i * D : test + (i - N) * D;
        int64_t *label = i < N ? labels + i : test_labels + i - N;

        *label = ak_rng_below(&rng, CLASSES);
        for (int j = 0; j < D; j++)
            x[j] = 5 + 0.7f * centre[*label * D + j] + (float)ak_rng_normal(&rng);
    }
}

// Gauss-Jordan with pivoting on [a | b], a (n, n), b (n, m).
static void eliminate(double *a, double *b, int n, int m)
{
    for (int j = 0; j < n; j++) {
        int pivot = j;

        for (int i = j + 1; i < n; i++)
            if (fabs(a[i * n + j]) > fabs(a[pivot * n + j]))
                pivot = i;
        for (int k = 0; k < n + m; k++) {
            double *row = k < n ? a + k : b + k - n, swap;
            int width = k < n ? n : m;

            swap = row[j * width];
            row[j * width] = row[pivot * width];
            row[pivot * width] = swap;
        }
        for (int i = 0; i < n; i++) {
            double factor = i == j ? 0 : a[i * n + j] / a[j * n + j];

            for (int k = 0; k < n; k++)
                a[i * n + k] -= factor * a[j * n + k];
            for (int k = 0; k < m; k++)
                b[i * m + k] -= factor * b[j * m + k];
        }
    }
    for (int j = 0; j < n; j++)
        for (int k = 0; k < m; k++)
            b[j * m + k] /= a[j * n + j];
}

static double unit[(N + M) * D];

static void standardize(void)
{
    for (int i = 0; i < N + M; i++) {
        const float *x = i < N ? train + i * D : test + (i - N) * D;
        double squares = 0;

        for (int j = 0; j < D; j++)
            squares += (double)x[j] * (double)x[j];
        for (int j = 0; j < D; j++)
            unit[i * D + j] = (double)x[j] / sqrt(squares);
    }
    for (int j = 0; j < D; j++) {
        double mean = 0, squares = 0;

        for (int i = 0; i < N; i++)
            mean += unit[i * D + j] / N;
        for (int i = 0; i < N; i++)
            squares += (unit[i * D + j] - mean) * (unit[i * D + j] - mean);
        for (int i = 0; i < N + M; i++)
            unit[i * D + j] = (unit[i * D + j] - mean) / (sqrt(squares / (N - 1)) + 1e-6);
    }
}

static void naive(int labelled, double *top1, double *top5)
{
    static double gram[D * D], w[D * CLASSES];
    double share[CLASSES] = { 0 };
    int hits1 = 0, hits5 = 0;

    standardize();
    memset(gram, 0, sizeof gram);
    memset(w, 0, sizeof w);
    for (int i = 0; i < labelled; i++)
        share[labels[i]] += 1.0 / labelled;
    for (int i = 0; i < labelled; i++) {
        for (int j = 0; j < D; j++) {
            for (int k = 0; k < D; k++)
                gram[j * D + k] += unit[i * D + j] * unit[i * D + k];
            for (int c = 0; c < CLASSES; c++)
                w[j * CLASSES + c] += unit[i * D + j] * ((labels[i] == c) - share[c]);
        }
    }
    for (int j = 0; j < D; j++)
        gram[j * D + j] += 0.1 * labelled;
    eliminate(gram, w, D, CLASSES);
    for (int i = 0; i < M; i++) {
        double y[CLASSES];
        int better = 0;

        for (int c = 0; c < CLASSES; c++) {
            y[c] = share[c];
            for (int j = 0; j < D; j++)
                y[c] += unit[(N + i) * D + j] * w[j * CLASSES + c];
        }
        for (int c = 0; c < CLASSES; c++)
            better += y[c] > y[test_labels[i]];
        hits1 += better < 1;
        hits5 += better < 5;
    }
    *top1 = 100.0 * hits1 / M;
    *top5 = 100.0 * hits5 / M;
}

START_TEST(equals_the_definition)
{
    static const int labelled[] = { 1, 10, 100, 300, N, N + 7 };

    fill();
    for (size_t i = 0; i < sizeof labelled / sizeof *labelled; i++) {
        double top1, top5, want1, want5;

        ck_assert_int_eq(ak_eval_probe(train, labels, N, labelled[i], test, test_labels, M, D,
                                       CLASSES, &top1, &top5),
                         0);
        naive(labelled[i] < N ? labelled[i] : N, &want1, &want5);
        if (labelled[i] > 1) // one label leaves all but one class level
            ck_assert(top1 > 25 && top1 < 99.9);
        ck_assert_double_eq(top1, want1);
        if (labelled[i] > 10)
            ck_assert_double_eq(top5, want5);
    }
}
END_TEST

START_TEST(unused_labels_are_not_read)
{
    double top1, top5, again1, again5;

    fill();
    ck_assert_int_eq(
        ak_eval_probe(train, labels, N, 50, test, test_labels, M, D, CLASSES, &top1, &top5), 0);
    for (int i = 50; i < N; i++)
        labels[i] = -1;
    ck_assert_int_eq(
        ak_eval_probe(train, labels, N, 50, test, test_labels, M, D, CLASSES, &again1, &again5), 0);
    ck_assert(top1 == again1 && top5 == again5);
}
END_TEST

START_TEST(degenerate_features)
{
    static const float zero[4 * 3];
    static const int64_t of[4] = { 1, 1, 0, 1 };
    double top1, top5;

    ck_assert_int_eq(ak_eval_probe(zero, of, 4, 4, zero, of, 4, 3, 2, &top1, &top5), 0);
    ck_assert_double_eq(top1, 75); // the most frequent class
    ck_assert_int_eq(ak_eval_probe(zero, of, 1, 1, zero, of, 4, 3, 2, &top1, &top5), 0);
    ck_assert_double_eq(top1, 75);
}
END_TEST

START_TEST(bad_input)
{
    double top1 = -1, top5 = -1;

    fill();
#define PROBE(labelled, classes)                                                                   \
    ak_eval_probe(train, labels, N, labelled, test, test_labels, M, D, classes, &top1, &top5)
    ck_assert_int_eq(PROBE(0, CLASSES), AKSSL_ERR_INVALID);
    ck_assert_int_eq(PROBE(100, 3), AKSSL_ERR_INVALID);
    train[N * D - 1] = INFINITY;
    ck_assert_int_eq(PROBE(100, CLASSES), AKSSL_ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(ak_error_text(), "probe: "));
    ck_assert(top1 == -1 && top5 == -1);
}
END_TEST

START_TEST(cholesky)
{
    static const int sizes[] = { 1, 2, 47, 48, 49, 97, 150 };
    ak_rng rng = ak_rng_at(9, AK_RNG_BENCH, 0, 0, 0);

    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        int n = sizes[k], m = 3;
        double *r = malloc(sizeof *r * n * n), *a = calloc((size_t)(n * n), sizeof *a);
        double *copy = malloc(sizeof *copy * n * n);
        double *x = malloc(sizeof *x * n * m), *b = calloc((size_t)(n * m), sizeof *b);

        for (int i = 0; i < n * n; i++)
            r[i] = ak_rng_normal(&rng);
        for (int i = 0; i < n * m; i++)
            x[i] = ak_rng_normal(&rng);
        for (int i = 0; i < n; i++)
            for (int j = 0; j < n; j++)
                for (int l = 0; l <= n; l++)
                    a[i * n + j] += l < n ? r[i * n + l] * r[j * n + l] : i == j ? n : 0;
        for (int i = 0; i < n; i++)
            for (int c = 0; c < m; c++)
                for (int j = 0; j < n; j++)
                    b[i * m + c] += a[i * n + j] * x[j * m + c];
        memcpy(copy, a, sizeof *a * n * n);
        for (int i = 0; i < n; i++)
            for (int j = i + 1; j < n; j++)
                copy[i * n + j] = NAN; // the upper half is not read
        ck_assert(ak_cholesky_solve(copy, n, b, m));
        for (int i = 0; i < n * m; i++)
            ck_assert_double_eq_tol(b[i], x[i], 1e-9);
        a[(n - 1) * n + n - 1] = -1;
        ck_assert(!ak_cholesky_solve(a, n, b, m));
        free(r);
        free(a);
        free(copy);
        free(x);
        free(b);
    }
}
END_TEST

AK_TEST_MAIN(AK_CASE(equals_the_definition), AK_CASE(unused_labels_are_not_read),
             AK_CASE(degenerate_features), AK_CASE(bad_input), AK_CASE(cholesky))
