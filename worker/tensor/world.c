// worker/tensor/world.c -- shards, and sums in a fixed tree.

#include "worker/tensor/world.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "worker/tensor/kernel.h"
#include "worker/tensor/pieces.h"

enum { STRIP = 2048 }; // floats of the ranks' sum that stay in the first cache

akssl_status ak_world_init(ak_world *world, ak_comm *comm, int64_t shards, int64_t threads)
{
    int ranks = ak_comm_size(comm);

    if (shards < 1 || (shards & (shards - 1)))
        return ak_fail(AKSSL_ERR_INVALID,
                       "shards %" PRId64 " is not a power of two: give 1, 2, 4, 8, ...", shards);
    if (shards % ranks)
        return ak_fail(AKSSL_ERR_INVALID,
                       "%d ranks do not divide %" PRId64
                       " shards: start 1, 2, 4, ... ranks up to the shards",
                       ranks, shards);
    world->comm = comm;
    world->shards = (int)shards;
    world->local = (int)shards / ranks;
    world->first = world->local * ak_comm_rank(comm);
    world->threads = (int)threads;
    world->isa = ak_isa_of_cpu();
    world->exact = false;
    world->bf16 = false;
    return AKSSL_OK;
}

static void tree_f64(double *parts, int count, int64_t n)
{
    for (int gap = 1; gap < count; gap *= 2)
        for (int at = 0; at + gap < count; at += 2 * gap)
            for (int64_t i = 0; i < n; i++)
                parts[at * n + i] += parts[(at + gap) * n + i];
}

void ak_world_sum(const ak_world *world, double *parts, int64_t n, double *room, double *sums)
{
    int mates = ak_comm_mates(world->comm), nodes = ak_comm_size(world->comm) / mates;
    size_t bytes = (size_t)n * sizeof(double);

    tree_f64(parts, world->local, n);
    ak_comm_gather_mates(world->comm, parts, room, bytes);
    tree_f64(room, mates, n);
    memcpy(parts, room, bytes);
    ak_comm_gather_nodes(world->comm, parts, room, bytes);
    tree_f64(room, nodes, n);
    memcpy(sums, room, bytes);
}

akssl_status ak_tree_init(ak_tree *tree, int local, int64_t room)
{
    memset(tree, 0, sizeof *tree);
    tree->room = room;
    while (local > 1 && 1 << tree->levels < 2 * local) // a lone leaf is the sum
        tree->levels++;
    for (int i = 0; i <= tree->levels; i++) {
        tree->slot[i] = ak_try_alloc((size_t)room, sizeof(float));
        if (!tree->slot[i])
            return AKSSL_ERR_NO_MEMORY;
    }
    return AKSSL_OK;
}

void ak_tree_fini(ak_tree *tree)
{
    for (int i = 0; i < 16; i++)
        free(tree->slot[i]);
    memset(tree, 0, sizeof *tree);
}

// The last slot is where leaves are written; slot[k] holds a finished subtree of 2^k leaves.
float *ak_tree_leaf(ak_tree *tree)
{
    return tree->slot[tree->levels];
}

static void swap(float **a, float **b)
{
    float *t = *a;

    *a = *b;
    *b = t;
}

void ak_tree_push(ak_tree *tree, int64_t n, int threads)
{
    int level = 0;

    for (; tree->count >> level & 1; level++)
        ak_kernel_add(tree->slot[tree->levels], tree->slot[level], tree->slot[tree->levels], n,
                      threads);
    swap(&tree->slot[level], &tree->slot[tree->levels]);
    tree->count++;
}

const float *ak_tree_total(ak_tree *tree)
{
    tree->count = 0;
    return tree->slot[tree->levels ? tree->levels - 1 : 0];
}

// Numbers [at, at+n) of a subtree.
static void sum_strip(float *out, const float *const *from, int count, int64_t at, int64_t n)
{
    if (count == 1) {
        memmove(out, from[0] + at, (size_t)n * sizeof *out);
    } else if (count == 2) {
        ak_kernel_add(out, from[0] + at, from[1] + at, n, 1);
    } else {
        float left[STRIP], right[STRIP];

        sum_strip(left, from, count / 2, at, n);
        sum_strip(right, from + count / 2, count / 2, at, n);
        ak_kernel_add(out, left, right, n, 1);
    }
}

void ak_tree_sum(float *out, const float *const *from, int count, int64_t n, int threads)
{
    PIECES(n, STRIP, threads, sum_strip(out + lo, from, count, lo, hi - lo));
}
