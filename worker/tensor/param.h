// worker/tensor/param.h -- a named array that a network owns: trained, averaged or counted.

#ifndef AK_TENSOR_PARAM_H
#define AK_TENSOR_PARAM_H

#include <stdbool.h>
#include <stdint.h>

typedef enum ak_role {
    AK_ROLE_TRAINED = 1, // gets gradients; lives in the model's flat vector at `offset`
    AK_ROLE_TARGET,      // a momentum network's: the moving average of the trained one
    AK_ROLE_BUFFER,      // batch norm's running statistics
    AK_ROLE_COUNT,       // one whole number: batch norm's num_batches_tracked, in `count`
} ak_role;

typedef enum ak_init {
    AK_INIT_ZERO,
    AK_INIT_ONE,
    AK_INIT_UNIFORM,   // U(-scale, scale)
    AK_INIT_NORMAL,    // N(0, scale^2)
    AK_INIT_TRUNCATED, // N(0, scale^2), drawn again outside of [-2, 2]
    AK_INIT_POSITIONS, // fixed sines and cosines, see worker/nn/positions.h
} ak_init;

typedef struct ak_param {
    char *name; // "backbone.conv1.weight"
    ak_role role;
    int dims;
    int64_t shape[4], numel;
    ak_init init;
    double scale;
    float *value;   // numel floats; NULL for AK_ROLE_COUNT
    int64_t offset; // of value in its role's flat vector
    int64_t count;
    int reads;          // by the graph under construction
    bool fixed;         // keeps its initial value: no gradient, no update
    bool constant_rate; // the learning rate's schedule is not for it
    bool aside;         // trained beside the run: part of no norm over all parameters, no decay
    int64_t held;       // steps from the start of the run in which it is not updated
} ak_param;

#endif
