// tests/unit/worker/tensor/op/barlow_twins.c -- tests worker/tensor/op/barlow_twins.c, and
// batch_norm.c's ak_standard_columns, which goes before it.

#include "tests/unit/worker/tensor/op/differences.h"

enum { B = 12, D = 17 };

typedef struct loss {
    ak_barlow how;
    bool standard; // the columns are standardised first
} loss;

static ak_tensor *record(const ak_probe *p, ak_graph *g, ak_tensor *const x[])
{
    const loss *l = p->ctx;

    return ak_barlow_twins(g, l->standard ? ak_standard_columns(g, x[0], 2) : x[0], &l->how);
}

static void column(const loss *l, int shards, const double *z, int v, int c, double out[B])
{
    double mean = 0, var = 0;

    for (int i = 0; i < B; i++)
        out[i] = z[ak_pair_row(B, shards, v, i) * D + c];
    for (int i = 0; i < B; i++)
        mean += out[i] / B;
    for (int i = 0; i < B; i++)
        var += (out[i] - mean) * (out[i] - mean) / B;
    for (int i = 0; i < B && l->standard; i++)
        out[i] = (out[i] - mean) / sqrt(var + 1e-5);
}

static double formula(const ak_probe *p, int shards, double *const x[])
{
    const loss *l = p->ctx;
    double a[D][B], b[D][B], sum = 0;

    for (int c = 0; c < D; c++) {
        column(l, shards, x[0], 0, c, a[c]);
        column(l, shards, x[0], 1, c, b[c]);
    }
    for (int i = 0; i < D; i++)
        for (int j = 0; j < D; j++) {
            double c = ak_pair_dot(a[i], b[j], B) / B;

            sum += i == j ? (c - 1) * (c - 1)
                          : l->how.lambda * (c - l->how.target) * (c - l->how.target);
        }
    return l->how.scale * sum;
}

static void naive(const ak_probe *p, int shards, ak_probe_want *want)
{
    ak_differences_of_loss(p, formula, shards, want);
}

static ak_probe make(const loss *l)
{
    return (ak_probe){ .record = record,
                       .naive = naive,
                       .ctx = l,
                       .inputs = 1,
                       .dims = 2,
                       .shape = { { 2 * B, D } },
                       .inexact = true,
                       .mode.training = true,
                       .tolerance = 2e-5 };
}

static const loss losses[] = {
    { { 0.005, 0, 1 }, false },  { { 0.5, 0, 0.1 }, false }, { { 0.5, -1, 1 }, false },
    { { 0.005, 0, 1 }, true },   { { 1, 0, 1 }, true },      { { 0.005, -1, 1 }, true },
    { { 0.3, -1, 0.05 }, true }, { { 0, 0, 1 }, true },
};

START_TEST(against_reference)
{
    for (size_t i = 0; i < sizeof losses / sizeof *losses; i++) {
        ak_probe p = make(&losses[i]);

        ak_probe_check(&p);
    }
}
END_TEST

// Whatever batch norm does elsewhere, columns are standardised over the whole batch.
START_TEST(batch_norm_per_shard_changes_nothing)
{
    ak_probe p = make(&losses[4]);

    p.mode.shard_norm = true;
    ak_probe_check(&p);
}
END_TEST

// Two views that are equal, and columns that are orthogonal: nothing is left to lose.
START_TEST(no_loss_where_nothing_is_redundant)
{
    loss l = { { 0.005, 0, 1 }, true };
    ak_probe p = make(&l);
    ak_probe_result r;

    p.shape[0][0] = 64;
    p.shape[0][1] = 4;
    ak_probe_init(&p);
    for (int row = 0; row < 64; row++)
        for (int c = 0; c < 4; c++)
            p.x[0][row * 4 + c] = row >> c & 1 ? 3.0f : -1.0f;
    r = ak_probe_run(&p, 1, 1, false);
    ck_assert_double_le(fabs(r.loss), 1e-6);
    ak_probe_result_fini(&r);
    ak_probe_fini(&p);
}
END_TEST

START_TEST(a_constant_column_is_finite)
{
    ak_probe p = make(&losses[3]);
    ak_probe_result r;

    ak_probe_init(&p);
    for (int row = 0; row < 2 * B; row++)
        p.x[0][row * D + 5] = 0.25f;
    r = ak_probe_run(&p, 2, 1, false);
    ck_assert(isfinite(r.loss));
    for (int i = 0; i < 2 * B * D; i++)
        ck_assert(isfinite(r.dx[0][i]));
    ak_probe_result_fini(&r);
    ak_probe_fini(&p);
}
END_TEST

AK_TEST_MAIN(AK_CASE(against_reference), AK_CASE(batch_norm_per_shard_changes_nothing),
             AK_CASE(no_loss_where_nothing_is_redundant), AK_CASE(a_constant_column_is_finite))
