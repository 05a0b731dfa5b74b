// tests/unit/worker/tensor/op/negative_cosine.c -- tests worker/tensor/op/negative_cosine.c.

#include "tests/unit/worker/tensor/op/differences.h"

enum { B = 12, D = 19 };

typedef enum which { HELD, THROUGH, BYOL } which;

static ak_tensor *record(const ak_probe *p, ak_graph *g, ak_tensor *const x[])
{
    which w = *(const which *)p->ctx;

    return w == BYOL ? ak_byol(g, x[0], x[1]) : ak_negative_cosine(g, x[0], x[1], w == HELD);
}

static double formula(const ak_probe *p, int shards, double *const x[])
{
    double sum = 0;

    for (int64_t i = 0; i < B; i++)
        for (int v = 0; v < 2; v++)
            sum += ak_pair_dot(x[0] + ak_pair_row(B, shards, v, i) * D,
                               x[1] + ak_pair_row(B, shards, 1 - v, i) * D, D) /
                   B;
    return *(const which *)p->ctx == BYOL ? 4 - 2 * sum : -sum / 2;
}

static void naive(const ak_probe *p, int shards, ak_probe_want *want)
{
    ak_differences_of_loss(p, formula, shards, want);
}

static ak_probe make(const which *w)
{
    return (ak_probe){ .record = record,
                       .naive = naive,
                       .ctx = w,
                       .inputs = 2,
                       .dims = 2,
                       .shape = { { 2 * B, D }, { 2 * B, D } },
                       .constant = { false, *w != THROUGH },
                       .mode.training = true,
                       .tolerance = 1e-5 };
}

START_TEST(against_reference)
{
    for (which w = HELD; w <= BYOL; w++) {
        ak_probe p = make(&w);

        ak_probe_check(&p);
    }
}
END_TEST

// |p - z|^2 of unit rows, as BYOL's paper has it.
START_TEST(byol_is_a_distance)
{
    which w = BYOL;
    ak_probe p = make(&w);
    ak_probe_result r;
    double want = 0;

    ak_probe_init(&p);
    for (int k = 0; k < 2; k++)
        for (int row = 0; row < 2 * B; row++) {
            float *x = p.x[k] + row * D;
            double length = 0;

            for (int i = 0; i < D; i++)
                length += (double)x[i] * (double)x[i];
            for (int i = 0; i < D; i++)
                x[i] = (float)((double)x[i] / sqrt(length));
        }
    for (int v = 0; v < 2; v++)
        for (int64_t i = 0; i < B * D; i++)
            want += pow((double)p.x[0][v * B * D + i] - (double)p.x[1][(1 - v) * B * D + i], 2) / B;
    r = ak_probe_run(&p, 1, 1, false);
    ck_assert_double_le(fabs(r.loss - want), 1e-5 * want);
    ak_probe_result_fini(&r);
    ak_probe_fini(&p);
}
END_TEST

// z that is held constant gets no gradient although it could take one: zeros, not leftovers.
static ak_tensor *record_trained(const ak_probe *p, ak_graph *g, ak_tensor *const x[])
{
    ak_tensor *z = ak_linear(g, x[1], ak_model_find(&p->model, "z.weight"), NULL);

    return ak_negative_cosine(g, x[0], z, *(const which *)p->ctx == HELD);
}

START_TEST(the_stop_gradient_stops)
{
    const int64_t shape[2] = { D, D };

    for (which w = HELD; w <= THROUGH; w++) {
        ak_probe p = make(&w);
        ak_probe_result r;
        double size = 0;

        ak_model_init(&p.model);
        (void)ak_model_param(&p.model, "z", "weight", AK_ROLE_TRAINED, 2, shape, AK_INIT_ZERO, 0);
        ak_probe_model(&p);
        p.record = record_trained;
        ak_probe_init(&p);
        r = ak_probe_run(&p, 2, 1, false);
        for (int64_t i = 0; i < p.model.trained_size; i++)
            size += fabs((double)r.gradient[i]);
        ck_assert(w == HELD ? size == 0 : size > 0.1);
        ak_probe_result_fini(&r);
        ak_probe_fini(&p);
    }
}
END_TEST

AK_TEST_MAIN(AK_CASE(against_reference), AK_CASE(byol_is_a_distance),
             AK_CASE(the_stop_gradient_stops))
