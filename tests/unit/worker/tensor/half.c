// tests/unit/worker/tensor/half.c -- tests worker/tensor/half.h: what is bf16 stays as it is, what
// lies between goes to the nearer, ties to even, and NaN stays NaN.

#include "tests/unit/worker/rig.h"
#include "worker/tensor/half.h"

enum { ALL = 1 << 16 };

START_TEST(every_bf16_is_itself)
{
    ak_half *halves = ak_alloc(ALL, sizeof *halves), *back = ak_alloc(ALL, sizeof *back);
    float *floats = ak_alloc(ALL, sizeof *floats);

    for (int i = 0; i < ALL; i++)
        halves[i] = (ak_half)i;
    ak_half_widen(floats, halves, ALL);
    for (int threads = 1; threads < 4; threads += 2) {
        ak_half_narrow(back, floats, ALL, threads);
        for (int i = 0; i < ALL; i++)
            if (isnan(floats[i]))
                ck_assert(isnan(ak_half_get(back[i])));
            else
                ck_assert_int_eq(back[i], i);
    }
    free(halves);
    free(back);
    free(floats);
}
END_TEST

// Between two neighbours, a little below their middle, on it and above.
START_TEST(rounds_to_nearest_even)
{
    for (uint32_t i = 0; i < 0x7f7f; i++) {
        float low = ak_half_get((ak_half)i), high = ak_half_get((ak_half)(i + 1));
        float middle = low + (high - low) / 2;

        ck_assert_int_eq(ak_half_of(nextafterf(middle, low)), i);
        ck_assert_int_eq(ak_half_of(nextafterf(middle, high)), i + 1);
        ck_assert_int_eq(ak_half_of(middle), i % 2 ? i + 1 : i);
        ck_assert_int_eq(ak_half_of(-middle), ak_half_of(middle) | 0x8000);
    }
    ck_assert(isinf(ak_half_get(ak_half_of(3.4e38f))));
    ck_assert(isinf(ak_half_get(ak_half_of(INFINITY))));
    ck_assert(isnan(ak_half_get(ak_half_of(NAN))) && isnan(ak_half_get(ak_half_of(-NAN))));
}
END_TEST

AK_TEST_MAIN(AK_CASE(every_bf16_is_itself), AK_CASE(rounds_to_nearest_even))
