// tests/unit/worker/tensor/world.c -- tests how the batch is cut, and the sums in a fixed tree.

#include "tests/unit/worker/rig.h"

enum { N = 37, MOST = 64 };

// Neighbours are added, then neighbouring sums, and so on: the definition, by recursion.
static double pairwise(const double *parts, int from, int count, int64_t i)
{
    if (count == 1)
        return parts[from * N + i];
    return pairwise(parts, from, count / 2, i) + pairwise(parts, from + count / 2, count / 2, i);
}

static float pairwise_f32(const float *parts, int64_t n, int from, int count, int64_t i)
{
    if (count == 1)
        return parts[from * n + i];
    return pairwise_f32(parts, n, from, count / 2, i) +
           pairwise_f32(parts, n, from + count / 2, count / 2, i);
}

START_TEST(world_sum_is_the_pairwise_tree)
{
    double parts[MOST * N], used[MOST * N], room[N], sums[N];

    for (int shards = 1; shards <= MOST; shards *= 2) {
        ak_world world = ak_rig_world(shards, 1);
        ak_rng rng = ak_rng_at(1, AK_RNG_BENCH, (uint32_t)shards, 0, 0);

        for (int i = 0; i < shards * N; i++)
            used[i] = parts[i] = ak_rng_normal(&rng) * exp(8 * ak_rng_normal(&rng));
        ak_world_sum(&world, used, N, room, sums);
        for (int i = 0; i < N; i++) {
            double want = pairwise(parts, 0, shards, i);

            ck_assert_msg(memcmp(&sums[i], &want, sizeof want) == 0, "%d shards: %.17g, not %.17g",
                          shards, sums[i], want);
        }
        ak_comm_close(world.comm);
    }
}
END_TEST

static void stream(int shards, int64_t n, int threads)
{
    float *parts = ak_rig_values(shards * n, (uint32_t)shards, 1);
    ak_tree tree;

    ak_rig_ok(ak_tree_init(&tree, shards, n));
    for (int round = 0; round < 2; round++) { // a tree starts anew after its total
        const float *total;

        for (int s = 0; s < shards; s++) {
            memcpy(ak_tree_leaf(&tree), parts + s * n, (size_t)n * sizeof(float));
            ak_tree_push(&tree, n, threads);
        }
        total = ak_tree_total(&tree);
        for (int64_t i = 0; i < n; i++) {
            float want = pairwise_f32(parts, n, 0, shards, i);

            ck_assert_msg(memcmp(&total[i], &want, sizeof want) == 0, "%d shards, element %lld",
                          shards, (long long)i);
        }
    }
    ak_tree_fini(&tree);
    free(parts);
}

START_TEST(streaming_tree_is_the_pairwise_tree)
{
    for (int shards = 1; shards <= MOST; shards *= 2)
        stream(shards, 23, 1);
    stream(8, 40000, 2);
    stream(4096, 3, 1);
}
END_TEST

START_TEST(a_tree_takes_shorter_vectors_too)
{
    ak_tree tree;

    ak_rig_ok(ak_tree_init(&tree, 4, 100));
    for (int n = 1; n <= 100; n += 33) {
        const float *total;

        for (int s = 0; s < 4; s++) {
            for (int i = 0; i < n; i++)
                ak_tree_leaf(&tree)[i] = (float)(s * 1000 + i);
            ak_tree_push(&tree, n, 1);
        }
        total = ak_tree_total(&tree);
        for (int i = 0; i < n; i++)
            ck_assert_float_eq(total[i], (float)(6000 + 4 * i));
    }
    ak_tree_fini(&tree);
}
END_TEST

// 8 shards on 1, 2, 4 or 8 ranks: each rank's subtree, then the ranks', give the bits of one tree.
START_TEST(ranks_do_not_change_the_sum)
{
    enum { SHARDS = 8 };
    float *parts = ak_rig_values(SHARDS * N, 5, 1e3), by_rank[SHARDS * N], sum[N];
    const float *from[SHARDS];

    for (int ranks = 1; ranks <= SHARDS; ranks *= 2) {
        int local = SHARDS / ranks;

        for (int r = 0; r < ranks; r++) {
            ak_tree tree;

            ak_rig_ok(ak_tree_init(&tree, local, N));
            for (int s = 0; s < local; s++) {
                memcpy(ak_tree_leaf(&tree), parts + (r * local + s) * N, N * sizeof(float));
                ak_tree_push(&tree, N, 1);
            }
            memcpy(by_rank + r * N, ak_tree_total(&tree), N * sizeof(float));
            ak_tree_fini(&tree);
            from[r] = by_rank + r * N;
        }
        ak_tree_sum(sum, from, ranks, N, 1);
        for (int i = 0; i < N; i++) {
            float want = pairwise_f32(parts, N, 0, SHARDS, i);

            ck_assert_msg(memcmp(&sum[i], &want, sizeof want) == 0, "%d ranks", ranks);
        }
    }
    free(parts);
}
END_TEST

// Vectors longer than the strips that are summed at a time, by any threads, also in place.
START_TEST(long_vectors_are_summed_in_the_tree)
{
    enum { COUNT = 16, LONG = 10007 };
    float *parts = ak_rig_values(COUNT * LONG, 6, 1e3), *sum = ak_alloc(LONG, sizeof *sum);
    const float *from[COUNT];

    for (int count = 1; count <= COUNT; count *= 2)
        for (int threads = 1; threads <= 3; threads++) {
            for (int k = 0; k < count; k++)
                from[k] = parts + k * LONG;
            memcpy(sum, parts, LONG * sizeof *sum);
            from[0] = sum;
            ak_tree_sum(sum, from, count, LONG, threads);
            for (int i = 0; i < LONG; i++) {
                float want = pairwise_f32(parts, LONG, 0, count, i);

                ck_assert_msg(memcmp(&sum[i], &want, sizeof want) == 0, "%d of %d", i, count);
            }
        }
    free(parts);
    free(sum);
}
END_TEST

START_TEST(a_world_of_one_rank_has_all_shards)
{
    ak_world world = ak_rig_world(8, 3);

    ck_assert(world.shards == 8 && world.local == 8 && world.first == 0 && world.threads == 3);
    ak_comm_close(world.comm);
}
END_TEST

START_TEST(refuses_uneven_shards)
{
    static const int64_t bad[] = { 0, -1, -8, 3, 6, 12, 4095 };
    ak_comm *comm = NULL;
    ak_world world;

    ak_rig_ok(ak_comm_open(&comm));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ak_rig_refused(ak_world_init(&world, comm, bad[i], 1), AKSSL_ERR_INVALID,
                       "is not a power of two");
    ak_comm_close(comm);
}
END_TEST

AK_TEST_MAIN(AK_CASE(world_sum_is_the_pairwise_tree), AK_CASE(streaming_tree_is_the_pairwise_tree),
             AK_CASE(a_tree_takes_shorter_vectors_too), AK_CASE(ranks_do_not_change_the_sum),
             AK_CASE(long_vectors_are_summed_in_the_tree),
             AK_CASE(a_world_of_one_rank_has_all_shards), AK_CASE(refuses_uneven_shards))
