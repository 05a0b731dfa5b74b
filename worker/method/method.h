// worker/method/method.h -- one self-supervised method: one file, one row in methods.def.
//
// Every function runs on every rank, in the same order, on the compute thread.

#ifndef AK_METHOD_METHOD_H
#define AK_METHOD_METHOD_H

#include "proto/base/option.h"
#include "worker/backbone/backbone.h"
#include "worker/method/state.h"
#include "worker/nn/layer.h"

enum { AK_METHOD_VIEWS = 2, AK_METHOD_GAUGES = 4 };

// What a method builds from; borrowed for the run.
typedef struct ak_setup {
    ak_model *model;
    const ak_backbone *backbone;
    const ak_world *world;
    bool shard_norm; // batch norm per shard
    int64_t batch;   // of all ranks
    uint64_t seed;
} ak_setup;

// An instance of a backbone.
typedef struct ak_encoder {
    const ak_backbone *backbone;
    void *self;
} ak_encoder;

// ak_encoder_build registers a backbone as "backbone"; ak_encode records it; fini frees it.
void ak_encoder_build(ak_encoder *encoder, const ak_setup *setup);
ak_tensor *ak_encode(ak_graph *g, const ak_encoder *encoder, ak_tensor *x);
void ak_encoder_fini(ak_encoder *encoder);

typedef struct ak_gauge {
    const char *name;
    double value;
} ak_gauge;

typedef struct ak_method {
    const char *name;         // as users type it; equals the file name
    const char *title;        // one line for the catalogue
    const char *paper;        // arXiv id
    const char *batch_norm;   // the default: "sync" or "shard"
    const ak_option *options; // hyper-parameters, bound into self before build
    size_t self_size;         // private state, zeroed; lives as long as the run

    // build registers the method's networks in setup->model and makes its state.
    akssl_status (*build)(void *self, const ak_setup *setup);

    // seed gives the state its initial content, by setup->seed.  Optional.
    void (*seed)(void *self);

    // loss records the forward pass for the views x[0..2), each (b,S,S,3), and returns the scalar.
    // It need not check the ops: recording is sticky.
    ak_tensor *(*loss)(void *self, ak_graph *g, ak_tensor *const x[]);

    // before_step comes before the views of step (from 0) are made: momentum network, shuffles.
    void (*before_step)(void *self, int64_t step); // optional
    // after_step follows the optimiser; it pushes to the state.  Returned are the rows that it
    // pushed, *count of them, or NULL.
    const float *(*after_step)(void *self, const ak_tensor *loss, int64_t *count); // optional

    // order: position p of the global batch of this view holds sample order[p]; NULL: sample p.
    const uint32_t *(*order)(const void *self, int view); // optional
    ak_state *(*state)(void *self);                       // what the coordinator holds; optional
    int (*gauges)(const void *self, const ak_tensor *loss, ak_gauge out[AK_METHOD_GAUGES]);
    const ak_encoder *(*encoder)(const void *self); // whose features are evaluated and exported
    void (*fini)(void *self);
} ak_method;

// ak_method_find gives the row called name; ERR_NOT_FOUND lists them all.
akssl_status ak_method_find(const ak_method **out, const char *name) AKSSL_MUST_CHECK;
const ak_method *ak_method_at(int index); // NULL behind the last

// ak_embedding_std is the mean over dimensions of the standard deviation of n rows of length 1:
// about 1/sqrt(d) when healthy, 0 when collapsed.
double ak_embedding_std(const float *rows, int64_t n, int64_t d);

#endif
