// tests/unit/worker/tensor/op/relu.c -- tests worker/tensor/op/relu.c.

#include "tests/unit/worker/tensor/op/probe.h"

static ak_tensor *record(const ak_probe *p, ak_graph *g, ak_tensor *const x[])
{
    (void)p;
    return ak_relu(g, x[0]);
}

static void naive(const ak_probe *p, int shards, ak_probe_want *want)
{
    (void)shards;
    for (int64_t i = 0; i < p->y_numel; i++)
        if (p->x[0][i] > 0) {
            want->y[i] = (double)p->x[0][i];
            want->dx[0][i] = (double)p->upstream[i];
        }
}

START_TEST(against_reference)
{
    ak_probe p = { .record = record,
                   .naive = naive,
                   .inputs = 1,
                   .dims = 2,
                   .shape = { { 8, 10007 } },
                   .y_numel = 8 * 10007,
                   .mode.training = true,
                   .tolerance = 1e-7 };

    p.x[0] = ak_rig_values(p.y_numel, 1, 1);
    for (int i = 0; i < 100; i++)
        p.x[0][i * 17] = i % 2 ? 0.0f : -0.0f; // no gradient at the corner
    ak_probe_check(&p);
}
END_TEST

AK_TEST_MAIN(AK_CASE(against_reference))
