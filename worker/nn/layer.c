// worker/nn/layer.c -- batch norm, convolution weights, heads.

#include "worker/nn/layer.h"

#include <math.h>
#include <stdio.h>

enum { NAME = 128 };

ak_norm ak_norm_new_plain(ak_model *m, const char *prefix, int64_t channels)
{
    const int64_t shape[1] = { channels };

    return (ak_norm){
        .mean =
            ak_model_param(m, prefix, "running_mean", AK_ROLE_BUFFER, 1, shape, AK_INIT_ZERO, 0),
        .var = ak_model_param(m, prefix, "running_var", AK_ROLE_BUFFER, 1, shape, AK_INIT_ONE, 0),
        .count = ak_model_param(m, prefix, "num_batches_tracked", AK_ROLE_COUNT, 0, NULL,
                                AK_INIT_ZERO, 0),
    };
}

ak_norm ak_norm_new(ak_model *m, const char *prefix, int64_t channels, bool zero)
{
    const int64_t shape[1] = { channels };
    ak_init start = zero ? AK_INIT_ZERO : AK_INIT_ONE;
    ak_param *weight = ak_model_param(m, prefix, "weight", AK_ROLE_TRAINED, 1, shape, start, 0);
    ak_param *bias = ak_model_param(m, prefix, "bias", AK_ROLE_TRAINED, 1, shape, AK_INIT_ZERO, 0);
    ak_norm norm = ak_norm_new_plain(m, prefix, channels);

    norm.weight = weight;
    norm.bias = bias;
    return norm;
}

ak_param *ak_conv_weight(ak_model *m, const char *prefix, int64_t out, int64_t in, int64_t k)
{
    const int64_t shape[4] = { out, in, k, k };

    return ak_model_param(m, prefix, "weight", AK_ROLE_TRAINED, 4, shape, AK_INIT_NORMAL,
                          sqrt(2.0 / (double)(out * k * k)));
}

static int sequence_length(const ak_mlp *mlp)
{
    int n = 0;

    for (int i = 0; i < mlp->count; i++)
        n += 1 + mlp->layer[i].has_norm + mlp->layer[i].relu;
    return n;
}

static void add(ak_mlp *mlp, ak_model *m, const char *prefix, int64_t in, int64_t out,
                ak_mlp_end end, bool relu)
{
    const int64_t shape[2] = { out, in };
    int index = sequence_length(mlp), i = mlp->count++;
    double bound = 1 / sqrt((double)in);
    char name[NAME];

    snprintf(name, sizeof name, "%s.layers.%d", prefix, index);
    mlp->layer[i].w =
        ak_model_param(m, name, "weight", AK_ROLE_TRAINED, 2, shape, AK_INIT_UNIFORM, bound);
    if (end == AK_MLP_BIAS)
        mlp->layer[i].bias =
            ak_model_param(m, name, "bias", AK_ROLE_TRAINED, 1, shape, AK_INIT_UNIFORM, bound);
    mlp->layer[i].has_norm = end == AK_MLP_NORM || end == AK_MLP_PLAIN_NORM;
    mlp->layer[i].relu = relu;
    snprintf(name, sizeof name, "%s.layers.%d", prefix, index + 1);
    if (end == AK_MLP_NORM)
        mlp->layer[i].norm = ak_norm_new(m, name, out, false);
    else if (end == AK_MLP_PLAIN_NORM)
        mlp->layer[i].norm = ak_norm_new_plain(m, name, out);
}

void ak_mlp_add(ak_mlp *mlp, ak_model *m, const char *prefix, int64_t in, int64_t out, bool norm,
                bool relu)
{
    add(mlp, m, prefix, in, out, norm ? AK_MLP_NORM : AK_MLP_BIAS, relu);
}

void ak_mlp_build(ak_mlp *mlp, ak_model *m, const char *prefix, const ak_mlp_shape *s)
{
    int64_t in = s->in;

    for (int64_t i = 1; i < s->layers; i++, in = s->hidden)
        ak_mlp_add(mlp, m, prefix, in, s->hidden, s->norm, true);
    add(mlp, m, prefix, in, s->out, s->end, false);
}

ak_tensor *ak_mlp_apply(ak_graph *g, const ak_mlp *mlp, ak_tensor *x)
{
    for (int i = 0; i < mlp->count; i++) {
        x = ak_linear(g, x, mlp->layer[i].w, mlp->layer[i].bias);
        if (mlp->layer[i].has_norm)
            x = ak_batch_norm(g, x, &mlp->layer[i].norm, NULL, mlp->layer[i].relu);
        else if (mlp->layer[i].relu)
            x = ak_relu(g, x);
    }
    return x;
}
