// tests/unit/worker/tensor/op/layer_norm.c -- tests worker/tensor/op/layer_norm.c.

#include "tests/unit/worker/tensor/op/differences.h"

typedef struct layer {
    ak_param *w, *bias;
    int64_t width;
} layer;

static ak_tensor *record(const ak_probe *p, ak_graph *g, ak_tensor *const x[])
{
    const layer *l = p->ctx;

    return ak_layer_norm(g, x[0], l->w, l->bias);
}

static void normalised(const layer *l, const double *x, const double *w, const double *bias,
                       double *y, double *inverse)
{
    double mean = 0, var = 0;

    for (int64_t i = 0; i < l->width; i++)
        mean += x[i] / (double)l->width;
    for (int64_t i = 0; i < l->width; i++)
        var += (x[i] - mean) * (x[i] - mean) / (double)l->width;
    *inverse = 1 / sqrt(var + 1e-6);
    for (int64_t i = 0; i < l->width; i++)
        y[i] = (x[i] - mean) * *inverse * w[i] + bias[i];
}

static void formula(const ak_probe *p, double *const x[], const double *trained, double *y)
{
    const layer *l = p->ctx;
    double inverse;

    for (int64_t r = 0; r < p->y_numel / l->width; r++)
        normalised(l, x[0] + r * l->width, trained + l->w->offset, trained + l->bias->offset,
                   y + r * l->width, &inverse);
}

static void by_differences(const ak_probe *p, int shards, ak_probe_want *want)
{
    (void)shards;
    ak_differences(p, formula, want);
}

// The gradient as (J^T dy) with the Jacobian written out, for rows that are too many for
// differences: dy_j/dx_i = w_j inverse (delta_ij - 1/D - xhat_i xhat_j / D).
static void by_jacobian(const ak_probe *p, int shards, ak_probe_want *want)
{
    const layer *l = p->ctx;
    int64_t n = l->width;
    double *xhat = ak_probe_zeros(n), *ones = ak_probe_zeros(n), *zeros = ak_probe_zeros(n);
    double *x = ak_differences_copy(p->x[0], p->y_numel), inverse;

    (void)shards;
    for (int64_t i = 0; i < n; i++)
        ones[i] = 1;
    for (int64_t r = 0; r < p->y_numel / n; r++) {
        normalised(l, x + r * n, ones, zeros, xhat, &inverse);
        for (int64_t j = 0; j < n; j++) {
            double dy = (double)p->upstream[r * n + j], w = (double)l->w->value[j];

            want->y[r * n + j] = xhat[j] * w + (double)l->bias->value[j];
            want->gradient[l->w->offset + j] += dy * xhat[j];
            want->gradient[l->bias->offset + j] += dy;
            for (int64_t i = 0; i < n; i++)
                want->dx[0][r * n + i] +=
                    dy * w * inverse * ((i == j) - (1 + xhat[i] * xhat[j]) / (double)n);
        }
    }
    free(xhat);
    free(ones);
    free(zeros);
    free(x);
}

static void check(int64_t tokens, int64_t width, bool constant,
                  void (*naive)(const ak_probe *, int, ak_probe_want *))
{
    layer l = { .width = width };
    ak_probe p = { .record = record,
                   .naive = naive,
                   .ctx = &l,
                   .inputs = 1,
                   .dims = 3,
                   .shape = { { 4, tokens, width } },
                   .y_numel = 4 * tokens * width,
                   .constant = { constant },
                   .mode.training = true,
                   .tolerance = 4e-6 };

    ak_model_init(&p.model);
    l.w = ak_model_param(&p.model, "norm", "weight", AK_ROLE_TRAINED, 1, &width, AK_INIT_ZERO, 0);
    l.bias = ak_model_param(&p.model, "norm", "bias", AK_ROLE_TRAINED, 1, &width, AK_INIT_ZERO, 0);
    ak_probe_model(&p);
    ak_probe_check(&p);
}

START_TEST(against_differences)
{
    check(3, 19, false, by_differences);
    check(1, 32, false, by_differences);
}
END_TEST

START_TEST(of_many_rows)
{
    check(83, 48, false, by_jacobian); // pieces, and a rest of one
}
END_TEST

START_TEST(constant_input)
{
    check(5, 24, true, by_jacobian);
}
END_TEST

AK_TEST_MAIN(AK_CASE(against_differences), AK_CASE(of_many_rows), AK_CASE(constant_input))
