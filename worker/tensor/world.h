// worker/tensor/world.h -- how the batch is cut: shards, and which of them are this rank's.
//
// Everything numeric is defined per shard and combined in a fixed binary tree over all shards, so
// that no number depends on how many ranks there are.  Shards are a power of two; ranks divide
// them, so each rank owns an aligned subtree.

#ifndef AK_TENSOR_WORLD_H
#define AK_TENSOR_WORLD_H

#include <stdbool.h>

#include "worker/comm/comm.h"
#include "worker/tensor/isa.h"

typedef struct ak_world {
    ak_comm *comm;
    int shards;  // of the global batch
    int local;   // of this rank
    int first;   // index of this rank's first shard
    int threads; // that compute one shard; part of the result
    ak_isa isa;  // of products and convolutions; part of the result
    bool exact; // convolutions by the definition's products, none by Winograd's; part of the result
    bool bf16;  // activations and products (graph.h); isa is AVX512; part of the result
} ak_world;

// ak_world_init cuts shards among comm's ranks: ERR_INVALID when that does not come out even; isa
// is the CPU's, exact and bf16 are false.
akssl_status ak_world_init(ak_world *world, ak_comm *comm, int64_t shards,
                           int64_t threads) AKSSL_MUST_CHECK;

// ak_world_sum adds parts, [local][n] doubles of this rank's shards, over all shards of all ranks
// in the fixed tree; parts are used up.  The sums are on every rank.  room: at least
// n * (ranks) doubles.
void ak_world_sum(const ak_world *world, double *parts, int64_t n, double *room, double *sums);

// A tree that adds the shards of one rank as they come: 2 + log2(local) buffers, of a lone shard
// one.
typedef struct ak_tree {
    float *slot[16];
    int64_t room; // floats in each slot
    int count;    // leaves so far
    int levels;
} ak_tree;

akssl_status ak_tree_init(ak_tree *tree, int local, int64_t room) AKSSL_MUST_CHECK;
void ak_tree_fini(ak_tree *tree);

// ak_tree_leaf gives the buffer for the next shard's numbers (contents undefined); ak_tree_push
// adds it to the tree; after `local` pushes ak_tree_total gives the sum and starts anew.
float *ak_tree_leaf(ak_tree *tree);
void ak_tree_push(ak_tree *tree, int64_t n, int threads);
const float *ak_tree_total(ak_tree *tree);

// ak_tree_sum adds vectors of n floats, a power of two of them, in the fixed tree: one a rank, or a
// node.  out may be one of them.
void ak_tree_sum(float *out, const float *const *from, int count, int64_t n, int threads);

#endif
