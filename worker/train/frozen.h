// worker/train/frozen.h -- a backbone by itself, with the weights of a file, that only looks.

#ifndef AK_TRAIN_FROZEN_H
#define AK_TRAIN_FROZEN_H

#include "proto/format/digest.h"
#include "proto/spec/spec.h"
#include "worker/method/method.h"

typedef struct ak_frozen {
    ak_encoder encoder;
    ak_world world;
    ak_model model;
    char digest[AK_DIGEST_TEXT]; // as read
} ak_frozen;

// ak_frozen_open builds the spec's backbone and reads spec->weights, an exported backbone or a
// whole model that has one; ERR_NOT_FOUND names the file, or what is missing in it.  *out must be
// zero, and is to be closed after a failure too.
akssl_status ak_frozen_open(ak_frozen *out, const ak_spec *spec, ak_comm *comm) AKSSL_MUST_CHECK;
void ak_frozen_close(ak_frozen *frozen);

// ak_frozen_check fails with ERR_INTERNAL when a byte of a weight, a running statistic or a counter
// is not as it was read.
akssl_status ak_frozen_check(const ak_frozen *frozen) AKSSL_MUST_CHECK;

// ak_weights_read reads the backbone of such a file into a model that has registered one first: the
// encoder's.
akssl_status ak_weights_read(ak_model *model, const ak_encoder *encoder,
                             const char *path) AKSSL_MUST_CHECK;

#endif
