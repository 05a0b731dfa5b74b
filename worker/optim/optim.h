// worker/optim/optim.h -- optimisers and learning-rate schedules: one row each.
//
// An optimiser works on a stretch of the flat parameter vector: a tensor, or as much of it as lies
// in a rank's slice, so that its state is cut over the ranks like the parameters are.  What it
// must know of the whole tensor is in the step.

#ifndef AK_OPTIM_OPTIM_H
#define AK_OPTIM_OPTIM_H

#include <stdbool.h>
#include <stdint.h>

#include "akssl/status.h"

enum { AK_OPTIM_SLOTS = 2 };

typedef struct ak_optim_step {
    float *w;                    // parameters of the stretch
    const float *g;              // their gradient
    float *slot[AK_OPTIM_SLOTS]; // the optimiser's state, zero at the start
    int64_t n;
    int64_t t; // updates of this tensor before this one
    double lr, momentum, weight_decay;
    bool plain; // the tensor is not to be adapted (and its weight_decay is 0)
    double w_norm, g_norm, decayed_norm; // |w|, |g|, |g + decay w| of the whole tensor, if `norms`
    int threads;
} ak_optim_step;

typedef struct ak_optim {
    const char *name;
    const char *title;
    const char *slots[AK_OPTIM_SLOTS]; // names in optimizer.safetensors; NULL: unused
    bool exclude_1d; // unless the spec says otherwise, tensors of one dimension are plain
    bool norms;      // the step reads norms
    void (*step)(const ak_optim_step *step);
} ak_optim;

akssl_status ak_optim_find(const ak_optim **out, const char *name) AKSSL_MUST_CHECK;
const ak_optim *ak_optim_at(int index); // NULL behind the last

// ---- learning rates

enum { AK_RATE_MILESTONES = 16 };

// The rate over a run: linear from lr_start to lr in the first `warmup` steps, then by its
// schedule.
typedef struct ak_rate {
    const struct ak_schedule *schedule;
    double lr, lr_start, lr_end;
    double milestones[AK_RATE_MILESTONES], gamma; // shares of the run, rising; schedule step
    int milestone_count;
    int64_t warmup, total;
} ak_rate;

typedef struct ak_schedule {
    const char *name;
    const char *title;
    double (*lr)(const ak_rate *rate, int64_t t); // warmup <= t, warmup < total
} ak_schedule;

akssl_status ak_schedule_find(const ak_schedule **out, const char *name) AKSSL_MUST_CHECK;
const ak_schedule *ak_schedule_at(int index); // NULL behind the last

// ak_schedule_lr is the learning rate of step t (from 0).
double ak_schedule_lr(const ak_rate *rate, int64_t t);

// ak_rate_milestones reads "0.6,0.8" into rate; ERR_INVALID says what is wrong with it.
akssl_status ak_rate_milestones(ak_rate *rate, const char *text) AKSSL_MUST_CHECK;

// ak_rate_scaling is what rates are multiplied by: none 1, linear batch/256, sqrt its root.
double ak_rate_scaling(const char *scaling, int64_t batch);

#endif
