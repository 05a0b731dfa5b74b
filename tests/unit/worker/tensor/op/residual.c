// tests/unit/worker/tensor/op/residual.c -- tests worker/tensor/op/residual.c.

#include "tests/unit/worker/tensor/op/probe.h"

enum { SAMPLES = 8, WIDTH = 33 };

static double rate(const ak_probe *p)
{
    return p->ctx ? *(const double *)p->ctx : 0;
}

static ak_tensor *record(const ak_probe *p, ak_graph *g, ak_tensor *const x[])
{
    ak_graph_set_step(g, 9, 4);
    return ak_residual(g, x[0], x[1], rate(p));
}

// The draw of a row, as the header of rng.h and the operation's say: it is the graph's first.
static double scale_of(const ak_probe *p, int64_t row)
{
    ak_rng rng = ak_rng_at(9, AK_RNG_DROP, 4, 1, (uint32_t)row);

    if (!p->mode.training || rate(p) == 0)
        return 1;
    return ak_rng_uniform(&rng) < rate(p) ? 0 : 1 / (1 - rate(p));
}

static void naive(const ak_probe *p, int shards, ak_probe_want *want)
{
    (void)shards;
    for (int64_t i = 0; i < p->y_numel; i++) {
        double scale = scale_of(p, i / (3 * WIDTH));

        want->y[i] = (double)p->x[0][i] + scale * (double)p->x[1][i];
        want->dx[0][i] = (double)p->upstream[i];
        want->dx[1][i] = scale * (double)p->upstream[i];
    }
}

static void check(const double *drop, bool training)
{
    ak_probe p = { .record = record,
                   .naive = naive,
                   .ctx = drop,
                   .inputs = 2,
                   .dims = 3,
                   .shape = { { SAMPLES, 3, WIDTH }, { SAMPLES, 3, WIDTH } },
                   .y_numel = SAMPLES * 3 * WIDTH,
                   .mode.training = training,
                   .tolerance = 1e-6,
                   .half_tolerance = 1e-2 };

    ak_probe_check(&p);
}

START_TEST(adds)
{
    check(NULL, true);
}
END_TEST

START_TEST(drops_samples)
{
    static const double drop = 0.4;
    ak_probe p = { .ctx = &drop, .mode.training = true };
    int dropped = 0;

    for (int i = 0; i < SAMPLES; i++)
        dropped += scale_of(&p, i) == 0;
    ck_assert(dropped > 0 && dropped < SAMPLES); // so that both are tested
    check(&drop, true);
}
END_TEST

START_TEST(drops_nothing_in_evaluation)
{
    static const double drop = 0.4;

    check(&drop, false);
}
END_TEST

static void forward(float *y, int64_t step, uint64_t seed)
{
    const int64_t shape[2] = { 1000, 1 };
    ak_world world = ak_rig_world(1, 1);
    ak_graph *g = NULL;
    ak_tensor *a, *b, *sum;

    ak_rig_ok(ak_graph_new(&g, &world, (ak_graph_mode){ .training = true }));
    a = ak_graph_input(g, 2, shape);
    b = ak_graph_input(g, 2, shape);
    sum = ak_residual(g, a, b, 0.25);
    ak_rig_ok(ak_graph_compile(g, NULL, sum));
    for (int i = 0; i < 1000; i++)
        ak_value(g, b, 0)[i] = 1;
    ak_graph_set_step(g, seed, step);
    ak_graph_forward(g);
    memcpy(y, ak_value(g, sum, 0), 1000 * sizeof *y);
    ak_graph_free(g);
    ak_comm_close(world.comm);
}

// A quarter of the samples, others in each step and with each seed; the mean stays.
START_TEST(drops_as_often_as_asked)
{
    float first[1000], again[1000], next[1000], other[1000];
    int dropped = 0;

    forward(first, 7, 1);
    forward(again, 7, 1);
    forward(next, 8, 1);
    forward(other, 7, 2);
    for (int i = 0; i < 1000; i++) {
        dropped += first[i] == 0;
        ck_assert(first[i] == 0 || fabsf(first[i] - 4.0f / 3) < 1e-6f);
    }
    ck_assert(dropped > 200 && dropped < 300);
    ck_assert_mem_eq(first, again, sizeof first);
    ck_assert_mem_ne(first, next, sizeof first);
    ck_assert_mem_ne(first, other, sizeof first);
}
END_TEST

AK_TEST_MAIN(AK_CASE(adds), AK_CASE(drops_samples), AK_CASE(drops_nothing_in_evaluation),
             AK_CASE(drops_as_often_as_asked))
