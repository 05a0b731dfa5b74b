// tests/unit/worker/tensor/op/l2norm.c -- tests worker/tensor/op/l2norm.c.

#include "tests/unit/worker/tensor/op/differences.h"

enum { ROWS = 12, D = 33 };

static ak_tensor *record(const ak_probe *p, ak_graph *g, ak_tensor *const x[])
{
    (void)p;
    return ak_l2norm(g, x[0]);
}

static void naive(const ak_probe *p, int shards, ak_probe_want *want)
{
    (void)shards;
    for (int r = 0; r < ROWS; r++) {
        const float *x = p->x[0] + r * D, *up = p->upstream + r * D;
        double length = 0, along = 0;

        for (int i = 0; i < D; i++)
            length += (double)x[i] * (double)x[i];
        length = fmax(sqrt(length), 1e-12);
        for (int i = 0; i < D; i++)
            along += (double)x[i] * (double)up[i] / length;
        for (int i = 0; i < D; i++) {
            double u = (double)x[i] / length;

            want->y[r * D + i] = u;
            want->dx[0][r * D + i] = ((double)up[i] - u * along) / length;
        }
    }
}

static ak_probe make(void)
{
    return (ak_probe){ .record = record,
                       .naive = naive,
                       .inputs = 1,
                       .dims = 2,
                       .shape = { { ROWS, D } },
                       .y_numel = ROWS * D,
                       .mode.training = true,
                       .tolerance = 2e-6 };
}

START_TEST(against_reference)
{
    ak_probe p = make();

    ak_probe_check(&p);
}
END_TEST

START_TEST(long_and_short_rows)
{
    for (int e = -15; e <= 15; e += 6) {
        ak_probe p = make();

        p.x[0] = ak_rig_values(ROWS * D, 2, pow(10, e));
        ak_probe_init(&p);
        if (e > -12)
            ak_probe_check_on(&p, 2);
        else { // gradients of 1e15 leave nothing to compare; the values have to hold
            ak_probe_result r = ak_probe_run(&p, 1, 1, false);

            for (int i = 0; i < ROWS * D; i++)
                ck_assert(isfinite(r.y[i]) && fabsf(r.y[i]) <= 1.0001f);
            ak_probe_result_fini(&r);
        }
        ak_probe_fini(&p);
    }
}
END_TEST

START_TEST(a_row_of_zeros_stays_zero)
{
    ak_probe p = make();
    ak_probe_result r;

    p.x[0] = ak_rig_values(ROWS * D, 2, 1);
    memset(p.x[0], 0, D * sizeof(float));
    ak_probe_init(&p);
    r = ak_probe_run(&p, 1, 1, false);
    for (int i = 0; i < D; i++)
        ck_assert(r.y[i] == 0 && isfinite(r.dx[0][i]));
    ak_probe_result_fini(&r);
    ak_probe_fini(&p);
}
END_TEST

// Rows on both sides of the least length, down to zeros.
static ak_tensor *record_above(const ak_probe *p, ak_graph *g, ak_tensor *const x[])
{
    (void)p;
    return ak_l2norm_above(g, x[0], 1.5);
}

static void formula_above(const ak_probe *p, double *const x[], const double *trained, double *y)
{
    (void)p;
    (void)trained;
    for (int r = 0; r < ROWS; r++) {
        double length = 0;

        for (int i = 0; i < D; i++)
            length += x[0][r * D + i] * x[0][r * D + i];
        for (int i = 0; i < D; i++)
            y[r * D + i] = x[0][r * D + i] / fmax(sqrt(length), 1.5);
    }
}

static void naive_above(const ak_probe *p, int shards, ak_probe_want *want)
{
    (void)shards;
    ak_differences(p, formula_above, want);
}

START_TEST(rows_below_the_least_length)
{
    ak_probe p = make();

    p.record = record_above;
    p.naive = naive_above;
    p.tolerance = 5e-6;
    p.x[0] = ak_rig_values(ROWS * D, 2, 1);
    for (int r = 0; r < ROWS; r += 2)
        for (int i = 0; i < D; i++)
            p.x[0][r * D + i] *= r ? 0.2f : 0;
    ak_probe_check(&p);
}
END_TEST

AK_TEST_MAIN(AK_CASE(against_reference), AK_CASE(long_and_short_rows),
             AK_CASE(a_row_of_zeros_stays_zero), AK_CASE(rows_below_the_least_length))
