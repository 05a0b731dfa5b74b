// tests/unit/worker/tensor/op/mean_pool.c -- tests worker/tensor/op/mean_pool.c.

#include "tests/unit/worker/tensor/op/probe.h"

static ak_tensor *record(const ak_probe *p, ak_graph *g, ak_tensor *const x[])
{
    (void)p;
    return ak_mean_pool(g, x[0]);
}

static void naive(const ak_probe *p, int shards, ak_probe_want *want)
{
    int64_t cells = p->shape[0][1] * p->shape[0][2], channels = p->shape[0][3];

    (void)shards;
    for (int64_t n = 0; n < p->shape[0][0]; n++)
        for (int64_t i = 0; i < cells; i++)
            for (int64_t c = 0; c < channels; c++) {
                int64_t x = (n * cells + i) * channels + c, y = n * channels + c;

                want->y[y] += (double)p->x[0][x] / (double)cells;
                want->dx[0][x] = (double)p->upstream[y] / (double)cells;
            }
}

static void check(int64_t h, int64_t w, int64_t channels)
{
    ak_probe p = { .record = record,
                   .naive = naive,
                   .inputs = 1,
                   .dims = 4,
                   .shape = { { 8, h, w, channels } },
                   .y_numel = 8 * channels,
                   .mode.training = true,
                   .tolerance = 1e-6,
                   .half_tolerance = 5e-3 };

    ak_probe_check(&p);
}

START_TEST(against_reference)
{
    check(7, 5, 19);
    check(4, 4, 512);
}
END_TEST

START_TEST(of_one_cell)
{
    check(1, 1, 67);
}
END_TEST

AK_TEST_MAIN(AK_CASE(against_reference), AK_CASE(of_one_cell))
