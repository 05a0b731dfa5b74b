// worker/train/update.h -- how a step changes the parameters: rates, decay, clipping, what is held.
//
// The flat vector is shared out among the ranks, at multiples of a block (slices.h).  An update
// knows one slice; it changes the stretches of tensors that lie in it.
//
//     ak_update_measure -> all-gather mine into all -> ak_update_apply        (if `measures`)
//
// Clipping and some optimisers need norms of whole tensors.  Each piece, what a block holds of a
// tensor, is measured by its owner; every rank then adds the pieces of a tensor in the vector's
// order.  Blocks do not depend on the number of ranks, so neither do norms.

#ifndef AK_TRAIN_UPDATE_H
#define AK_TRAIN_UPDATE_H

#include "proto/spec/spec.h"
#include "worker/method/method.h"
#include "worker/optim/optim.h"
#include "worker/tensor/kernel_optim.h"
#include "worker/train/slices.h"

enum { AK_UPDATE_BLOCK = 1024 }; // floats

typedef struct ak_update {
    // Read by the caller.
    bool measures;        // norms are needed
    ak_kernel_sums *mine; // [most]: of this rank's pieces
    ak_kernel_sums *all;  // [ranks][most]
    size_t bytes;         // of mine
    // Private.
    const ak_optim *optim;
    double lr; // without schedule, for what has a constant rate
    double momentum, weight_decay, weight_decay_end, bias_lr_factor, clip;
    bool clip_global, exclude_1d;
    const ak_model *model; // borrowed, as is slices
    const ak_slices *slices;
    int tensor_count;
    const ak_param **tensors; // the trained ones, in the flat vector's order
    ak_kernel_sums *sums;     // of each tensor
    int64_t *at;              // piece p is [at[p], at[p+1]) of the flat vector
    int64_t *piece_of;        // tensor k has pieces [piece_of[k], piece_of[k+1])
    int64_t *place;           // of piece p in `all`
    int64_t most;             // pieces of a rank, at most
} ak_update;

// ak_update_init makes slices->rank's update of an allocated model that was cut at multiples of
// block.
void ak_update_init(ak_update *update, const ak_spec *spec, const ak_optim *optim,
                    const ak_model *model, const ak_slices *slices, int64_t block);
void ak_update_fini(ak_update *update); // fine on zeros

// ak_update_measure sums up this rank's pieces into mine.  g is the gradient of its slice.
void ak_update_measure(ak_update *update, const float *g, int threads);

// ak_update_apply takes the step `when` with this rate on the slice.  g is the slice's gradient;
// where it is longer than the clip it is scaled down in place.  slots are the slice's.
void ak_update_apply(ak_update *update, const ak_when *when, double lr, float *g,
                     float *const slots[AK_OPTIM_SLOTS], int threads);

// ak_update_rate makes the learning rate of a checked spec's run.
akssl_status ak_update_rate(ak_rate *rate, const ak_spec *spec, int64_t warmup,
                            int64_t total) AKSSL_MUST_CHECK;

#endif
