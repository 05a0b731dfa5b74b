// tests/unit/worker/tensor/op/linear.c -- tests worker/tensor/op/linear.c.

#include "tests/unit/worker/tensor/op/differences.h"

enum { ROWS = 20, FEW = 8, IN = 37, OUT = 19 };

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
                   .mode.training = true,
                   .tolerance = 2e-6,
                   .half_tolerance = 1e-2 };

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

// ---- with what stands around it

static ak_tensor *record_surrounded(const ak_probe *p, ak_graph *g, ak_tensor *const x[])
{
    ak_dense_layer l = *(const ak_dense_layer *)p->ctx;

    l.base = x[1];
    return ak_dense_of(g, x[0], &l);
}

static double of_row(const ak_dense_layer *l, const double *x, const double *trained, int i)
{
    double mean = 0, var = 0;

    if (l->gelu)
        return 0.5 * x[i] * erfc(-x[i] / sqrt(2));
    for (int k = 0; k < IN; k++)
        mean += x[k] / IN;
    for (int k = 0; k < IN; k++)
        var += (x[k] - mean) * (x[k] - mean) / IN;
    return (x[i] - mean) / sqrt(var + 1e-6) * trained[l->norm_w->offset + i] +
           trained[l->norm_b->offset + i];
}

static void surrounded_formula(const ak_probe *p, double *const x[], const double *trained,
                               double *y)
{
    const ak_dense_layer *l = p->ctx;

    for (int r = 0; r < FEW; r++) {
        double u[IN];

        for (int i = 0; i < IN; i++)
            u[i] = of_row(l, x[0] + r * IN, trained, i);
        for (int o = 0; o < OUT; o++) {
            y[r * OUT + o] = x[1][r * OUT + o] + trained[l->bias->offset + o];
            for (int i = 0; i < IN; i++)
                y[r * OUT + o] += trained[l->w->offset + o * IN + i] * u[i];
        }
    }
}

static void surrounded_naive(const ak_probe *p, int shards, ak_probe_want *want)
{
    (void)shards;
    ak_differences(p, surrounded_formula, want);
}

static void check_surrounded(bool norm)
{
    const int64_t w[2] = { OUT, IN }, b[1] = { OUT }, n[1] = { IN };
    ak_dense_layer l = { .gelu = !norm };
    ak_probe p = { .record = record_surrounded,
                   .naive = surrounded_naive,
                   .ctx = &l,
                   .inputs = 2,
                   .dims = 2,
                   .shape = { { FEW, IN }, { FEW, OUT } },
                   .y_numel = FEW * OUT,
                   .mode.training = true,
                   .tolerance = 2e-6,
                   .half_tolerance = 1e-2 };

    ak_model_init(&p.model);
    l.w = ak_model_param(&p.model, "l", "weight", AK_ROLE_TRAINED, 2, w, AK_INIT_ZERO, 0);
    l.bias = ak_model_param(&p.model, "l", "bias", AK_ROLE_TRAINED, 1, b, AK_INIT_ZERO, 0);
    if (norm) {
        l.norm_w = ak_model_param(&p.model, "n", "weight", AK_ROLE_TRAINED, 1, n, AK_INIT_ZERO, 0);
        l.norm_b = ak_model_param(&p.model, "n", "bias", AK_ROLE_TRAINED, 1, n, AK_INIT_ZERO, 0);
    }
    ak_probe_model(&p);
    ak_probe_check(&p);
}

START_TEST(behind_a_layer_norm)
{
    check_surrounded(true);
}
END_TEST

START_TEST(behind_gelu)
{
    check_surrounded(false);
}
END_TEST

AK_TEST_MAIN(AK_CASE(of_tokens), AK_CASE(with_bias), AK_CASE(without_bias), AK_CASE(constant_input),
             AK_CASE(of_a_momentum_network), AK_CASE(behind_a_layer_norm), AK_CASE(behind_gelu))
