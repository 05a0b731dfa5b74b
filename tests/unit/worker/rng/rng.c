// tests/unit/worker/rng/rng.c -- tests worker/rng/rng.c.

#include <math.h>

#include "tests/check.h"
#include "worker/rng/rng.h"

// The known answers published with Random123 (kat_vectors, philox4x32-10).
START_TEST(known_answers)
{
    static const struct {
        uint32_t counter[4], key[2], want[4];
    } rows[] = {
        { { 0, 0, 0, 0 }, { 0, 0 }, { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
        { { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff },
          { 0xffffffff, 0xffffffff },
          { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
        { { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 },
          { 0xa4093822, 0x299f31d0 },
          { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint32_t out[4];

        ak_philox(out, rows[i].counter, rows[i].key);
        for (int j = 0; j < 4; j++)
            ck_assert_uint_eq(out[j], rows[i].want[j]);
    }
}
END_TEST

START_TEST(streams_repeat_and_differ)
{
    ak_rng a = ak_rng_at(7, AK_RNG_AUGMENT, 1, 2, 3), b = a;
    const ak_rng others[] = {
        ak_rng_at(8, AK_RNG_AUGMENT, 1, 2, 3), ak_rng_at(7, AK_RNG_ORDER, 1, 2, 3),
        ak_rng_at(7, AK_RNG_AUGMENT, 0, 2, 3), ak_rng_at(7, AK_RNG_AUGMENT, 1, 0, 3),
        ak_rng_at(7, AK_RNG_AUGMENT, 1, 2, 0), ak_rng_at(7 | 1ull << 40, AK_RNG_AUGMENT, 1, 2, 3),
    };
    uint32_t first[8];

    for (int i = 0; i < 8; i++)
        first[i] = ak_rng_u32(&a);
    for (int i = 0; i < 8; i++)
        ck_assert_uint_eq(ak_rng_u32(&b), first[i]);
    for (size_t k = 0; k < sizeof others / sizeof *others; k++) {
        ak_rng other = others[k];
        int same = 0;

        for (int i = 0; i < 8; i++)
            same += ak_rng_u32(&other) == first[i];
        ck_assert_int_eq(same, 0);
    }
}
END_TEST

START_TEST(draws_stay_in_range)
{
    ak_rng rng = ak_rng_at(1, AK_RNG_BENCH, 0, 0, 0);
    int counts[7] = { 0 };
    double sum = 0;

    for (int i = 0; i < 70000; i++) {
        double u = ak_rng_uniform(&rng), v = ak_rng_between(&rng, -0.2, 0.3);

        ck_assert(u >= 0 && u < 1 && v >= -0.2 && v < 0.3);
        sum += u;
        counts[ak_rng_below(&rng, 7)]++;
    }
    ck_assert_double_eq_tol(sum / 70000, 0.5, 0.005);
    for (int i = 0; i < 7; i++)
        ck_assert_int_le(abs(counts[i] - 10000), 500);
    ck_assert_double_eq(ak_rng_between(&rng, 2, 2), 2);
}
END_TEST

START_TEST(normal_moments)
{
    ak_rng rng = ak_rng_at(1, AK_RNG_INIT, 0, 0, 0);
    double sum = 0, squares = 0, fourth = 0;
    int n = 100000;

    for (int i = 0; i < n; i++) {
        double x = ak_rng_normal(&rng);

        ck_assert(isfinite(x));
        sum += x;
        squares += x * x;
        fourth += x * x * x * x;
    }
    ck_assert_double_eq_tol(sum / n, 0, 0.02);
    ck_assert_double_eq_tol(squares / n, 1, 0.03);
    ck_assert_double_eq_tol(fourth / n, 3, 0.2);
}
END_TEST

START_TEST(permutations)
{
    enum { N = 100 };
    uint32_t order[N], counts[4][4] = { { 0 } };
    ak_rng rng = ak_rng_at(1, AK_RNG_ORDER, 0, 0, 0);
    char seen[N] = { 0 };

    ak_rng_permute(&rng, order, 0);
    ak_rng_permute(&rng, order, N);
    for (int i = 0; i < N; i++) {
        ck_assert_uint_lt(order[i], N);
        ck_assert(!seen[order[i]]);
        seen[order[i]] = 1;
    }
    for (int round = 0; round < 40000; round++) { // every element lands everywhere equally often
        ak_rng_permute(&rng, order, 4);
        for (int i = 0; i < 4; i++)
            counts[i][order[i]]++;
    }
    for (int i = 0; i < 16; i++)
        ck_assert_int_le(abs((int)counts[i / 4][i % 4] - 10000), 500);
}
END_TEST

START_TEST(fnv1a)
{
    ck_assert(ak_fnv1a64("") == 0xcbf29ce484222325u);
    ck_assert(ak_fnv1a64("a") == 0xaf63dc4c8601ec8cu);
    ck_assert(ak_fnv1a64("foobar") == 0x85944171f73967e8u);
}
END_TEST

AK_TEST_MAIN(AK_CASE(known_answers), AK_CASE(streams_repeat_and_differ),
             AK_CASE(draws_stay_in_range), AK_CASE(normal_moments), AK_CASE(permutations),
             AK_CASE(fnv1a))
