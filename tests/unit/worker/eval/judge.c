// tests/unit/worker/eval/judge.c -- tests worker/eval/judge.c.

#include <math.h>

#include "proto/base/error.h"
#include "tests/check.h"
#include "worker/eval/judge.h"
#include "worker/rng/rng.h"

enum { N = 613, D = 9, CLASSES = 7 };

static float x[N * D], w[CLASSES * D], bias[CLASSES];
static int64_t labels[N];

static void fill(void)
{
    ak_rng rng = ak_rng_at(6, AK_RNG_BENCH, 0, 0, 0);

    for (int i = 0; i < CLASSES * D; i++)
        w[i] = (float)ak_rng_normal(&rng);
    for (int c = 0; c < CLASSES; c++)
        bias[c] = (float)ak_rng_normal(&rng);
    for (int i = 0; i < N; i++) {
        labels[i] = ak_rng_below(&rng, CLASSES);
        for (int j = 0; j < D; j++)
            x[i * D + j] = w[labels[i] * D + j] / 2 + (float)ak_rng_normal(&rng);
    }
}

static ak_verdict naive(int k)
{
    int hits1 = 0, hits = 0;
    double loss = 0;

    for (int i = 0; i < N; i++) {
        double score[CLASSES], sum = 0;
        int above = 0;

        for (int c = 0; c < CLASSES; c++) {
            score[c] = (double)bias[c];
            for (int j = 0; j < D; j++)
                score[c] += (double)x[i * D + j] * (double)w[c * D + j];
        }
        for (int c = 0; c < CLASSES; c++) {
            above += score[c] > score[labels[i]];
            sum += exp(score[c] - score[labels[i]]);
        }
        hits1 += above < 1;
        hits += above < k;
        loss += log(sum);
    }
    return (ak_verdict){ 100.0 * hits1 / N, 100.0 * hits / N, loss / N };
}

START_TEST(equals_the_definition)
{
    fill();
    for (int k = 1; k <= CLASSES; k += 2) {
        ak_verdict got, want = naive(k);

        ck_assert_int_eq(ak_eval_judge("test", x, labels, N, D, w, bias, CLASSES, k, &got), 0);
        ck_assert_double_eq(got.top1, want.top1);
        ck_assert_double_eq(got.topk, want.topk);
        ck_assert(fabs(got.loss - want.loss) < 1e-5);
        ck_assert(got.top1 > 30 && got.top1 < 95);
        ck_assert(k < CLASSES || got.topk == 100);
    }
}
END_TEST

START_TEST(of_equal_scores_the_lower_class_stands_first)
{
    static const float one[1] = { 1 }, zero[3] = { 0 };
    ak_verdict got;

    for (int64_t label = 0; label < 3; label++) {
        ck_assert_int_eq(ak_eval_judge("test", one, &label, 1, 1, zero, zero, 3, 2, &got), 0);
        ck_assert_double_eq(got.top1, label == 0 ? 100 : 0);
        ck_assert_double_eq(got.topk, label <= 1 ? 100 : 0);
        ck_assert(fabs(got.loss - log(3)) < 1e-12);
    }
}
END_TEST

START_TEST(bad_input)
{
    ak_verdict got = { -1, -1, -1 };

    fill();
    labels[4] = CLASSES;
    ck_assert_int_eq(ak_eval_judge("test", x, labels, N, D, w, bias, CLASSES, 5, &got),
                     AKSSL_ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(ak_error_text(), "test image 4"));
    labels[4] = 0;
    x[D] = INFINITY;
    ck_assert_int_eq(ak_eval_judge("test", x, labels, N, D, w, bias, CLASSES, 5, &got),
                     AKSSL_ERR_INVALID);
    ck_assert(got.top1 == -1);
}
END_TEST

AK_TEST_MAIN(AK_CASE(equals_the_definition), AK_CASE(of_equal_scores_the_lower_class_stands_first),
             AK_CASE(bad_input))
