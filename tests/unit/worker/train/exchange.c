// tests/unit/worker/train/exchange.c -- tests that steps give the same bytes on 1, 2 and 4 ranks
// where gradients go in several buckets, of a mebibyte: by memory that ranks share, and by messages
// alone.

#include "tests/unit/worker/method/ranks.h"

// Batch norm, two lanes a parameter, norms of whole tensors.
static const ak_ranks_row convolutions[] = {
    { "barlow_twins", "sync", 0, "  projection_dim: 768\n  hidden_dim: 768\n",
      "projection_head.layers.6.weight" },
};

static const ak_ranks_row transformer[] = {
    { "simclr", "sync", 0, "  projection_dim: 128\n", "projection_head.layers.0.weight" },
};

static void check(void)
{
    ak_ranks_check(convolutions, 1, "resnet20", "lars");
    ak_ranks_check(transformer, 1, "vit_tiny:patch_size=8,depth=2", "adamw");
}

START_TEST(in_shared_memory)
{
    check();
}
END_TEST

// As on nodes of one rank each: there is no room for windows.
START_TEST(by_messages)
{
    setenv("OMPI_MCA_osc_sm_backing_directory", "/nowhere", 1);
    check();
}
END_TEST

int main(int argc, char **argv)
{
    const ak_test_row cases[] = { AK_CASE(in_shared_memory), AK_CASE(by_messages), { NULL, NULL } };

    return ak_replays_asked(argc, argv) ? ak_replays_main(argv)
                                        : ak_test_run(TEST_NAME, cases, argc, argv);
}
