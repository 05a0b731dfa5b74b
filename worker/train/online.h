// worker/train/online.h -- a linear layer that learns the labels beside pretraining.
//
//     logits = detach(features) W^T + b,  L = cross-entropy
//
// Its gradient does not reach the backbone, and its parameters count in no norm of the run's: the
// run is the same with it and without.  Parameters: online_probe.weight, online_probe.bias.

#ifndef AK_TRAIN_ONLINE_H
#define AK_TRAIN_ONLINE_H

#include "worker/method/method.h"

typedef struct ak_online {
    ak_param *weight, *bias;
    ak_tensor *logits, *loss;
    int64_t classes;
    int32_t *labels; // [rows of all shards]
    double *parts;   // of the shards' hits
    double top1;     // per cent of the batch's rows that the last forward got right
} ak_online;

// ak_online_build registers the layer; after the method's own parameters.
void ak_online_build(ak_online *online, ak_model *model, int64_t width, int64_t classes);

// ak_online_record adds it to a graph, on features (n,width): n is a whole number of views of the
// shard's images.  Returns loss + its own.
ak_tensor *ak_online_record(ak_online *online, ak_graph *g, ak_tensor *features, ak_tensor *loss);

// ak_online_label says which label row r of shard s has, before the forward.
void ak_online_label(ak_online *online, int s, int64_t r, int32_t label);

// ak_online_count makes top1 after a forward.  Collective.
void ak_online_count(ak_online *online, ak_graph *g);

void ak_online_fini(ak_online *online);

#endif
