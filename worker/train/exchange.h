// worker/train/exchange.h -- the sum of all ranks' gradients, bucket by bucket while backward goes
// on.
//
//     backward:  op n-1, op n-2, ...          a bucket is final behind the last op that writes to
//     it a node:    mates add their stretches     out of shared memory, once all mates are there
//     nodes:     node sums to the owners       nonblocking messages, which move on with each op
//
// Each rank ends with the sum over all ranks of its slice (slices.h), in the fixed tree over ranks:
// a node's mates are a subtree of it.  Which buckets are final behind which operation follows from
// the recording, so it is the same on every rank, and a count says how far a rank is.  A parameter
// that is read k times has k lanes, each summed by itself, then added in order.
//
// The way back is the same: each rank's new parameters go to the other nodes, and mates copy from
// each other's memory.  Waits: see worker/comm/board.h.

#ifndef AK_TRAIN_EXCHANGE_H
#define AK_TRAIN_EXCHANGE_H

#include "worker/nn/model.h"
#include "worker/tensor/graph.h"
#include "worker/train/slices.h"

typedef struct ak_exchange ak_exchange;

// Since the start, of this rank: seconds, and bytes of gradients that it sums or sends.
typedef struct ak_exchange_times {
    double within;               // this thread, adding and looking, between operations of backward
    double hidden;               // buckets were on their way meanwhile, beside the operations
    double behind;               // this thread, from the end of backward until all sums are there
    double handout;              // parameters
    int64_t bytes, bytes_within; // that were exchanged, and those of them before backward's end
} ak_exchange_times;

// ak_exchange_new moves the allocated model's trained parameters, which have no values yet, to
// where mates can read them.  world and model are borrowed.  Collective, as is ak_exchange_follow.
ak_exchange *ak_exchange_new(const ak_world *world, ak_model *model);
void ak_exchange_free(ak_exchange *exchange); // NULL-safe; not collective; behind the model's end

// ak_exchange_follow makes the gradient of a compiled graph, and follows its backward passes.
akssl_status ak_exchange_follow(ak_exchange *exchange, ak_graph *graph) AKSSL_MUST_CHECK;

const ak_slices *ak_exchange_slices(const ak_exchange *exchange);

// ak_exchange_sums is where the sums of this rank's slice go.  The caller may change them between
// finish and the next begin.
float *ak_exchange_sums(const ak_exchange *exchange);

// ak_exchange_begin comes before each backward pass, ak_exchange_finish behind it: it waits for
// what is still missing.  ak_exchange_hand_out must follow before the next pass.
void ak_exchange_begin(ak_exchange *exchange);
void ak_exchange_finish(ak_exchange *exchange);

// ak_exchange_hand_out gives each rank's slice of the trained parameters to all ranks.
void ak_exchange_hand_out(ak_exchange *exchange);

ak_exchange_times ak_exchange_spent(const ak_exchange *exchange);

#endif
