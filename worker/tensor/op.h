// worker/tensor/op.h -- for the files in worker/tensor/op: what an operation is made of.

#ifndef AK_TENSOR_OP_H
#define AK_TENSOR_OP_H

#include <stddef.h>

#include "worker/tensor/graph.h"
#include "worker/tensor/kernel.h"

enum { AK_OP_INPUTS = AK_GRAPH_INPUTS };

// Values that backward reads, which stay in memory until then: those of the inputs, of the first
// input alone, of the output.
enum { AK_NEEDS_IN = 1, AK_NEEDS_FIRST = 2, AK_NEEDS_OUT = 4 };

// Which tensors an operation takes as bf16.
enum { AK_HALF_IN = 1, AK_HALF_OUT = 2, AK_HALF = AK_HALF_IN | AK_HALF_OUT };

typedef struct ak_op_kind {
    const char *name;
    size_t self_size;
    int needs;
    int constant; // bit k: input k is held constant, no gradient flows to it
    int half;

    // plan builds what the shapes allow to build; called once, at compile.  Optional.
    akssl_status (*plan)(ak_op *op, ak_graph *g);

    // forward and backward work on all local shards.  backward writes the gradients of the inputs
    // that need them (adding when grad_written) and of the parameters.
    void (*forward)(ak_op *op, ak_graph *g);
    void (*backward)(ak_op *op, ak_graph *g);

    // again makes the value of out once more, the same bits, before backward reads it, from those
    // of the inputs: memory is free in between.  Optional.  cheap: that is worth it at any time.
    void (*again)(ak_op *op, ak_graph *g);
    bool cheap;

    // products counts the multiply-adds of a layer's products for one shard, in forward or, those
    // that gradients need, in backward.  Optional: it has none to speak of.
    int64_t (*products)(const ak_op *op, bool backward);

    // gathered gives what forward collected from all shards, see ak_gathered.  Optional.
    const float *(*gathered)(const ak_op *op);

    void (*fini)(ak_op *op); // frees what plan made.  Optional.

    // tell adds the op's parameters and numbers to a description of it.  Optional: it has none.
    void (*tell)(const ak_op *op, ak_graph_node *node);
} ak_op_kind;

struct ak_op {
    const ak_op_kind *kind;
    void *self;
    ak_tensor *in[AK_OP_INPUTS], *out;
    int needs;   // its kind's; recording may take from them
    bool trains; // has trained parameters
    int lane;    // that their gradients go to
    const ak_param *trained[AK_GRAPH_PARAMS];
    double seconds, products; // since the start
};

struct ak_graph {
    ak_world world;
    ak_graph_mode mode;
    uint64_t seed; // of randomness, with step
    int64_t step;
    float *gradient;
    int64_t lane_size;
    int lanes;
    akssl_status status;
    char *sentence; // of the first failure
    ak_op **ops;
    ak_tensor **tensors;
    int op_count, tensor_count;
    ak_param **used; // trained parameters that the recording has read
    int used_count;
    ak_tensor *loss;
    int64_t input_size, arena_size; // floats a shard
    float *inputs, *arena;
    int64_t scratch_size, room_size; // floats; doubles
    float *scratch;
    double *room;
    int64_t leaf_size;
    ak_tree tree; // for parameters' gradients
    ak_conv_engine *engine;
    ak_graph_watcher *watch;
    void *watch_ctx;
    ak_graph_follower *follow;
    void *follow_ctx;
};

// ak_op_record adds an operation whose output has this shape; in1 may be NULL.  It returns the
// operation, with self zeroed for the caller to fill, or NULL when the recording has failed.
ak_op *ak_op_record(ak_graph *g, const ak_op_kind *kind, ak_tensor *in0, ak_tensor *in1, int dims,
                    const int64_t *shape);

// ak_op_param notes that op reads param, whose gradient gets a lane of its own each time.
void ak_op_param(ak_graph *g, ak_op *op, ak_param *param);

// ak_op_fail makes the recording fail with ak_error_text(); returns the harmless tensor.
ak_tensor *ak_op_fail(ak_graph *g, akssl_status code);

// ak_op_differentiates: whether a gradient flows to input k.
bool ak_op_differentiates(const ak_op *op, int k);

// ak_op_result is what a recording function returns for op (NULL: the recording has failed).
ak_tensor *ak_op_result(ak_graph *g, ak_op *op);

// ak_op_maps gives the loops over a tensor's numbers.
const ak_maps *ak_op_maps(const ak_tensor *t);

// ak_op_floats is how many floats the tensor's numbers take up, as what they are stored as.
int64_t ak_op_floats(const ak_tensor *t);

// In plan: ask for memory shared by all operations, which each uses only within one call.
void ak_op_scratch(ak_graph *g, int64_t floats);
void ak_op_room(ak_graph *g, int64_t doubles);
void ak_op_leaf(ak_graph *g, int64_t floats); // the largest parameter gradient of the op

// ak_op_layer_products is `products` of an op that multiplies its first input by a weight:
// forward's count as it is; in backward, as many for each of the two that has a gradient.
int64_t ak_op_layer_products(const ak_op *op, int64_t forward, bool backward);

// ak_op_gradient is where op stores a parameter's gradient (numel floats).
float *ak_op_gradient(ak_graph *g, const ak_op *op, const ak_param *param);

#endif
