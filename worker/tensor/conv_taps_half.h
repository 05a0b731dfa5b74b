// worker/tensor/conv_taps_half.h -- the products of conv_taps.c over maps of bf16.

#ifndef AK_TENSOR_CONV_TAPS_HALF_H
#define AK_TENSOR_CONV_TAPS_HALF_H

#include <stdbool.h>
#include <stdint.h>

#include "worker/tensor/half.h"

// One product: images x k, times k x channels.  k = 0: nothing meets this position.
typedef struct ak_taps_step {
    int64_t source, weights, target, k;
    bool first; // of its target
} ak_taps_step;

typedef struct ak_taps_steps {
    ak_taps_step *at;
    int count;
} ak_taps_steps;

// A pass from a map to another, or over both.  k of each step is whole taps of `from` numbers.
typedef struct ak_taps_pass {
    const ak_taps_steps *steps;
    int64_t images, from, to;         // channels, even
    int64_t source_size, target_size; // numbers of an image
    int threads;                      // do not show in the result
} ak_taps_pass;

// Floats of the packed weights of so many taps, and of the room of the two passes below.
int64_t ak_taps_half_packed(const ak_taps_pass *pass, int64_t taps);
int64_t ak_taps_half_room(const ak_taps_pass *pass);

// ak_taps_half_pack packs weights [taps][from][to].
void ak_taps_half_pack(const ak_taps_pass *pass, float *packed, const float *weights, int64_t taps);

// Each target becomes its sum of products, made in floats.
void ak_taps_half_run(const ak_taps_pass *pass, ak_half *target, const ak_half *source,
                      const float *packed, float *room);

// gradient [taps][from][to] = the sums over images of source times target.
void ak_taps_half_weights(const ak_taps_pass *pass, float *gradient, int64_t taps,
                          const ak_half *source, const ak_half *target, float *room);

#endif
