// worker/nn/dino_head.h -- DINO's head (arXiv:2104.14294, appendix C): linear layers with GELU to a
// bottleneck, rows of length 1, then weight-normed prototypes.

#ifndef AK_NN_DINO_HEAD_H
#define AK_NN_DINO_HEAD_H

#include "worker/nn/layer.h"

enum { AK_DINO_HEAD_LAYERS = 8 };

typedef struct ak_dino_shape {
    int64_t in, hidden, bottleneck, out;
    int64_t layers; // linear ones up to the bottleneck, 1 to AK_DINO_HEAD_LAYERS
    bool norm;      // batch norm before each GELU
    bool norm_last; // the prototypes keep length 1
} ak_dino_shape;

// Names count as in a sequence: prefix.mlp.0 (linear), .1 (batch norm or GELU), ...;
// prefix.last_layer.weight_g [out,1] and weight_v [out,bottleneck].
typedef struct ak_dino_head {
    ak_dino_shape shape;
    struct {
        ak_param *w, *bias;
        ak_norm norm;
    } layer[AK_DINO_HEAD_LAYERS];
    ak_param *v, *gain;
} ak_dino_head;

// ak_dino_head_new registers the head: linear weights start from N(0, 0.02^2), biases at 0, v from
// U(-1/sqrt(bottleneck), 1/sqrt(bottleneck)), the gain at 1.
void ak_dino_head_new(ak_dino_head *head, ak_model *model, const char *prefix, ak_dino_shape shape);

// ak_dino_head_apply gives the logits (n,out) of x (n,in), and in *embedding, unless NULL, the
// rows of length 1 before the prototypes.
ak_tensor *ak_dino_head_apply(ak_graph *g, const ak_dino_head *head, ak_tensor *x,
                              ak_tensor **embedding);

#endif
