// tests/unit/worker/method/crops.c -- steps on local crops give the same bytes on 1, 2 and 4 ranks,
// also with a queue that turns and is used.

#include "tests/unit/worker/method/ranks.h"

enum { LOCALS = 3 };

START_TEST(dino)
{
    ak_ranks_check(
        "dino", "sync", LOCALS,
        "  projection_dim: 48\n  hidden_dim: 64\n  bottleneck_dim: 32\n  use_bn_in_head: true\n"
        "  norm_last_layer: false\n",
        "dino.center");
}
END_TEST

START_TEST(dino_views_apart)
{
    ak_ranks_check(
        "dino", "shard", LOCALS,
        "  projection_dim: 48\n  hidden_dim: 64\n  bottleneck_dim: 32\n  joint_views: false\n",
        "target.projection_head.last_layer.weight_v");
}
END_TEST

START_TEST(swav)
{
    ak_ranks_check(
        "swav", "sync", LOCALS,
        "  num_prototypes: 40\n  hidden_dim: 64\n  queue_length: 11\n  epoch_queue_starts: 0\n"
        "  freeze_prototypes_niters: 0\n",
        "swav.queue");
}
END_TEST

AK_TEST_MAIN(AK_CASE(dino), AK_CASE(dino_views_apart), AK_CASE(swav))
