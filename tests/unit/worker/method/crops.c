// tests/unit/worker/method/crops.c -- steps on local crops give the same bytes on 1, 2 and 4 ranks,
// also with a queue that turns and is used.

#include "tests/unit/worker/method/ranks.h"

enum { LOCALS = 3 };

static const ak_ranks_row rows[] = {
    { "dino", "sync", LOCALS,
      "  projection_dim: 48\n  hidden_dim: 64\n  bottleneck_dim: 32\n  use_bn_in_head: true\n"
      "  norm_last_layer: false\n",
      "dino.center" },
    { "dino", "shard", LOCALS,
      "  projection_dim: 48\n  hidden_dim: 64\n  bottleneck_dim: 32\n  joint_views: false\n",
      "target.projection_head.last_layer.weight_v" },
    { "swav", "sync", LOCALS,
      "  num_prototypes: 40\n  hidden_dim: 64\n  queue_length: 11\n  epoch_queue_starts: 0\n"
      "  freeze_prototypes_niters: 0\n",
      "swav.queue" },
};

AK_RANKS_MAIN(rows)
