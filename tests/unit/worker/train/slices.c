// tests/unit/worker/train/slices.c -- tests that slices share out every float once, evenly.

#include "tests/unit/worker/rig.h"
#include "worker/train/slices.h"

enum { RANKS = 8, BLOCK = 16 };

static void is_shared_out(int64_t size, int ranks, int64_t bucket)
{
    bool twice = false;
    int64_t sum = 0;
    char *seen = ak_alloc((size_t)size + 1, 1);

    for (int r = 0; r < ranks; r++) {
        ak_slices s;

        ak_slices_init(&s, size, r, ranks, bucket, BLOCK);
        ck_assert_int_eq(s.buckets, (size + bucket - 1) / bucket);
        for (int b = 0; b < s.buckets; b++) {
            ak_stretch in = ak_slices_stretch(&s, b);
            int64_t share = bucket / BLOCK / ranks * BLOCK;

            ck_assert(in.from <= in.to && in.from >= b * bucket && in.to <= (b + 1) * bucket);
            ck_assert(in.from % BLOCK == 0 || in.from == size);
            ck_assert(in.to % BLOCK == 0 || in.to == size);
            ck_assert_int_eq(in.at + in.to - in.from, b + 1 < s.buckets
                                                          ? ak_slices_stretch(&s, b + 1).at
                                                          : ak_slices_own(&s));
            if ((b + 1) * bucket <= size && bucket % (BLOCK * ranks) == 0)
                ck_assert_int_eq(in.to - in.from, share);
            for (int64_t i = in.from; i < in.to; i++)
                twice |= seen[i]++ > 0;
        }
        sum += ak_slices_own(&s);
        ak_slices_fini(&s);
    }
    ck_assert(sum == size && !twice);
    free(seen);
}

START_TEST(every_float_is_somebodys)
{
    static const int64_t buckets[] = { BLOCK, 3 * BLOCK, 8 * BLOCK, 16 * BLOCK, 100 * BLOCK };

    for (int ranks = 1; ranks <= RANKS; ranks++)
        for (int64_t size = 0; size < 2000; size += 97)
            for (size_t i = 0; i < sizeof buckets / sizeof *buckets; i++)
                is_shared_out(size, ranks, buckets[i]);
}
END_TEST

static akssl_status append(void *ctx, const float *values, int64_t count)
{
    float **at = ctx;

    memcpy(*at, values, (size_t)count * sizeof *values);
    *at += count;
    return AKSSL_OK;
}

START_TEST(a_vector_comes_back_in_its_order)
{
    enum { SIZE = 1000 };
    float *values = ak_rig_values(SIZE, 1, 1), got[SIZE], *at = got;
    ak_comm *comm = NULL;
    ak_slices s;

    ak_rig_ok(ak_comm_open(&comm));
    ak_slices_init(&s, SIZE, 0, 1, 96, BLOCK);
    ak_rig_ok(ak_slices_gather(&s, comm, values, append, &at));
    ck_assert_ptr_eq(at, got + SIZE);
    ak_rig_same("vector", got, values, SIZE);
    ak_slices_fini(&s);
    ak_comm_close(comm);
    free(values);
}
END_TEST

AK_TEST_MAIN(AK_CASE(every_float_is_somebodys), AK_CASE(a_vector_comes_back_in_its_order))
