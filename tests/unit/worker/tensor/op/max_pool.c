// tests/unit/worker/tensor/op/max_pool.c -- tests worker/tensor/op/max_pool.c.

#include "tests/unit/worker/tensor/op/probe.h"

static ak_tensor *record(const ak_probe *p, ak_graph *g, ak_tensor *const x[])
{
    (void)p;
    return ak_max_pool(g, x[0]);
}

static int64_t half(int64_t size)
{
    return (size + 1) / 2;
}

// The gradient goes to the first of the largest, in the order of rows.
static void one_window(const ak_probe *p, ak_probe_want *want, int64_t n, int64_t i, int64_t j,
                       int64_t c)
{
    int64_t h = p->shape[0][1], w = p->shape[0][2], channels = p->shape[0][3], winner = -1;
    int64_t at = ((n * half(h) + i) * half(w) + j) * channels + c;

    for (int64_t row = 2 * i - 1; row <= 2 * i + 1; row++)
        for (int64_t column = 2 * j - 1; column <= 2 * j + 1; column++) {
            int64_t x = ((n * h + row) * w + column) * channels + c;

            if (row < 0 || row >= h || column < 0 || column >= w)
                continue;
            if (winner < 0 || p->x[0][x] > p->x[0][winner])
                winner = x;
        }
    want->y[at] = (double)p->x[0][winner];
    want->dx[0][winner] += (double)p->upstream[at];
}

static void naive(const ak_probe *p, int shards, ak_probe_want *want)
{
    const int64_t *x = p->shape[0];

    (void)shards;
    for (int64_t n = 0; n < x[0]; n++)
        for (int64_t i = 0; i < half(x[1]); i++)
            for (int64_t j = 0; j < half(x[2]); j++)
                for (int64_t c = 0; c < x[3]; c++)
                    one_window(p, want, n, i, j, c);
}

static void check(int64_t h, int64_t w, int64_t channels, bool ties)
{
    ak_probe p = { .record = record,
                   .naive = naive,
                   .inputs = 1,
                   .dims = 4,
                   .shape = { { 4, h, w, channels } },
                   .y_numel = 4 * half(h) * half(w) * channels,
                   .mode.training = true,
                   .tolerance = 1e-6,
                   .half_tolerance = 1e-2 };

    p.x[0] = ak_rig_values(4 * h * w * channels, 1, 1);
    for (int64_t i = 0; ties && i < 4 * h * w * channels; i++)
        p.x[0][i] = roundf(2 * p.x[0][i]);
    ak_probe_check(&p);
}

START_TEST(against_reference)
{
    check(8, 8, 64, false);
    check(7, 10, 19, false);
}
END_TEST

START_TEST(first_of_equals_wins)
{
    check(9, 6, 33, true);
}
END_TEST

START_TEST(smallest_images)
{
    check(1, 1, 5, false);
    check(2, 1, 5, false);
}
END_TEST

// Wherever in the window it stands: a run that has diverged must not look healthy again.
START_TEST(nan_passes)
{
    ak_probe p = { .record = record,
                   .naive = naive,
                   .inputs = 1,
                   .dims = 4,
                   .shape = { { 1, 3, 3, 40 } },
                   .y_numel = 4 * 40,
                   .mode.training = true };

    p.x[0] = ak_rig_values(9 * 40, 1, 1);
    ak_probe_init(&p);
    for (int cell = 0; cell < 9; cell++) {
        ak_probe_result r;

        ak_rig_fill(p.x[0], 9 * 40, 1, 1);
        p.x[0][cell * 40 + 7] = p.x[0][cell * 40 + 39] = NAN;
        r = ak_probe_run(&p, 1, 1, false);
        for (int c = 0; c < 40; c++) {
            bool any = false;

            for (int window = 0; window < 4; window++)
                any = any || isnan(r.y[window * 40 + c]);
            ck_assert_msg(any == (c == 7 || c == 39), "cell %d, channel %d", cell, c);
        }
        ak_probe_result_fini(&r);
    }
    ak_probe_fini(&p);
}
END_TEST

AK_TEST_MAIN(AK_CASE(against_reference), AK_CASE(first_of_equals_wins), AK_CASE(smallest_images),
             AK_CASE(nan_passes))
