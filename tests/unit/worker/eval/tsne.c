// tests/unit/worker/eval/tsne.c -- tests worker/eval/tsne.c by the definitions of t-SNE.

#include "worker/eval/tsne.h"

#include <math.h>
#include <string.h>

#include "proto/base/error.h"
#include "tests/check.h"
#include "worker/rng/rng.h"

enum { GROUPS = 8, EACH = 25, N = GROUPS * EACH, D = 12, PERPLEXITY = 30 };

static float cosine[N * N];
static double begin[2 * N], at[2 * N];

// Groups along axes that are orthogonal, at places that say little of them.
static void fill(double noise)
{
    static double x[N * D];
    ak_rng rng = ak_rng_at(3, AK_RNG_BENCH, 0, 0, 0);

    for (int i = 0; i < N; i++) {
        double squares = 0;

        for (int j = 0; j < D; j++) {
            x[i * D + j] = (j == i % GROUPS) + noise * ak_rng_normal(&rng);
            squares += x[i * D + j] * x[i * D + j];
        }
        for (int j = 0; j < D; j++)
            x[i * D + j] /= sqrt(squares);
        begin[2 * i] = x[i * D + D - 1];
        begin[2 * i + 1] = x[i * D + D - 2];
    }
    for (int i = 0; i < N; i++)
        for (int k = 0; k < N; k++) {
            double sum = 0;

            for (int j = 0; j < D; j++)
                sum += x[i * D + j] * x[k * D + j];
            cosine[i * N + k] = (float)sum;
        }
    memcpy(at, begin, sizeof at);
}

// How many rows have a row of another group as their nearest in the plane.
static int strangers(const double *places)
{
    int count = 0;

    for (int i = 0; i < N; i++) {
        double least = INFINITY;
        int who = -1;

        for (int j = 0; j < N; j++) {
            double far =
                hypot(places[2 * i] - places[2 * j], places[2 * i + 1] - places[2 * j + 1]);

            if (j != i && far < least) {
                least = far;
                who = j;
            }
        }
        count += who % GROUPS != i % GROUPS;
    }
    return count;
}

START_TEST(groups_come_apart)
{
    fill(0.1);
    ck_assert_int_gt(strangers(begin), N / 2);
    ck_assert_msg(ak_tsne(cosine, N, at) == AKSSL_OK, "%s", ak_error_text());
    ck_assert_int_eq(strangers(at), 0);
    for (int axis = 0; axis < 2; axis++) {
        double sum = 0;

        for (int i = 0; i < N; i++)
            sum += at[2 * i + axis];
        ck_assert_double_eq_tol(sum, 0, 1e-6);
    }
}
END_TEST

// p_j|i of a precision, and the perplexity that it has.
static double conditional(int i, double beta, double *row)
{
    double sum = 0, entropy = 0;

    for (int j = 0; j < N; j++) {
        row[j] = j == i ? 0 : exp(-beta * (2 - 2 * (double)cosine[i * N + j]));
        sum += row[j];
    }
    for (int j = 0; j < N; j++) {
        row[j] /= sum;
        if (row[j] > 0)
            entropy -= row[j] * log2(row[j]);
    }
    return exp2(entropy);
}

static double kl(const double *p, const double *places)
{
    static double w[N * N];
    double z = 0, sum = 0;

    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            double x = places[2 * i] - places[2 * j], y = places[2 * i + 1] - places[2 * j + 1];

            w[i * N + j] = i == j ? 0 : 1 / (1 + x * x + y * y);
            z += w[i * N + j];
        }
    for (int i = 0; i < N * N; i++)
        if (p[i] > 0)
            sum += p[i] * log(p[i] / (w[i] / z));
    return sum;
}

// At a minimum of KL(p || q): no step to the side of any row makes it less by more than rounding.
START_TEST(divergence_is_least)
{
    static double given[N * N], p[N * N];
    double least, first;

    fill(0.3);
    for (int i = 0; i < N; i++) {
        double low = 1e-3, high = 1e3;

        for (int turn = 0; turn < 100; turn++) {
            double beta = (low + high) / 2;

            *(conditional(i, beta, given + i * N) > PERPLEXITY ? &low : &high) = beta;
        }
    }
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            p[i * N + j] = (given[i * N + j] + given[j * N + i]) / (2 * N);
    ck_assert_int_eq(ak_tsne(cosine, N, at), AKSSL_OK);
    first = kl(p, begin);
    least = kl(p, at);
    ck_assert_msg(least < first / 2, "%g of %g", least, first);
    for (int i = 0; i < 2 * N; i += 7) {
        double was = at[i], up, down;

        at[i] = was + 0.01;
        up = kl(p, at);
        at[i] = was - 0.01;
        down = kl(p, at);
        at[i] = was;
        ck_assert_msg(up > least - 1e-7 && down > least - 1e-7, "%d: %g %g of %g", i, up, down,
                      least);
    }
}
END_TEST

START_TEST(the_same_twice)
{
    static double again[2 * N];

    fill(0.2);
    memcpy(again, begin, sizeof again);
    ck_assert_int_eq(ak_tsne(cosine, N, at), AKSSL_OK);
    ck_assert_int_eq(ak_tsne(cosine, N, again), AKSSL_OK);
    ck_assert_mem_eq(at, again, sizeof at);
}
END_TEST

// Few rows; rows that are all the same, or so but for rounding: no groups appear.
START_TEST(little_to_show)
{
    fill(0.1);
    for (int n = 0; n < 12; n++) {
        memcpy(at, begin, sizeof at);
        ck_assert_int_eq(ak_tsne(cosine, n, at), AKSSL_OK); // any n*n of cosines will do
        ck_assert(n > 3 || !memcmp(at, begin, sizeof at));
        for (int i = 0; i < 2 * n; i++)
            ck_assert(isfinite(at[i]));
    }
    for (int rounding = 0; rounding < 2; rounding++) {
        double farthest = 0, mean = 0;

        for (int i = 0; i < N * N; i++)
            cosine[i] = rounding && i % 7 == 0 ? 1 - 6e-8f : 1;
        memcpy(at, begin, sizeof at);
        ck_assert_int_eq(ak_tsne(cosine, N, at), AKSSL_OK);
        for (int i = 0; i < N; i++) {
            double far = hypot(at[2 * i], at[2 * i + 1]);

            ck_assert(isfinite(far));
            farthest = fmax(farthest, far);
            mean += far / N;
        }
        ck_assert_msg(farthest < 3 * mean, "%g of %g", farthest, mean);
    }
    memset(at, 0, sizeof at); // without a start, all stay where they are
    ck_assert_int_eq(ak_tsne(cosine, N, at), AKSSL_OK);
    for (int i = 0; i < 2 * N; i++)
        ck_assert_double_eq(at[i], 0);
}
END_TEST

AK_TEST_MAIN(AK_CASE(groups_come_apart), AK_CASE(divergence_is_least), AK_CASE(the_same_twice),
             AK_CASE(little_to_show))
