// tests/unit/worker/tensor/op/cross_entropy.c -- tests worker/tensor/op/cross_entropy.c.

#include "tests/unit/worker/tensor/op/probe.h"

enum { B = 12, C = 7 };

static const int32_t labels[B] = { 0, 6, 3, 3, 1, 5, 2, 4, 6, 0, 0, 2 };

static ak_tensor *record(const ak_probe *p, ak_graph *g, ak_tensor *const x[])
{
    (void)p;
    return ak_cross_entropy(g, x[0], labels);
}

static void naive(const ak_probe *p, int shards, ak_probe_want *want)
{
    (void)shards;
    for (int i = 0; i < B; i++) {
        const float *z = p->x[0] + i * C;

        for (int c = 0; c < C; c++) {
            double below = 0; // softmax without a shift, and by differences: small z only

            for (int k = 0; k < C; k++)
                below += exp((double)z[k] - (double)z[c]);
            if (c == labels[i])
                want->loss += log(below) / B;
            want->dx[0][i * C + c] =
                (double)p->upstream[0] * (1 / below - (c == labels[i] ? 1 : 0)) / B;
        }
    }
}

static ak_probe make(void)
{
    return (ak_probe){ .record = record,
                       .naive = naive,
                       .inputs = 1,
                       .dims = 2,
                       .shape = { { B, C } },
                       .mode.training = true,
                       .tolerance = 1e-6 };
}

START_TEST(against_reference)
{
    ak_probe p = make();

    ak_probe_check(&p);
}
END_TEST

static double loss_of(ak_probe *p)
{
    ak_probe_result r = ak_probe_run(p, 2, 1, false);
    double loss = r.loss;

    ak_probe_result_fini(&r);
    return loss;
}

START_TEST(finite_differences)
{
    const float step = 1.0f / 64;
    ak_probe p = make();
    ak_probe_result r;

    ak_probe_init(&p);
    r = ak_probe_run(&p, 2, 1, false);
    for (int i = 0; i < B * C; i++) {
        float at = p.x[0][i];
        double more, less, slope;

        p.x[0][i] = at + step;
        more = loss_of(&p);
        p.x[0][i] = at - step;
        less = loss_of(&p);
        p.x[0][i] = at;
        slope = (double)p.upstream[0] * (more - less) / (2 * (double)step);
        ck_assert_msg(fabs(slope - (double)r.dx[0][i]) < 1e-4, "dz[%d] is %g instead of %g", i,
                      (double)r.dx[0][i], slope);
    }
    ak_probe_result_fini(&r);
    ak_probe_fini(&p);
}
END_TEST

// Logits of any size: the loss of a sure and right answer is 0, of a sure and wrong one the gap.
START_TEST(large_logits)
{
    ak_probe p = make();
    ak_probe_result r;

    p.x[0] = ak_rig_values(B * C, 1, 0);
    for (int i = 0; i < B; i++)
        p.x[0][i * C + labels[i]] = i ? 3000 : -3000;
    ak_probe_init(&p);
    r = ak_probe_run(&p, 4, 1, false);
    ck_assert_msg(fabs(r.loss - (3000 + log(C - 1)) / B) < 1e-3, "the loss is %g", r.loss);
    for (int i = 0; i < B * C; i++)
        ck_assert(isfinite(r.dx[0][i]));
    ak_probe_result_fini(&r);
    ak_probe_fini(&p);
}
END_TEST

static const int32_t some[B] = { -1, 6, -1, 3, -1, -1, 2, 4, -1, -1, -1, -1 },
                     none[B] = { -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1 };

static ak_tensor *record_some(const ak_probe *p, ak_graph *g, ak_tensor *const x[])
{
    (void)p;
    return ak_cross_entropy(g, x[0], some);
}

static ak_tensor *record_none(const ak_probe *p, ak_graph *g, ak_tensor *const x[])
{
    (void)p;
    return ak_cross_entropy(g, x[0], none);
}

static void naive_some(const ak_probe *p, int shards, ak_probe_want *want)
{
    (void)shards;
    for (int i = 0; i < B; i++) {
        const float *z = p->x[0] + i * C;

        for (int c = 0; c < C && some[i] >= 0; c++) {
            double below = 0;

            for (int k = 0; k < C; k++)
                below += exp((double)z[k] - (double)z[c]);
            want->loss += c == some[i] ? log(below) / 4 : 0;
            want->dx[0][i * C + c] = (double)p->upstream[0] * (1 / below - (c == some[i])) / 4;
        }
    }
}

START_TEST(rows_without_a_label_do_not_count)
{
    ak_probe p = make();
    ak_probe_result r;

    p.record = record_some;
    p.naive = naive_some;
    ak_probe_check(&p);
    p = make();
    p.record = record_none;
    ak_probe_init(&p);
    r = ak_probe_run(&p, 2, 1, false);
    ck_assert(r.loss == 0);
    for (int i = 0; i < B * C; i++)
        ck_assert(r.dx[0][i] == 0);
    ak_probe_result_fini(&r);
    ak_probe_fini(&p);
}
END_TEST

AK_TEST_MAIN(AK_CASE(rows_without_a_label_do_not_count), AK_CASE(against_reference),
             AK_CASE(finite_differences), AK_CASE(large_logits))
