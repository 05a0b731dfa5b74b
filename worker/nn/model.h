// worker/nn/model.h -- all parameters of a run: networks register them, the model owns them.
//
// Trained parameters live in one flat vector, in the order of their registration; so do a
// momentum network's (targets) and the buffers.  A target network registers the same names as
// the one it follows, behind "target.", in the same order and before any network without a
// target, so that targets[i] follows trained[i].

#ifndef AK_NN_MODEL_H
#define AK_NN_MODEL_H

#include <stdint.h>

#include "akssl/status.h"
#include "proto/format/safetensors.h"
#include "worker/tensor/param.h"

typedef struct ak_model {
    ak_param **params;
    int count;
    float *trained, *targets, *buffers;
    int64_t trained_size, target_size, buffer_size; // floats
    bool building_target; // what is registered now is a momentum network's
    bool placed;          // `trained` is somebody else's memory
} ak_model;

void ak_model_init(ak_model *model);
void ak_model_fini(ak_model *model);

// ak_model_param registers an array called "<prefix>.<name>" (behind "target." while
// building_target); role TRAINED becomes TARGET in a momentum network.  The returned parameter is
// the model's.
ak_param *ak_model_param(ak_model *model, const char *prefix, const char *name, ak_role role,
                         int dims, const int64_t *shape, ak_init init, double scale);

// ak_model_allocate gives every parameter its place; then nothing more is registered.
akssl_status ak_model_allocate(ak_model *model) AKSSL_MUST_CHECK;

// ak_model_place has the trained parameters, whose values are lost, live in trained_size floats of
// the caller's, which must stay until ak_model_fini.
void ak_model_place(ak_model *model, float *trained);

// ak_model_seed draws the initial values, by (seed, name), and copies them to the targets.
void ak_model_seed(ak_model *model, uint64_t seed);

// ak_model_follow moves targets: target = keep * target + (1 - keep) * trained.  Fixed ones stay:
// an average of two equal numbers may be off by their last bit.
void ak_model_follow(ak_model *model, double keep, int threads);

ak_param *ak_model_find(const ak_model *model, const char *name); // or NULL

// ak_model_read takes values by name from a file.  A missing trained parameter is an error; with
// strict also a missing target or buffer, else targets copy the trained network and buffers start
// at 0 and 1.  prefix is put before the file's names ("backbone." reads an exported backbone,
// and only its names are then required).
akssl_status ak_model_read(ak_model *model, const ak_safetensors *file, bool strict,
                           const char *only) AKSSL_MUST_CHECK;

// ak_model_read_as takes every parameter whose name starts with `only` from the tensor called `as`
// and the rest of the name: ("target.backbone.", "") reads an exported backbone into a momentum
// copy.  What it lacks is an error, counts of batches aside.  What else the file has is ignored,
// unless it belongs to a part that the model has (layer1.2 beside layer1.1): ERR_INVALID.
akssl_status ak_model_read_as(ak_model *model, const ak_safetensors *file, const char *only,
                              const char *as) AKSSL_MUST_CHECK;

// ak_model_declare and ak_model_write put every parameter whose name starts with `only` ("" for
// all) into a safetensors file, without those first letters.
void ak_model_declare(const ak_model *model, ak_safetensors_writer *w, const char *only);
akssl_status ak_model_write(const ak_model *model, ak_safetensors_writer *w,
                            const char *only) AKSSL_MUST_CHECK;

#endif
