// tests/unit/worker/tensor/op/linear.c -- tests worker/tensor/op/linear.c.

#include "tests/unit/worker/tensor/op/probe.h"

enum { ROWS = 20, IN = 37, OUT = 19 };

typedef struct layer {
    ak_param *w, *bias;
} layer;

static ak_tensor *record(const ak_probe *p, ak_graph *g, ak_tensor *const x[])
{
    const layer *l = p->ctx;

    return ak_linear(g, x[0], l->w, l->bias);
}

static void naive(const ak_probe *p, int shards, ak_probe_want *want)
{
    const layer *l = p->ctx;

    (void)shards;
    for (int r = 0; r < ROWS; r++)
        for (int o = 0; o < OUT; o++) {
            double up = (double)p->upstream[r * OUT + o];

            want->y[r * OUT + o] = l->bias ? (double)l->bias->value[o] : 0;
            if (l->bias && l->bias->role == AK_ROLE_TRAINED)
                want->gradient[l->bias->offset + o] += up;
            for (int i = 0; i < IN; i++) {
                double w = (double)l->w->value[o * IN + i], x = (double)p->x[0][r * IN + i];

                want->y[r * OUT + o] += w * x;
                want->dx[0][r * IN + i] += w * up;
                if (l->w->role == AK_ROLE_TRAINED)
                    want->gradient[l->w->offset + o * IN + i] += x * up;
            }
        }
}

static void check_on(bool bias, bool target, bool constant, int dims)
{
    const int64_t w[2] = { OUT, IN }, b[1] = { OUT };
    layer l = { NULL, NULL };
    ak_probe p = { .record = record,
                   .naive = naive,
                   .ctx = &l,
                   .inputs = 1,
                   .dims = dims,
                   .shape = { { dims == 3 ? 4 : ROWS, dims == 3 ? ROWS / 4 : IN, IN } },
                   .y_numel = ROWS * OUT,
                   .constant = { constant },
                   .inexact = true,
                   .mode.training = true,
                   .tolerance = 2e-6 };

    ak_model_init(&p.model);
    (void)ak_model_param(&p.model, "first", "pad", AK_ROLE_TRAINED, 1, b, AK_INIT_ZERO, 0);
    p.model.building_target = target;
    l.w = ak_model_param(&p.model, "l", "weight", AK_ROLE_TRAINED, 2, w, AK_INIT_ZERO, 0);
    if (bias)
        l.bias = ak_model_param(&p.model, "l", "bias", AK_ROLE_TRAINED, 1, b, AK_INIT_ZERO, 0);
    ak_probe_model(&p);
    ak_rig_fill(p.model.targets, p.model.target_size, 3, 1);
    ak_probe_check(&p);
}

static void check(bool bias, bool target, bool constant)
{
    check_on(bias, target, constant, 2);
}

START_TEST(of_tokens)
{
    check_on(true, false, false, 3);
}
END_TEST

START_TEST(with_bias)
{
    check(true, false, false);
}
END_TEST

START_TEST(without_bias)
{
    check(false, false, false);
}
END_TEST

START_TEST(constant_input)
{
    check(true, false, true);
}
END_TEST

START_TEST(of_a_momentum_network)
{
    check(true, true, false); // gradient to x, none to w
}
END_TEST

AK_TEST_MAIN(AK_CASE(of_tokens), AK_CASE(with_bias), AK_CASE(without_bias), AK_CASE(constant_input),
             AK_CASE(of_a_momentum_network))
