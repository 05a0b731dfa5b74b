// tests/unit/worker/tensor/op/cross_views.c -- tests worker/tensor/op/cross_views.c.

#include "tests/unit/worker/tensor/op/probe.h"

enum { B = 12, K = 37 };

typedef struct loss {
    int views;
    double temperature;
} loss;

static ak_tensor *record(const ak_probe *p, ak_graph *g, ak_tensor *const x[])
{
    return ak_cross_views(g, x[0], x[1], ((const loss *)p->ctx)->temperature);
}

// Where a shard has the row of view v of image i of the global batch, among `views`.
static int row_of(int shards, int views, int v, int i)
{
    int images = B / shards;

    return (i / images * views + v) * images + i % images;
}

// One term: view v predicts the assignment of view a.
static void term(const ak_probe *p, int shards, int a, int v, int i, ak_probe_want *want)
{
    const loss *l = p->ctx;
    int at = row_of(shards, l->views, v, i);
    const float *s = p->x[0] + at * K, *q = p->x[1] + row_of(shards, 2, a, i) * K;
    double share = 1.0 / (2 * (l->views - 1) * B), sum = 0, mass = 0;

    for (int k = 0; k < K; k++) {
        sum += exp((double)s[k] / l->temperature);
        mass += (double)q[k];
    }
    for (int k = 0; k < K; k++) {
        double log_p = (double)s[k] / l->temperature - log(sum);

        want->loss -= share * (double)q[k] * log_p;
        want->dx[0][at * K + k] +=
            (double)p->upstream[0] * share / l->temperature * (mass * exp(log_p) - (double)q[k]);
    }
}

static void naive(const ak_probe *p, int shards, ak_probe_want *want)
{
    const loss *l = p->ctx;

    for (int a = 0; a < 2; a++)
        for (int v = 0; v < l->views; v++)
            for (int i = 0; v != a && i < B; i++)
                term(p, shards, a, v, i, want);
}

static void check(int views, double temperature, int wide)
{
    loss l = { views, temperature };
    ak_probe p = { .record = record,
                   .naive = naive,
                   .ctx = &l,
                   .inputs = 2,
                   .dims = 2,
                   .shape = { { views * B, K }, { 2 * B, K } },
                   .constant = { false, true },
                   .mode.training = true,
                   .tolerance = 1e-5 };

    p.x[0] = ak_rig_values(views * B * K, 1, wide ? 50 * temperature : 2);
    p.x[1] = ak_rig_values(2 * B * K, 2, 0.05);
    for (int i = 0; i < 2 * B * K; i++)
        p.x[1][i] = fabsf(p.x[1][i]); // need not add up to 1
    ak_probe_check(&p);
}

START_TEST(two_views)
{
    check(2, 0.1, 0);
    check(2, 1, 0);
}
END_TEST

START_TEST(local_crops)
{
    check(3, 0.1, 0);
    check(6, 0.2, 0);
    check(18, 0.1, 0);
}
END_TEST

START_TEST(large_logits)
{
    check(4, 1e-3, 1);
    check(4, 50, 1);
}
END_TEST

START_TEST(refuses_what_does_not_fit)
{
    const int64_t s[2] = { 7, K }, q[2] = { 4, K }, other[2] = { 8, K + 1 };
    ak_world world = ak_rig_world(1, 1);

    for (int wrong = 0; wrong < 2; wrong++) {
        ak_graph *g = NULL;
        ak_tensor *x, *y;

        ak_rig_ok(ak_graph_new(&g, &world, (ak_graph_mode){ .training = true }));
        x = ak_graph_input(g, 2, wrong ? other : s);
        y = ak_graph_input(g, 2, q);
        (void)ak_cross_views(g, x, y, 1);
        ak_rig_refused(ak_graph_compile(g, NULL, NULL), AKSSL_ERR_INTERNAL, "assignments");
        ak_graph_free(g);
    }
    ak_comm_close(world.comm);
}
END_TEST

AK_TEST_MAIN(AK_CASE(two_views), AK_CASE(local_crops), AK_CASE(large_logits),
             AK_CASE(refuses_what_does_not_fit))
