// tests/unit/worker/tensor/op/nt_xent.c -- tests worker/tensor/op/nt_xent.c.

#include "tests/unit/worker/tensor/op/probe.h"

enum { B = 12, D = 21 }; // images of the global batch

static ak_tensor *record(const ak_probe *p, ak_graph *g, ak_tensor *const x[])
{
    return ak_nt_xent(g, x[0], *(const double *)p->ctx);
}

// Where the other view of row i is: shards hold view 0 above view 1.
static int partner(int i, int shards)
{
    int rows = 2 * B / shards;

    return i / rows * rows + (i % rows + rows / 2) % rows;
}

static double dot(const ak_probe *p, int i, int j)
{
    double sum = 0;

    for (int c = 0; c < D; c++)
        sum += (double)p->x[0][i * D + c] * (double)p->x[0][j * D + c];
    return sum;
}

static void naive(const ak_probe *p, int shards, ak_probe_want *want)
{
    double t = *(const double *)p->ctx, up = (double)p->upstream[0];

    for (int i = 0; i < 2 * B; i++) {
        double sum = 0, positive = dot(p, i, partner(i, shards)) / t;

        for (int j = 0; j < 2 * B; j++)
            sum += i == j ? 0 : exp(dot(p, i, j) / t - positive);
        want->loss += log(sum) / (2 * B);
        for (int j = 0; j < 2 * B; j++) {
            double share = i == j ? 0 : exp(dot(p, i, j) / t - positive) / sum;

            share -= j == partner(i, shards);
            for (int c = 0; c < D; c++) { // s_ij moves with both of its rows
                want->dx[0][i * D + c] += up * share * (double)p->x[0][j * D + c] / (t * 2 * B);
                want->dx[0][j * D + c] += up * share * (double)p->x[0][i * D + c] / (t * 2 * B);
            }
        }
    }
}

static void check(double temperature, double tolerance)
{
    ak_probe p = { .record = record,
                   .naive = naive,
                   .ctx = &temperature,
                   .inputs = 1,
                   .dims = 2,
                   .shape = { { 2 * B, D } },
                   .inexact = true,
                   .mode.training = true,
                   .tolerance = tolerance };

    p.x[0] = ak_rig_values(2 * B * D, 1, 1);
    for (int r = 0; r < 2 * B; r++) {
        double length = sqrt(dot(&p, r, r));

        for (int c = 0; c < D; c++)
            p.x[0][r * D + c] = (float)((double)p.x[0][r * D + c] / length);
    }
    ak_probe_check(&p);
}

START_TEST(against_reference)
{
    check(0.5, 3e-6);
    check(0.1, 1e-5);
}
END_TEST

START_TEST(extreme_temperatures)
{
    check(1e-2, 1e-4);
    check(100, 1e-4);
}
END_TEST

START_TEST(a_nan_shows)
{
    double temperature = 0.5;
    ak_probe p = { .record = record,
                   .naive = naive,
                   .ctx = &temperature,
                   .inputs = 1,
                   .dims = 2,
                   .shape = { { 2 * B, D } },
                   .mode.training = true };

    ak_probe_init(&p);
    for (int row = 0; row < 2 * B; row += 5) {
        ak_probe_result r;

        ak_rig_fill(p.x[0], 2 * B * D, 1, 0.3);
        p.x[0][row * D + 3] = NAN;
        r = ak_probe_run(&p, 4, 1, false);
        ck_assert_msg(isnan(r.loss), "NaN in row %d: the loss is %g", row, r.loss);
        ak_probe_result_fini(&r);
    }
    ak_probe_fini(&p);
}
END_TEST

AK_TEST_MAIN(AK_CASE(against_reference), AK_CASE(extreme_temperatures), AK_CASE(a_nan_shows))
