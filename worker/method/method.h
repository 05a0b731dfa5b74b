// worker/method/method.h -- one self-supervised method: one file, one row in methods.def.
//
// Every function runs on every rank, in the same order, on the compute thread.

#ifndef AK_METHOD_METHOD_H
#define AK_METHOD_METHOD_H

#include "proto/base/option.h"
#include "worker/backbone/backbone.h"
#include "worker/method/state.h"
#include "worker/nn/layer.h"

enum {
    AK_METHOD_LOCALS = 16,                  // local crops at most
    AK_METHOD_VIEWS = 2 + AK_METHOD_LOCALS, // views at most
    AK_METHOD_STATES = 4,
    AK_METHOD_GAUGES = 12,
};

// What a method builds from; borrowed for the run.
typedef struct ak_setup {
    ak_model *model;
    const ak_backbone *backbone;
    const char *backbone_text; // as the spec names it: "NAME" or "NAME:key=value,..."
    const ak_world *world;
    bool shard_norm;       // batch norm per shard
    int64_t batch;         // of all ranks
    int64_t image_size;    // side of a global view
    int64_t local_size;    // side of a local crop
    int64_t classes;       // of the data set; for methods with labels
    const int32_t *labels; // [batch], of this step; for methods with labels
    uint64_t seed;
} ak_setup;

// An instance of a backbone.
typedef struct ak_encoder {
    const ak_backbone *backbone;
    void *self;
    ak_tensor *features; // of the first forward that a graph recorded (n,width)
} ak_encoder;

// ak_encoder_build registers a backbone as "backbone" with the options of setup->backbone_text;
// ERR_INVALID for a wrong option, or an image size that the backbone cannot take.  ak_encode
// records it; fini frees it.
akssl_status ak_encoder_build(ak_encoder *encoder, const ak_setup *setup) AKSSL_MUST_CHECK;
ak_tensor *ak_encode(ak_graph *g, ak_encoder *encoder, ak_tensor *x);
void ak_encoder_fini(ak_encoder *encoder);

// ak_encode_crops records the global views x[0..2) in one forward and the local crops behind them
// in another: ((2 + locals) b,width), view above view.  joint: batch norm measures crops of one
// size together, and all of them in what follows; else each view by itself.
ak_tensor *ak_encode_crops(ak_graph *g, ak_encoder *encoder, ak_tensor *const x[], int locals,
                           bool joint);

// ak_check_crops refuses local crops that are too small for the backbone.
akssl_status ak_check_crops(const ak_setup *setup, int64_t locals) AKSSL_MUST_CHECK;

typedef struct ak_gauge {
    const char *name;
    double value;
} ak_gauge;

// When a step is: schedules are functions of it.
typedef struct ak_when {
    int64_t step;        // from 0
    int64_t total;       // steps of the run; 0: unknown
    int64_t epoch_steps; // steps of an epoch; 0: unknown
} ak_when;

double ak_when_done(const ak_when *when);  // share of the run that is done, 0..1
double ak_when_epoch(const ak_when *when); // fractional epochs that are done

// ak_cosine goes from `from` (done 0) to `to` (done 1) by half a cosine.
double ak_cosine(double from, double to, double done);

// What a step shows of a run's health.  All ranks have the same; NAN: the method has no such thing.
typedef struct ak_health {
    const float *rows; // [count][width]: embeddings of some samples of the batch, any length
    int64_t count, width;
    double teacher_entropy; // mean over the batch, in nats
    double prototype_usage; // exp(entropy of the mean assignment) / prototypes, 0..1
    int64_t prototypes;     // that both are over; 0: none
    double stuck_loss;      // the loss of a run that has collapsed evenly: ln K
} ak_health;

// An embedding that a method shows in its health.
typedef struct ak_shown {
    ak_tensor *rows;
    int64_t count, width;
} ak_shown;

// ak_show records that some 256 rows of z (n,width) are shown, the first of each shard; ak_shown_in
// puts them into out.
void ak_show(ak_shown *shown, ak_graph *g, ak_tensor *z);
void ak_shown_in(const ak_shown *shown, ak_health *out);

typedef struct ak_method {
    const char *name;         // as users type it; equals the file name
    const char *title;        // one line for the catalogue
    const char *paper;        // arXiv id
    const char *batch_norm;   // the default: "sync" or "shard"
    int views;                // global views a sample; 0: two
    const ak_option *options; // hyper-parameters, bound into self before build
    size_t self_size;         // private state, zeroed; lives as long as the run

    // check refuses options that contradict one another, with a sentence.  Optional.
    akssl_status (*check)(const void *self, const ak_setup *setup);

    // locals says how many local crops a sample gets besides its two views.  Optional: none.
    int (*locals)(const void *self);

    // build registers the method's networks in setup->model and makes its state.
    akssl_status (*build)(void *self, const ak_setup *setup);

    // seed gives the state its initial content, by setup->seed.  Optional.
    void (*seed)(void *self);

    // loss records the forward pass for the views x[0..views), each (b,S,S,3), and behind them the
    // local crops, each (b,s,s,3); it returns the scalar.  It need not check the ops: recording is
    // sticky.
    ak_tensor *(*loss)(void *self, ak_graph *g, ak_tensor *const x[]);

    // before_step comes before the views of a step are made: momentum network, shuffles, what is
    // held (ak_param.held).
    void (*before_step)(void *self, const ak_when *when); // optional
    // after_step follows the optimiser; it changes the states by ak_state_push and
    // ak_state_replace, each once.
    void (*after_step)(void *self, const ak_tensor *loss); // optional

    // order: position p of the global batch of this view holds sample order[p]; NULL: sample p.
    const uint32_t *(*order)(const void *self, int view); // optional
    // states gives what the coordinator holds; optional.
    int (*states)(void *self, ak_state *out[AK_METHOD_STATES]);
    void (*health)(const void *self, const ak_tensor *loss, ak_health *out); // optional
    // gauges are the method's own figures, besides those of its health.  Optional.
    int (*gauges)(const void *self, const ak_tensor *loss, ak_gauge out[AK_METHOD_GAUGES]);
    ak_encoder *(*encoder)(void *self); // whose features are evaluated and exported
    void (*fini)(void *self);
} ak_method;

// ak_method_find gives the row called name; ERR_NOT_FOUND lists them all.
akssl_status ak_method_find(const ak_method **out, const char *name) AKSSL_MUST_CHECK;
const ak_method *ak_method_at(int index); // NULL behind the last

#endif
