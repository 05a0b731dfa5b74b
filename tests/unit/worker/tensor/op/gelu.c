// tests/unit/worker/tensor/op/gelu.c -- tests worker/tensor/op/gelu.c.

#include "tests/unit/worker/tensor/op/differences.h"
#include "worker/tensor/kernel_vit.h"

static ak_tensor *record(const ak_probe *p, ak_graph *g, ak_tensor *const x[])
{
    (void)p;
    return ak_gelu(g, x[0]);
}

static double of(double x)
{
    return 0.5 * x * erfc(-x / sqrt(2));
}

static void formula(const ak_probe *p, double *const x[], const double *trained, double *y)
{
    (void)trained;
    for (int64_t i = 0; i < p->y_numel; i++)
        y[i] = of(x[0][i]);
}

static void naive(const ak_probe *p, int shards, ak_probe_want *want)
{
    (void)shards;
    ak_differences(p, formula, want);
}

START_TEST(against_differences)
{
    ak_probe p = { .record = record,
                   .naive = naive,
                   .inputs = 1,
                   .dims = 3,
                   .shape = { { 8, 3, 17 } },
                   .y_numel = 8 * 3 * 17,
                   .mode.training = true,
                   .tolerance = 1e-6 };

    p.x[0] = ak_rig_values(p.y_numel, 10, 5);
    ak_probe_check(&p);
}
END_TEST

// To 2e-7 of |x|, in the tails and beyond them; larger than a piece of work.
START_TEST(is_the_exact_form)
{
    enum { N = 40001 };
    static float x[N], y[N], dx[N], one[N];

    for (int i = 0; i < N; i++) {
        x[i] = (float)(i - N / 2) / 1000;
        one[i] = 1;
    }
    ak_kernel_gelu(y, x, N, 2);
    ak_kernel_gelu_backward(dx, one, x, N, false, 2);
    for (int i = 0; i < N; i++) {
        double at = (double)x[i], density = exp(-at * at / 2) / sqrt(2 * acos(-1.0));

        ck_assert_double_le(fabs((double)y[i] - of(at)), 2e-7 * fabs(at) + 1e-12);
        ck_assert_double_le(fabs((double)dx[i] - (0.5 * erfc(-at / sqrt(2)) + at * density)), 3e-7);
    }
    x[0] = NAN; // a diverged run shows
    x[1] = -1e30f;
    x[2] = 1e30f;
    ak_kernel_gelu(y, x, 3, 1);
    ck_assert(isnan(y[0]) && fabsf(y[1]) <= 1e-7f && y[2] == 1e30f);
}
END_TEST

AK_TEST_MAIN(AK_CASE(against_differences), AK_CASE(is_the_exact_form))
