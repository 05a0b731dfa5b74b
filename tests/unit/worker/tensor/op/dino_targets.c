// tests/unit/worker/tensor/op/dino_targets.c -- tests worker/tensor/op/dino_targets.c.

#include "tests/unit/worker/tensor/op/probe.h"

enum { B = 12, K = 37 };

static ak_tensor *record(const ak_probe *p, ak_graph *g, ak_tensor *const x[])
{
    union {
        const void *in;
        ak_dino_teacher *out;
    } teacher = { .in = p->ctx };

    return ak_dino_targets(g, x[0], teacher.out);
}

typedef struct figures {
    double mean[K], entropy, usage;
} figures;

static void reference(const ak_dino_teacher *t, const float *s, double *y, figures *out)
{
    double used[K] = { 0 };

    memset(out, 0, sizeof *out);
    for (int r = 0; r < 2 * B; r++) {
        double sum = 0;

        for (int k = 0; k < K; k++)
            sum += exp(((double)s[r * K + k] - (double)t->center[k]) / t->temperature);
        for (int k = 0; k < K; k++) {
            double q = exp(((double)s[r * K + k] - (double)t->center[k]) / t->temperature) / sum;

            y[r * K + k] = q;
            used[k] += q / (2 * B);
            out->entropy -= q > 0 ? q * log(q) / (2 * B) : 0;
            out->mean[k] += (double)s[r * K + k] / (2 * B);
        }
    }
    for (int k = 0; k < K; k++)
        out->usage -= used[k] > 0 ? used[k] * log(used[k]) : 0;
    out->usage = exp(out->usage) / K;
}

static void close_to(const char *what, double got, double want)
{
    ck_assert_msg(fabs(got - want) <= 1e-5 * fmax(fabs(want), 1e-2), "%s is %.9g instead of %.9g",
                  what, got, want);
}

// No gradient is checked, there is none: the input is constant.
static void naive(const ak_probe *p, int shards, ak_probe_want *want)
{
    figures f;

    (void)shards;
    reference(p->ctx, p->x[0], want->y, &f);
}

static void check(double temperature, double bound)
{
    ak_dino_teacher t = { .temperature = temperature };
    float *center = ak_rig_values(K, 5, 0.3);
    double *y = ak_alloc(2 * B * K, sizeof *y);
    figures f;
    ak_probe p = { .record = record,
                   .naive = naive,
                   .ctx = &t,
                   .inputs = 1,
                   .dims = 2,
                   .shape = { { 2 * B, K } },
                   .y_numel = 2 * B * K,
                   .constant = { true },
                   .mode.training = true,
                   .tolerance = 2e-5 };

    t.center = center;
    p.x[0] = ak_rig_values(2 * B * K, 6, bound);
    reference(&t, p.x[0], y, &f);
    ak_probe_init(&p);
    for (int shards = 1; shards <= 4; shards *= 2) {
        ak_probe_result r;

        ak_probe_check_on(&p, shards);
        // what it leaves is the graph's: ask while there is one
        r = ak_probe_run(&p, shards, 1, false);
        close_to("entropy", t.entropy, f.entropy);
        close_to("usage", t.usage, f.usage);
        ak_probe_result_fini(&r);
    }
    ak_probe_fini(&p);
    free(center);
    free(y);
}

START_TEST(against_reference)
{
    check(0.04, 1);
    check(1, 3);
    check(0.5, 10);
}
END_TEST

START_TEST(mean_of_the_logits)
{
    const int64_t shape[2] = { 2 * B / 4, K };
    float *x = ak_rig_values(2 * B * K, 6, 1), *center = ak_rig_values(K, 5, 0.3);
    double *y = ak_alloc(2 * B * K, sizeof *y);
    ak_dino_teacher t = { .center = center, .temperature = 0.1 };
    ak_world world = ak_rig_world(4, 1);
    ak_graph *g = NULL;
    ak_tensor *s, *q;
    figures f;

    ak_rig_ok(ak_graph_new(&g, &world, (ak_graph_mode){ .training = true }));
    s = ak_graph_input(g, 2, shape);
    q = ak_dino_targets(g, s, &t);
    ak_rig_ok(ak_graph_compile(g, NULL, q));
    for (int i = 0; i < 4; i++)
        memcpy(ak_value(g, s, i), x + i * s->numel, (size_t)s->numel * sizeof(float));
    ak_graph_forward(g);
    reference(&t, x, y, &f);
    for (int k = 0; k < K; k++)
        close_to("mean", t.batch_center[k], f.mean[k]);
    ak_graph_free(g);
    ak_comm_close(world.comm);
    free(x);
    free(y);
    free(center);
}
END_TEST

// Collapsed evenly, entropy and usage are at their largest; on one prototype, at their least.
START_TEST(figures_of_a_collapse)
{
    const int64_t shape[2] = { 2 * B, K };
    float center[K] = { 0 };
    ak_dino_teacher t = { .center = center, .temperature = 0.04 };
    ak_world world = ak_rig_world(1, 1);
    ak_graph *g = NULL;
    ak_tensor *s, *q;

    ak_rig_ok(ak_graph_new(&g, &world, (ak_graph_mode){ .training = true }));
    s = ak_graph_input(g, 2, shape);
    q = ak_dino_targets(g, s, &t);
    ak_rig_ok(ak_graph_compile(g, NULL, q));
    for (int i = 0; i < 2 * B * K; i++)
        ak_value(g, s, 0)[i] = 0.25f;
    ak_graph_forward(g);
    close_to("entropy", t.entropy, log(K));
    close_to("usage", t.usage, 1);
    for (int r = 0; r < 2 * B; r++)
        ak_value(g, s, 0)[r * K + 3] = 5;
    ak_graph_forward(g);
    close_to("entropy", t.entropy, 0);
    close_to("usage", t.usage, 1.0 / K);
    ak_graph_free(g);
    ak_comm_close(world.comm);
}
END_TEST

AK_TEST_MAIN(AK_CASE(against_reference), AK_CASE(mean_of_the_logits),
             AK_CASE(figures_of_a_collapse))
