// tests/unit/worker/eval/logistic.c -- tests worker/eval/logistic.c: against gradient descent in
// doubles, from the definition.

#include <math.h>

#include "proto/base/error.h"
#include "tests/check.h"
#include "worker/eval/logistic.h"
#include "worker/rng/rng.h"

enum { N = 1100, M = 300, D = 5, CLASSES = 4, SIZE = CLASSES * (D + 1) }; // over two blocks

static float train[N * D], test[M * D];
static int64_t labels[N], test_labels[M];

// Overlapping classes, features of different scale far from 0.
static void fill(void)
{
    ak_rng rng = ak_rng_at(8, AK_RNG_BENCH, 0, 0, 0);
    double centre[CLASSES * D];

    for (int i = 0; i < CLASSES * D; i++)
        centre[i] = ak_rng_normal(&rng);
    for (int i = 0; i < N + M; i++) {
        int64_t label = ak_rng_below(&rng, CLASSES);
        float *row = i < N ? train + i * D : test + (i - N) * D;

        *(i < N ? labels + i : test_labels + (i - N)) = label;
        for (int j = 0; j < D; j++)
            row[j] =
                (float)(pow(10, j - 2) * (centre[label * D + j] + 1.5 * ak_rng_normal(&rng) + 7));
    }
}

static void standardize(double x[N * D])
{
    for (int j = 0; j < D; j++) {
        double mean = 0, var = 0;

        for (int i = 0; i < N; i++)
            mean += (double)train[i * D + j] / N;
        for (int i = 0; i < N; i++)
            var += pow((double)train[i * D + j] - mean, 2) / N;
        for (int i = 0; i < N; i++)
            x[i * D + j] = ((double)train[i * D + j] - mean) / (sqrt(var) + 1e-6);
    }
}

static double objective(const double x[N * D], const double at[SIZE], double slope[SIZE])
{
    const double *bias = at + CLASSES * D;
    double loss = 0;

    memset(slope, 0, SIZE * sizeof *slope);
    for (int i = 0; i < CLASSES * D; i++) {
        loss += at[i] * at[i] / (2 * N);
        slope[i] = at[i] / N;
    }
    for (int i = 0; i < N; i++) {
        double e[CLASSES], sum = 0;

        for (int c = 0; c < CLASSES; c++) {
            double z = bias[c];

            for (int j = 0; j < D; j++)
                z += at[c * D + j] * x[i * D + j];
            sum += e[c] = exp(z);
        }
        loss -= log(e[labels[i]] / sum) / N;
        for (int c = 0; c < CLASSES; c++) {
            double r = (e[c] / sum - (c == labels[i])) / N;

            slope[CLASSES * D + c] += r;
            for (int j = 0; j < D; j++)
                slope[c * D + j] += r * x[i * D + j];
        }
    }
    return loss;
}

START_TEST(reaches_the_optimum)
{
    static double x[N * D];
    double at[SIZE] = { 0 }, slope[SIZE], loss = 0;
    ak_logistic fit;

    fill();
    standardize(x);
    for (int step = 0; step < 4000; step++) {
        loss = objective(x, at, slope);
        for (int i = 0; i < SIZE; i++)
            at[i] -= 0.8 * slope[i];
    }
    for (int i = 0; i < SIZE; i++)
        ck_assert(fabs(slope[i]) < 1e-7); // the reference itself has arrived
    ck_assert_int_eq(ak_logistic_fit(&fit, train, labels, N, D, CLASSES), 0);
    ck_assert_msg(fabs(fit.loss - loss) < 1e-6, "%.9g, not %.9g", fit.loss, loss);
    ck_assert(fit.slope <= 2e-5 && fit.iterations > 3 && fit.iterations < 100);
    for (int i = 0; i < SIZE; i++)
        ck_assert_msg(fabs(fit.w[i] - at[i]) < 2e-3, "weight %d is %g, not %g", i, fit.w[i], at[i]);
    for (int c = 0; c < CLASSES; c++)
        ck_assert(fit.bias[c] == fit.w[CLASSES * D + c]);
    ak_logistic_fini(&fit);
}
END_TEST

START_TEST(classifies)
{
    double top1, topk, all, again;
    int64_t other[M];

    fill();
    ck_assert_int_eq(
        ak_eval_logistic(train, labels, N, test, test_labels, M, D, CLASSES, 2, &top1, &topk), 0);
    ck_assert(top1 > 45 && top1 < 95 && topk > top1 && topk < 100);
    ck_assert_int_eq(
        ak_eval_logistic(train, labels, N, test, test_labels, M, D, CLASSES, CLASSES, &again, &all),
        0);
    ck_assert(again == top1 && all == 100);
    for (int i = 0; i < M; i++)
        other[i] = (test_labels[i] + 1) % CLASSES;
    ck_assert_int_eq(
        ak_eval_logistic(train, labels, N, test, other, M, D, CLASSES, 2, &again, &topk), 0);
    ck_assert(again < 40); // the labels matter
}
END_TEST

// Classes that a plane parts have no optimum without the square: the fit ends all the same.
START_TEST(separable)
{
    static const float apart[6] = { -3, -2, -1, 1, 2, 3 };
    static const int64_t of[6] = { 0, 0, 0, 1, 1, 1 };
    ak_logistic fit;

    ck_assert_int_eq(ak_logistic_fit(&fit, apart, of, 6, 1, 2), 0);
    ck_assert(fit.slope <= 2e-5 && fit.w[1] > 0 && fabs(fit.w[0] + fit.w[1]) < 1e-9);
    ck_assert(isfinite(fit.w[1]) && fit.loss > 0 && fit.loss < log(2));
    ak_logistic_fini(&fit);
}
END_TEST

START_TEST(constant_features)
{
    static const float same[4 * 2] = { 5, 5, 5, 5, 5, 5, 5, 5 };
    static const int64_t of[4] = { 0, 1, 1, 1 };
    double top1, topk;

    ck_assert_int_eq(ak_eval_logistic(same, of, 4, same, of, 4, 2, 2, 1, &top1, &topk), 0);
    ck_assert_double_eq(top1, 75); // the bias alone: the commoner class
}
END_TEST

START_TEST(bad_input)
{
    double top1 = -1, topk = -1;

    fill();
    labels[3] = -1;
    ck_assert_int_eq(
        ak_eval_logistic(train, labels, N, test, test_labels, M, D, CLASSES, 2, &top1, &topk),
        AKSSL_ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(ak_error_text(), "image 3"));
    labels[3] = 0;
    test[7] = NAN;
    ck_assert_int_eq(
        ak_eval_logistic(train, labels, N, test, test_labels, M, D, CLASSES, 2, &top1, &topk),
        AKSSL_ERR_INVALID);
    ck_assert(top1 == -1 && topk == -1);
}
END_TEST

AK_TEST_MAIN(AK_CASE(reaches_the_optimum), AK_CASE(classifies), AK_CASE(separable),
             AK_CASE(constant_features), AK_CASE(bad_input))
