// tests/unit/worker/nn/positions.c -- tests worker/nn/positions.c.

#include "worker/nn/positions.h"
#include "proto/format/safetensors.h"
#include "tests/unit/worker/rig.h"

static void check(int64_t grid, int64_t width)
{
    int64_t n = (1 + grid * grid) * width;
    float *want = ak_alloc((size_t)n, sizeof *want), *got = ak_rig_values(n, 1, 1);
    ak_safetensors *file = NULL;
    char name[64];

    snprintf(name, sizeof name, "sincos.%d_%d", (int)grid, (int)width);
    ak_rig_ok(ak_safetensors_open(&file, TEST_SOURCE_DIR "/golden/positions.safetensors"));
    ak_rig_ok(ak_safetensors_read_f32(file, name, want, n));
    ak_positions_fill(got, 1 + grid * grid, width);
    for (int64_t i = 0; i < n; i++)
        ck_assert_msg(fabsf(got[i] - want[i]) <= 1e-6f, "%s[%lld] is %g, not %g", name,
                      (long long)i, (double)got[i], (double)want[i]);
    ak_safetensors_close(file);
    free(want);
    free(got);
}

START_TEST(as_moco_v3_has_them)
{
    check(8, 192);
    check(3, 8);
}
END_TEST

AK_TEST_MAIN(AK_CASE(as_moco_v3_has_them))
