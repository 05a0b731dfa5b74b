// tests/unit/worker/eval/knn.c -- tests worker/eval/knn.c.

#include <math.h>

#include "proto/base/error.h"
#include "tests/check.h"
#include "worker/eval/knn.h"
#include "worker/rng/rng.h"

enum { N = 150, M = 131, D = 7, CLASSES = 9 };

static float train[N * D], test[M * D];
static int64_t labels[N], test_labels[M];

// Clusters wide enough that neighbours disagree.
static void fill(void)
{
    ak_rng rng = ak_rng_at(4, AK_RNG_BENCH, 0, 0, 0);
    float centre[CLASSES * D];

    for (int i = 0; i < CLASSES * D; i++)
        centre[i] = (float)ak_rng_normal(&rng);
    for (int i = 0; i < N; i++) {
        labels[i] = ak_rng_below(&rng, CLASSES);
        for (int j = 0; j < D; j++)
            train[i * D + j] = 3 * (centre[labels[i] * D + j] + (float)ak_rng_normal(&rng));
    }
    for (int i = 0; i < M; i++) {
        test_labels[i] = ak_rng_below(&rng, CLASSES);
        for (int j = 0; j < D; j++)
            test[i * D + j] = centre[test_labels[i] * D + j] + (float)ak_rng_normal(&rng);
    }
}

static double cosine(const float *a, const float *b)
{
    double ab = 0, aa = 0, bb = 0;

    for (int j = 0; j < D; j++) {
        ab += (double)a[j] * (double)b[j];
        aa += (double)a[j] * (double)a[j];
        bb += (double)b[j] * (double)b[j];
    }
    return ab / sqrt(aa * bb);
}

// By the definition: the i-th nearest is the one with i others nearer.
static void naive(int k, double temperature, double *top1, double *top5)
{
    int hits1 = 0, hits5 = 0;

    for (int t = 0; t < M; t++) {
        double votes[CLASSES] = { 0 };
        int better = 0;

        for (int i = 0; i < N; i++) {
            double s = cosine(test + t * D, train + i * D);
            int nearer = 0;

            for (int j = 0; j < N; j++)
                nearer += cosine(test + t * D, train + j * D) > s;
            if (nearer < k)
                votes[labels[i]] += exp(s / temperature);
        }
        for (int c = 0; c < CLASSES; c++)
            better += votes[c] > votes[test_labels[t]];
        hits1 += votes[test_labels[t]] > 0 && better < 1;
        hits5 += votes[test_labels[t]] > 0 && better < 5;
    }
    *top1 = 100.0 * hits1 / M;
    *top5 = 100.0 * hits5 / M;
}

START_TEST(equals_the_definition)
{
    static const int ks[] = { 1, 3, 20, N, N + 5 };

    fill();
    for (size_t i = 0; i < sizeof ks / sizeof *ks; i++) {
        double top1, top5, want1, want5;

        ck_assert_int_eq(ak_eval_knn(train, labels, N, test, test_labels, M, D, CLASSES, ks[i],
                                     0.07, 5, &top1, &top5),
                         0);
        naive(ks[i], 0.07, &want1, &want5);
        ck_assert_double_eq(top1, want1);
        ck_assert_double_eq(top5, want5);
        ck_assert(top1 > 20 && top1 < 90); // neither chance nor trivial
        ck_assert(ks[i] == 1 ? top5 == top1 : top5 > top1);
    }
}
END_TEST

START_TEST(ties_go_to_the_lower_index)
{
    static const float same[6 * 2] = { 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0 }, one[2] = { 1, 0 };
    static const int64_t of[6] = { 2, 1, 1, 0, 0, 0 }, two[1] = { 2 }, three[1] = { 1 };
    static const int64_t five[1] = { 5 };
    double top1, top5;

    ck_assert_int_eq(ak_eval_knn(same, of, 6, one, two, 1, 2, 6, 1, 0.07, 5, &top1, &top5), 0);
    ck_assert_double_eq(top1, 100);
    ck_assert_int_eq(ak_eval_knn(same, of, 6, one, three, 1, 2, 6, 3, 0.07, 5, &top1, &top5), 0);
    ck_assert_double_eq(top1, 100);
    ck_assert_int_eq(ak_eval_knn(same, of, 6, one, three, 1, 2, 6, 2, 0.07, 5, &top1, &top5), 0);
    ck_assert_double_eq(top1, 100); // one vote each: class 1 before class 2
    ck_assert_int_eq(ak_eval_knn(same, of, 6, one, five, 1, 2, 6, 6, 0.07, 5, &top1, &top5), 0);
    ck_assert(top1 == 0 && top5 == 0); // no vote, no hit
    ck_assert_int_eq(ak_eval_knn(same, of, 6, one, two, 1, 2, 6, 6, 1e-6, 5, &top1, &top5), 0);
    ck_assert(top1 == 0 && top5 == 100); // a tiny temperature does not overflow
}
END_TEST

START_TEST(collapsed_features)
{
    static const float zero[4 * 3];
    static const int64_t of[4] = { 1, 0, 0, 0 };
    double top1, top5;

    ck_assert_int_eq(ak_eval_knn(zero, of, 4, zero, of, 4, 3, 2, 1, 0.07, 5, &top1, &top5), 0);
    ck_assert_double_eq(top1, 25);
}
END_TEST

START_TEST(bad_input)
{
    double top1 = -1, top5 = -1;

    fill();
#define KNN(n, m, d, classes, k, t)                                                                \
    ak_eval_knn(train, labels, n, test, test_labels, m, d, classes, k, t, 5, &top1, &top5)
    ck_assert_int_eq(KNN(0, M, D, CLASSES, 20, 0.07), AKSSL_ERR_INVALID);
    ck_assert_int_eq(KNN(N, 0, D, CLASSES, 20, 0.07), AKSSL_ERR_INVALID);
    ck_assert_int_eq(KNN(N, M, 0, CLASSES, 20, 0.07), AKSSL_ERR_INVALID);
    ck_assert_int_eq(KNN(N, M, D, 0, 20, 0.07), AKSSL_ERR_INVALID);
    ck_assert_int_eq(KNN(N, M, D, 3, 20, 0.07), AKSSL_ERR_INVALID);
    ck_assert_int_eq(KNN(N, M, D, CLASSES, 0, 0.07), AKSSL_ERR_INVALID);
    ck_assert_int_eq(KNN(N, M, D, CLASSES, 20, 0), AKSSL_ERR_INVALID);
    ck_assert_int_eq(KNN(N, M, D, CLASSES, 20, NAN), AKSSL_ERR_INVALID);
    labels[3] = -1;
    ck_assert_int_eq(KNN(N, M, D, CLASSES, 20, 0.07), AKSSL_ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(ak_error_text(), "image 3"));
    labels[3] = 0;
    test[5] = NAN;
    ck_assert_int_eq(KNN(N, M, D, CLASSES, 20, 0.07), AKSSL_ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(ak_error_text(), "diverged"));
    ck_assert(top1 == -1 && top5 == -1);
}
END_TEST

AK_TEST_MAIN(AK_CASE(equals_the_definition), AK_CASE(ties_go_to_the_lower_index),
             AK_CASE(collapsed_features), AK_CASE(bad_input))
