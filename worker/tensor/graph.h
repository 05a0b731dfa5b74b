// worker/tensor/graph.h -- a computation recorded once and replayed every step.
//
// Calls such as ak_l2norm(g, x) record operations; ak_graph_compile plans every activation and
// gradient into one arena by lifetime; a step allocates nothing.  Tensors are per shard: shape and
// numel are of one shard, and each operation runs over all shards of the rank before the next
// begins, so that operations over the whole batch (batch norm, losses) meet all of them.
//
// In bf16 (world.bf16) what has three or four axes, maps and tokens, is stored as bf16, where the
// operation can; inputs, features, losses and parameters are floats.
//
// Recording is sticky: the first failure is kept, later calls return a harmless tensor, and
// ak_graph_compile reports it.  One thread.

#ifndef AK_TENSOR_GRAPH_H
#define AK_TENSOR_GRAPH_H

#include <stdbool.h>
#include <stdint.h>

#include "akssl/status.h"
#include "worker/tensor/conv.h"
#include "worker/tensor/param.h"
#include "worker/tensor/world.h"

typedef struct ak_graph ak_graph;
typedef struct ak_op ak_op;

typedef struct ak_tensor {
    int dims;
    int64_t shape[4], numel; // of one shard; images are nhwc
    int groups;              // equal parts of the first axis that batch norm measures apart
    bool half;               // value and gradient are stored as bf16, else as floats
    bool needs_grad;
    bool grad_written;         // in this backward pass: the next writer adds
    ak_op *producer;           // NULL: an input
    int64_t value_at, grad_at; // floats from the start of a shard's arena; -1: none
    int64_t input_at;          // inputs: floats from the start of a shard's inputs; -1: none
    // Times, for the plan (plan.c): back_ is when backward reads the value, -1: never.
    int value_first, value_last, back_first, back_last, grad_first, grad_last;
    bool again, made_again; // made again for that: at again_at, and at first_at before; it has been
    int64_t first_at, again_at;
} ak_tensor;

typedef struct ak_graph_mode {
    bool training;      // batch statistics; else running ones
    bool shard_norm;    // batch norm per shard instead of over the global batch
    bool differentiate; // parameters get gradients
    bool recompute;     // backward makes maps again instead of keeping them: less memory, more time
} ak_graph_mode;

// ak_graph_new starts a recording.  world is borrowed.
akssl_status ak_graph_new(ak_graph **out, const ak_world *world,
                          ak_graph_mode mode) AKSSL_MUST_CHECK;
void ak_graph_free(ak_graph *graph); // NULL-safe

// ak_graph_input adds an input; the inputs of one shard lie one after the other in memory.
ak_tensor *ak_graph_input(ak_graph *g, int dims, const int64_t *shape);

// ak_join puts inputs, made in this order one after the other, together along their first axis,
// to go through a network in one forward.  Batch norm measures them together (groups 1), or each
// apart as if they went through one after the other (groups = count).
ak_tensor *ak_join(ak_graph *g, ak_tensor *const *inputs, int count, int groups);

// ak_graph_compile ends the recording; loss may be NULL (nothing to differentiate).  keep: a
// tensor whose value is to be read after ak_graph_forward, or NULL.
akssl_status ak_graph_compile(ak_graph *g, ak_tensor *loss, ak_tensor *keep) AKSSL_MUST_CHECK;

// A parameter that is read k times has k gradients, one a lane: each must be summed over all ranks
// before they are added up, or the sum would depend on the number of ranks.  After compile,
// ak_graph_lanes gives the greatest k (at least 1), and ak_graph_set_gradient says where they go:
// lanes x size floats, all zero, a parameter at its ak_param.offset of a lane.  Borrowed.
int ak_graph_lanes(const ak_graph *g);
void ak_graph_set_gradient(ak_graph *g, float *gradient, int64_t size);

// ak_graph_set_step says what the randomness of the next forward is a function of (drop path).
void ak_graph_set_step(ak_graph *g, uint64_t seed, int64_t step);

// ak_graph_forward computes; ak_graph_loss then gives the loss over the global batch (the shards'
// contributions, summed in the fixed tree).  ak_graph_backward fills the gradient's lanes with the
// sums over this rank's shards.
void ak_graph_forward(ak_graph *g);
double ak_graph_loss(ak_graph *g);
double ak_graph_sum(ak_graph *g, const ak_tensor *scalar); // the same of any scalar that is kept
void ak_graph_backward(ak_graph *g);

// ak_graph_follow has `follow` called in backward as soon as it is past an operation, by its index
// in the order of recording, from the last to the first: the gradients of its parameters are final
// then.  NULL: none.  ctx is borrowed.
typedef void ak_graph_follower(void *ctx, int op);
void ak_graph_follow(ak_graph *g, ak_graph_follower *follow, void *ctx);

// ak_graph_trained gives the k-th parameter of operation `op` that has a gradient; NULL: no more.
const ak_param *ak_graph_trained(const ak_graph *g, int op, int k);
int ak_graph_ops(const ak_graph *g); // how many operations there are

// ak_value and ak_grad give a tensor's numbers of local shard s, which are floats.
float *ak_value(const ak_graph *g, const ak_tensor *t, int s);
float *ak_grad(const ak_graph *g, const ak_tensor *t, int s);

// The same of any tensor, from number `index` on: floats, or bf16 (half.h) where t->half.
void *ak_value_at(const ak_graph *g, const ak_tensor *t, int s, int64_t index);
void *ak_grad_at(const ak_graph *g, const ak_tensor *t, int s, int64_t index);

// ak_graph_watch has `watch` called behind each operation of forward and backward, with its kind,
// its output and when it began and ended (ak_clock_ns); NULL: none.  ctx is borrowed.
typedef void ak_graph_watcher(void *ctx, const char *kind, const ak_tensor *out, bool backward,
                              int64_t from_ns, int64_t to_ns);
void ak_graph_watch(ak_graph *g, ak_graph_watcher *watch, void *ctx);

// An operation as the recording has it, for who writes the network down elsewhere
// (worker/format/onnx.c).  What params and number are is its kind's: see the `tell` of its file.
enum { AK_GRAPH_INPUTS = 2, AK_GRAPH_PARAMS = 4 };
typedef struct ak_graph_node {
    const char *kind;
    const ak_tensor *in[AK_GRAPH_INPUTS], *out; // in[1] may be NULL
    const ak_param *param[AK_GRAPH_PARAMS];     // in the order of ops.h; NULL: none
    int64_t number[2];
    double epsilon; // of a norm
} ak_graph_node;

// ak_graph_node_at describes the operation of that index, in the order of recording; false behind
// the last.  All of it is borrowed from the graph.
bool ak_graph_node_at(const ak_graph *g, int index, ak_graph_node *node);

const ak_world *ak_graph_world(const ak_graph *g);
int64_t ak_graph_bytes(const ak_graph *g); // activations and gradients, all shards of this rank

// ak_graph_seconds gives the time spent in operations called `kind` since the start, or with NULL
// in all; ak_graph_kind lists the kinds by index, NULL at the end.
double ak_graph_seconds(const ak_graph *g, const char *kind);
const char *ak_graph_kind(const ak_graph *g, int index);

// ak_graph_gflop likewise gives the 1e9 operations of layers' products that this rank's shards
// asked for, a multiply-add being two: convolutions, linear layers and attention, forward and
// gradients, whatever the algorithm made of them (Winograd's takes fewer); not what is made twice
// to save memory, nor losses.
double ak_graph_gflop(const ak_graph *g, const char *kind);

#endif
