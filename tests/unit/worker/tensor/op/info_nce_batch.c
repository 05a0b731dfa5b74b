// tests/unit/worker/tensor/op/info_nce_batch.c -- tests worker/tensor/op/info_nce_batch.c.

#include "tests/unit/worker/tensor/op/differences.h"

enum { B = 12, D = 19 };

static ak_tensor *record(const ak_probe *p, ak_graph *g, ak_tensor *const x[])
{
    return ak_info_nce_batch(g, x[0], x[1], *(const double *)p->ctx);
}

static double formula(const ak_probe *p, int shards, double *const x[])
{
    double t = *(const double *)p->ctx, loss = 0;

    for (int v = 0; v < 2; v++)
        for (int64_t i = 0; i < B; i++) {
            const double *q = x[0] + ak_pair_row(B, shards, v, i) * D;
            double own = ak_pair_dot(q, x[1] + ak_pair_row(B, shards, 1 - v, i) * D, D) / t,
                   sum = 0;

            for (int64_t j = 0; j < B; j++)
                sum +=
                    exp(ak_pair_dot(q, x[1] + ak_pair_row(B, shards, 1 - v, j) * D, D) / t - own);
            loss += 2 * t * log(sum) / B;
        }
    return loss;
}

static void naive(const ak_probe *p, int shards, ak_probe_want *want)
{
    ak_differences_of_loss(p, formula, shards, want);
}

static ak_probe make(const double *temperature)
{
    ak_probe p = { .record = record,
                   .naive = naive,
                   .ctx = temperature,
                   .inputs = 2,
                   .dims = 2,
                   .shape = { { 2 * B, D }, { 2 * B, D } },
                   .constant = { false, true },
                   .inexact = true,
                   .mode.training = true,
                   .tolerance = 2e-5 };

    for (int k = 0; k < 2; k++) // of about unit length
        p.x[k] = ak_rig_values(2 * B * D, (uint32_t)(1 + k), 0.4);
    return p;
}

START_TEST(against_reference)
{
    static const double temperatures[] = { 0.1, 0.2, 1, 50 };

    for (int i = 0; i < 4; i++) {
        ak_probe p = make(&temperatures[i]);

        ak_probe_check(&p);
    }
}
END_TEST

// Rows that are all equal: ln B a view, times 2t.
START_TEST(equal_rows)
{
    double temperature = 0.2;
    ak_probe p = make(&temperature);
    ak_probe_result r;

    ak_probe_init(&p);
    for (int k = 0; k < 2; k++)
        for (int64_t i = 0; i < 2 * B * D; i++)
            p.x[k][i] = p.x[0][i % D];
    r = ak_probe_run(&p, 4, 1, false);
    ck_assert_double_le(fabs(r.loss - 4 * temperature * log(B)), 1e-5);
    ak_probe_result_fini(&r);
    ak_probe_fini(&p);
}
END_TEST

START_TEST(a_nan_shows)
{
    double temperature = 0.2;

    for (int k = 0; k < 2; k++) {
        ak_probe p = make(&temperature);
        ak_probe_result r;

        ak_probe_init(&p);
        p.x[k][7 * D + 3] = NAN;
        r = ak_probe_run(&p, 4, 1, false);
        ck_assert(isnan(r.loss));
        ak_probe_result_fini(&r);
        ak_probe_fini(&p);
    }
}
END_TEST

AK_TEST_MAIN(AK_CASE(against_reference), AK_CASE(equal_rows), AK_CASE(a_nan_shows))
