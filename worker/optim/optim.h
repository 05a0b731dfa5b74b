// worker/optim/optim.h -- optimisers and learning-rate schedules: one row each.
//
// An optimiser works on a slice of the flat parameter vector, so that its state is cut over the
// ranks like the parameters are.

#ifndef AK_OPTIM_OPTIM_H
#define AK_OPTIM_OPTIM_H

#include <stdint.h>

#include "akssl/status.h"

enum { AK_OPTIM_SLOTS = 2 };

typedef struct ak_optim_step {
    float *w;                    // parameters of the slice
    const float *g;              // their gradient
    float *slot[AK_OPTIM_SLOTS]; // the optimiser's state, zero at the start
    int64_t n;
    int64_t t; // steps done before this one
    double lr, momentum, weight_decay;
    int threads;
} ak_optim_step;

typedef struct ak_optim {
    const char *name;
    const char *title;
    const char *slots[AK_OPTIM_SLOTS]; // names in optimizer.safetensors; NULL: unused
    void (*step)(const ak_optim_step *step);
} ak_optim;

akssl_status ak_optim_find(const ak_optim **out, const char *name) AKSSL_MUST_CHECK;
const ak_optim *ak_optim_at(int index); // NULL behind the last

typedef struct ak_schedule {
    const char *name;
    const char *title;
    double (*factor)(double done); // done: share of the steps after the warm-up, 0..1
} ak_schedule;

akssl_status ak_schedule_find(const ak_schedule **out, const char *name) AKSSL_MUST_CHECK;
const ak_schedule *ak_schedule_at(int index); // NULL behind the last

// ak_schedule_lr is the learning rate of step t (from 0) of total: linear from 0 over the first
// warmup steps, then lr * factor.
double ak_schedule_lr(const ak_schedule *schedule, double lr, int64_t t, int64_t warmup,
                      int64_t total);

#endif
