// worker/nn/layer.h -- a network's pieces: parameters registered together, and how to apply them.

#ifndef AK_NN_LAYER_H
#define AK_NN_LAYER_H

#include "worker/nn/model.h"
#include "worker/tensor/ops.h"

// ak_norm_new registers a batch norm over `channels`, called prefix.{weight,bias,running_mean,
// running_var,num_batches_tracked}; weights start at 1, or at 0 if zero.  ak_norm_new_plain leaves
// weight and bias out: not affine.
ak_norm ak_norm_new(ak_model *model, const char *prefix, int64_t channels, bool zero);
ak_norm ak_norm_new_plain(ak_model *model, const char *prefix, int64_t channels);

// ak_conv_weight registers prefix.weight [out,in,k,k], N(0, 2 / (out k k)).
ak_param *ak_conv_weight(ak_model *model, const char *prefix, int64_t out, int64_t in, int64_t k);

enum { AK_MLP_LAYERS = 4 };

// A projection or prediction head: linear layers, each followed by batch norm and ReLU or not.
// Names count as in a sequence: prefix.layers.0 (linear), .1 (batch norm), .2 (ReLU), ...
typedef struct ak_mlp {
    int count;
    struct {
        ak_param *w, *bias;
        bool has_norm, relu;
        ak_norm norm;
    } layer[AK_MLP_LAYERS];
} ak_mlp;

// ak_mlp_add appends a layer.  A linear layer before a batch norm has no bias; weights and bias
// start from U(-1/sqrt(in), 1/sqrt(in)).
void ak_mlp_add(ak_mlp *mlp, ak_model *model, const char *prefix, int64_t in, int64_t out,
                bool norm, bool relu);

// How a head ends, behind its last linear layer.
typedef enum ak_mlp_end {
    AK_MLP_BIAS,       // with a bias
    AK_MLP_BARE,       // with nothing
    AK_MLP_NORM,       // with batch norm
    AK_MLP_PLAIN_NORM, // with batch norm that is not affine
} ak_mlp_end;

typedef struct ak_mlp_shape {
    int64_t in, hidden, out, layers; // layers: linear ones, 1..AK_MLP_LAYERS
    bool norm;                       // batch norm before each ReLU
    ak_mlp_end end;
} ak_mlp_shape;

// ak_mlp_build appends a whole head: layers - 1 hidden ones with ReLU, and the last.
void ak_mlp_build(ak_mlp *mlp, ak_model *model, const char *prefix, const ak_mlp_shape *shape);
ak_tensor *ak_mlp_apply(ak_graph *g, const ak_mlp *mlp, ak_tensor *x);

#endif
