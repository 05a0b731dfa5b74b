// tests/unit/worker/method/pairs.c -- steps of methods of two views give the same bytes on 1, 2 and
// 4 ranks, away from their defaults too.

#include "tests/unit/worker/method/ranks.h"

static const ak_ranks_row rows[] = {
    { "barlow_twins", "sync", 0, "  projection_dim: 48\n  hidden_dim: 64\n",
      "projection_head.layers.6.weight" },
    { "barlow_twins", "shard", 0,
      "  projection_dim: 48\n  hidden_dim: 64\n  hsic: true\n  joint_views: true\n",
      "projection_head.layers.6.weight" },
    { "byol", "sync", 0, "  projection_dim: 32\n  hidden_dim: 64\n",
      "target.projection_head.layers.3.weight" },
    { "byol", "shard", 0, "  projection_dim: 32\n  hidden_dim: 64\n  output_bias: false\n",
      "target.projection_head.layers.3.weight" },
    { "moco_v2", "shard", 0, "  K: 11\n  projection_dim: 32\n", "moco.queue" },
    { "moco_v2", "shard", 0,
      "  K: 11\n  projection_dim: 32\n  symmetric: true\n  m: 0.9\n  m_end: 1\n", "moco.queue" },
    { "moco_v2", "sync", 0,
      "  K: 11\n  projection_dim: 32\n  symmetric: true\n  joint_views: true\n", "moco.queue" },
    { "moco_v3", "sync", 0, "  projection_dim: 32\n  hidden_dim: 64\n",
      "projection_head.layers.4.running_var" },
    { "moco_v3", "shard", 0,
      "  projection_dim: 32\n  hidden_dim: 64\n  projection_num_layers: 3\n"
      "  prediction_end: plain_norm\n",
      "prediction_head.layers.4.running_var" },
    { "simclr", "shard", 0, "  projection_num_layers: 3\n  joint_views: false\n",
      "projection_head.layers.7.weight" },
    { "simsiam", "sync", 0, "  projection_dim: 64\n", "prediction_head.layers.3.bias" },
    { "simsiam", "shard", 0, "  projection_dim: 64\n  stop_gradient: false\n",
      "prediction_head.layers.3.bias" },
};

AK_RANKS_MAIN(rows)
