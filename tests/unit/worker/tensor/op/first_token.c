// tests/unit/worker/tensor/op/first_token.c -- tests worker/tensor/op/first_token.c.

#include "tests/unit/worker/tensor/op/probe.h"

enum { SAMPLES = 8, TOKENS = 5, WIDTH = 19 };

static ak_tensor *record(const ak_probe *p, ak_graph *g, ak_tensor *const x[])
{
    ak_tensor *y = ak_first_token(g, x[0]);

    (void)p;
    ck_assert(y->dims == 2 && y->shape[1] == WIDTH);
    return y;
}

static void naive(const ak_probe *p, int shards, ak_probe_want *want)
{
    (void)shards;
    for (int64_t n = 0; n < SAMPLES; n++)
        for (int64_t i = 0; i < WIDTH; i++) {
            want->y[n * WIDTH + i] = (double)p->x[0][n * TOKENS * WIDTH + i];
            want->dx[0][n * TOKENS * WIDTH + i] = (double)p->upstream[n * WIDTH + i];
        }
}

START_TEST(takes_the_first)
{
    ak_probe p = { .record = record,
                   .naive = naive,
                   .inputs = 1,
                   .dims = 3,
                   .shape = { { SAMPLES, TOKENS, WIDTH } },
                   .y_numel = SAMPLES * WIDTH,
                   .mode.training = true,
                   .tolerance = 1e-7,
                   .half_tolerance = 5e-3 };

    ak_probe_check(&p);
}
END_TEST

AK_TEST_MAIN(AK_CASE(takes_the_first))
