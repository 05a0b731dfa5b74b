// tests/unit/worker/tensor/kernel_optim.c -- tests sums of products and scaling; the optimisers'
// loops are tested with the kernels and with their rows.

#include "tests/unit/worker/rig.h"
#include "worker/tensor/kernel_optim.h"

START_TEST(dots)
{
    const int64_t at[] = { 100, 101, 108, 116, 133, 1157, 2000, 2001 };
    enum { PIECES = 7, N = 1901 };
    float *g = ak_rig_values(N, 1, 3), *w = ak_rig_values(N, 2, 2);
    ak_kernel_sums sums[PIECES + 1], threaded[PIECES + 1], alone;

    sums[PIECES][0] = 42;
    ak_kernel_dots(sums, g, w, at, PIECES, 1);
    ak_kernel_dots(threaded, g, w, at, PIECES, 3);
    ck_assert(sums[PIECES][0] == 42);
    for (int p = 0; p < PIECES; p++) {
        int64_t from = at[p] - at[0], cut[2] = { 0, at[p + 1] - at[p] };
        double want[3] = { 0 };

        for (int64_t i = from; i < from + cut[1]; i++) {
            want[0] += (double)g[i] * (double)g[i];
            want[1] += (double)g[i] * (double)w[i];
            want[2] += (double)w[i] * (double)w[i];
        }
        ak_kernel_dots(&alone, g + from, w + from, cut, 1, 1);
        for (int i = 0; i < 3; i++) {
            ck_assert_double_le(fabs(sums[p][i] - want[i]), 1e-14 * sqrt(want[0] * want[2]) * 10);
            ck_assert(sums[p][i] == threaded[p][i] && sums[p][i] == alone[i]);
        }
    }
    free(g);
    free(w);
}
END_TEST

START_TEST(scale)
{
    enum { N = 40001 };
    float *x = ak_rig_values(N, 1, 3), *y = ak_rig_values(N, 1, 3), behind = x[N];

    ak_kernel_scale(x, 0.3f, N, 2);
    for (int i = 0; i < N; i++)
        ck_assert(x[i] == 0.3f * y[i]);
    ck_assert(x[N] == behind);
    free(x);
    free(y);
}
END_TEST

AK_TEST_MAIN(AK_CASE(dots), AK_CASE(scale))
