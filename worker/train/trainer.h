// worker/train/trainer.h -- one training step on given views: what run, replay and bench share.
//
// The order of a step: ak_trainer_begin, fill the views, ak_trainer_compute, ak_trainer_update.
// A step allocates nothing.

#ifndef AK_TRAIN_TRAINER_H
#define AK_TRAIN_TRAINER_H

#include "proto/base/str.h"
#include "proto/spec/spec.h"
#include "worker/method/method.h"
#include "worker/train/exchange.h"
#include "worker/train/online.h"
#include "worker/train/update.h"

typedef struct ak_trainer {
    ak_str watch; // what its commits keep of the watch (watch.h); the loop's
    // Read by all, changed by the trainer alone.
    ak_world world;
    ak_model model;
    const ak_method *method;
    void *self; // the method's
    const ak_backbone *backbone;
    const ak_optim *optim;
    int64_t image_size, batch, per_shard; // images of a shard
    int view_count;                       // of a sample, local crops behind the global views
    int64_t step;                         // steps done
    int64_t total, epoch_steps;           // of the run and of an epoch; 0: unknown.  The caller's
    float *slots[AK_OPTIM_SLOTS];         // this rank's slice of the optimiser's state
    const ak_slices *slices;              // of the flat vector
    ak_state *states[AK_METHOD_STATES];   // what the coordinator holds
    int state_count;
    ak_tensor *loss;
    int32_t *labels;   // [batch], of this step; the loader's to fill
    ak_online *online; // the linear probe beside pretraining, or NULL
    // Private.
    ak_setup setup;
    ak_graph *graph;
    ak_tensor *views[AK_METHOD_VIEWS];
    ak_exchange *exchange;
    float *sums; // after reduce, this rank's slice of the gradient
    ak_update update;
    double update_seconds;
} ak_trainer;

// ak_trainer_new builds networks, graph and optimiser of a checked spec on comm's ranks.  Weights
// and states are zeros until they are seeded or read.  Collective.
akssl_status ak_trainer_new(ak_trainer **out, const ak_spec *spec, ak_comm *comm) AKSSL_MUST_CHECK;

// ak_trainer_new_for is the same with labels of that many classes (0: none), for a method that no
// spec names, or with method NULL for the spec's, which then gets a linear probe beside it.
akssl_status ak_trainer_new_for(ak_trainer **out, const ak_spec *spec, ak_comm *comm,
                                const ak_method *method, int64_t classes) AKSSL_MUST_CHECK;
void ak_trainer_free(ak_trainer *trainer); // NULL-safe

// ak_trainer_seed draws the initial weights and states, by the spec's seed; ak_trainer_seed_states
// the states alone, for weights that are read.
void ak_trainer_seed(ak_trainer *trainer);
void ak_trainer_seed_states(ak_trainer *trainer);

// ak_trainer_begin prepares step trainer->step (momentum network, shuffles).
void ak_trainer_begin(ak_trainer *trainer);

// ak_trainer_size is the side of a view.
int64_t ak_trainer_size(const ak_trainer *trainer, int view);

// ak_trainer_view is where image i of local shard s of a view goes: size x size x 3 floats.
float *ak_trainer_view(ak_trainer *trainer, int view, int s, int64_t i);

// ak_trainer_sample says which image of the global batch (0..batch-1) belongs there.
int64_t ak_trainer_sample(const ak_trainer *trainer, int view, int s, int64_t i);

// ak_trainer_compute runs forward and backward and gives the loss; ERR_STATE when it is not
// finite (parameters are then unchanged).
akssl_status ak_trainer_compute(ak_trainer *trainer, double *loss) AKSSL_MUST_CHECK;

// ak_trainer_reduce sums the gradient over all ranks into this rank's slice, `sums`.  An update
// must follow before the next backward pass, if there are several ranks.
void ak_trainer_reduce(ak_trainer *trainer);

// ak_trainer_update reduces, takes one optimiser step with this rate, and hands the new parameters
// to all ranks; then the method's after_step, which changes the states.  sums is then the gradient
// as the optimiser took it, clipped.
void ak_trainer_update(ak_trainer *trainer, double lr);

// ak_trainer_health tells what the last step shows; what a method does not tell is NAN or NULL.
void ak_trainer_health(const ak_trainer *trainer, ak_health *health);

int ak_trainer_gauges(const ak_trainer *trainer, ak_gauge out[AK_METHOD_GAUGES]);
ak_encoder *ak_trainer_encoder(const ak_trainer *trainer);

// ak_method_bind makes a method's self from its options: defaults, then the pairs.
akssl_status ak_method_bind(void **self, const ak_method *method,
                            const ak_spec_pairs *pairs) AKSSL_MUST_CHECK;

// ak_norm_per_shard: what the spec's batch_norm means for the method.
bool ak_norm_per_shard(const ak_spec *spec, const ak_method *method);

#endif
