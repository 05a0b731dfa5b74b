// tests/unit/worker/tensor/op/weight_norm_linear.c -- tests worker/tensor/op/weight_norm_linear.c.

#include "tests/unit/worker/tensor/op/probe.h"

enum { ROWS = 20, IN = 37, OUT = 150 };

typedef struct layer {
    ak_param *v, *gain;
} layer;

static ak_tensor *record(const ak_probe *p, ak_graph *g, ak_tensor *const x[])
{
    const layer *l = p->ctx;

    return ak_weight_norm_linear(g, x[0], l->v, l->gain);
}

static void naive(const ak_probe *p, int shards, ak_probe_want *want)
{
    const layer *l = p->ctx;

    (void)shards;
    for (int o = 0; o < OUT; o++) {
        const float *v = l->v->value + o * IN;
        double gain = (double)l->gain->value[o], length = 0, along = 0, dw[IN] = { 0 };

        for (int i = 0; i < IN; i++)
            length += (double)v[i] * (double)v[i];
        length = sqrt(length);
        for (int r = 0; r < ROWS; r++)
            for (int i = 0; i < IN; i++) {
                double up = (double)p->upstream[r * OUT + o], w = gain * (double)v[i] / length;

                want->y[r * OUT + o] += w * (double)p->x[0][r * IN + i];
                want->dx[0][r * IN + i] += w * up;
                dw[i] += up * (double)p->x[0][r * IN + i];
            }
        if (l->v->role != AK_ROLE_TRAINED)
            continue;
        for (int i = 0; i < IN; i++)
            along += dw[i] * (double)v[i] / length;
        for (int i = 0; i < IN; i++)
            want->gradient[l->v->offset + o * IN + i] =
                gain / length * (dw[i] - along * (double)v[i] / length);
        if (!l->gain->fixed)
            want->gradient[l->gain->offset + o] = along;
    }
}

static void check(bool fixed, bool target, bool constant)
{
    const int64_t v[2] = { OUT, IN }, gain[2] = { OUT, 1 }, pad[1] = { 3 };
    layer l;
    ak_probe p = { .record = record,
                   .naive = naive,
                   .ctx = &l,
                   .inputs = 1,
                   .dims = 2,
                   .shape = { { ROWS, IN } },
                   .y_numel = ROWS * OUT,
                   .constant = { constant },
                   .inexact = true,
                   .mode.training = true,
                   .tolerance = 2e-6 };

    ak_model_init(&p.model);
    (void)ak_model_param(&p.model, "first", "pad", AK_ROLE_TRAINED, 1, pad, AK_INIT_ZERO, 0);
    p.model.building_target = target;
    l.gain = ak_model_param(&p.model, "l", "weight_g", AK_ROLE_TRAINED, 2, gain, AK_INIT_ONE, 0);
    l.v = ak_model_param(&p.model, "l", "weight_v", AK_ROLE_TRAINED, 2, v, AK_INIT_ZERO, 0);
    l.gain->fixed = fixed;
    ak_probe_model(&p);
    ak_rig_fill(p.model.targets, p.model.target_size, 3, 1);
    ak_probe_check(&p);
}

START_TEST(trained_gain)
{
    check(false, false, false);
}
END_TEST

START_TEST(fixed_gain)
{
    check(true, false, false);
}
END_TEST

START_TEST(constant_input)
{
    check(false, false, true);
}
END_TEST

START_TEST(of_a_momentum_network)
{
    check(false, true, false); // gradient to x, none to v
}
END_TEST

// A direction's gradient has no part along it, so a row of length 0 does not make numbers break.
START_TEST(row_of_length_0)
{
    const int64_t v[2] = { 2, 3 }, gain[2] = { 2, 1 }, x[2] = { 1, 3 };
    ak_world world = ak_rig_world(1, 1);
    ak_graph *g = NULL;
    ak_model m;
    ak_param *rows, *gains;
    ak_tensor *in, *y;

    ak_model_init(&m);
    gains = ak_model_param(&m, "l", "weight_g", AK_ROLE_TRAINED, 2, gain, AK_INIT_ONE, 0);
    rows = ak_model_param(&m, "l", "weight_v", AK_ROLE_TRAINED, 2, v, AK_INIT_ZERO, 0);
    ak_rig_ok(ak_model_allocate(&m));
    ak_model_seed(&m, 0);
    rows->value[3] = 2;
    ak_rig_ok(ak_graph_new(&g, &world, (ak_graph_mode){ .training = true }));
    in = ak_graph_input(g, 2, x);
    y = ak_weight_norm_linear(g, in, rows, gains);
    ak_rig_ok(ak_graph_compile(g, NULL, y));
    for (int i = 0; i < 3; i++)
        ak_value(g, in, 0)[i] = 5;
    ak_graph_forward(g);
    ck_assert(ak_value(g, y, 0)[0] == 0 && ak_value(g, y, 0)[1] == 5);
    ak_graph_free(g);
    ak_model_fini(&m);
    ak_comm_close(world.comm);
}
END_TEST

AK_TEST_MAIN(AK_CASE(trained_gain), AK_CASE(fixed_gain), AK_CASE(constant_input),
             AK_CASE(of_a_momentum_network), AK_CASE(row_of_length_0))
