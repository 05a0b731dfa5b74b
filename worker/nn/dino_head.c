// worker/nn/dino_head.c -- DINO's head.

#include "worker/nn/dino_head.h"

#include <math.h>
#include <stdio.h>

enum { NAME = 128 };

void ak_dino_head_new(ak_dino_head *h, ak_model *m, const char *prefix, ak_dino_shape shape)
{
    const int64_t v[2] = { shape.out, shape.bottleneck }, gain[2] = { shape.out, 1 };
    int64_t in = shape.in, last = shape.layers - 1;
    char name[NAME];

    h->shape = shape;
    for (int64_t i = 0; i <= last; i++) {
        const int64_t w[2] = { i < last ? shape.hidden : shape.bottleneck, in };
        int index = (int)i * (shape.norm ? 3 : 2);

        snprintf(name, sizeof name, "%s.mlp.%d", prefix, index);
        h->layer[i].w =
            ak_model_param(m, name, "weight", AK_ROLE_TRAINED, 2, w, AK_INIT_TRUNCATED, 0.02);
        h->layer[i].bias = ak_model_param(m, name, "bias", AK_ROLE_TRAINED, 1, w, AK_INIT_ZERO, 0);
        snprintf(name, sizeof name, "%s.mlp.%d", prefix, index + 1);
        if (shape.norm && i < last)
            h->layer[i].norm = ak_norm_new(m, name, shape.hidden, false);
        in = w[0];
    }
    snprintf(name, sizeof name, "%s.last_layer", prefix);
    h->gain = ak_model_param(m, name, "weight_g", AK_ROLE_TRAINED, 2, gain, AK_INIT_ONE, 0);
    h->gain->fixed = shape.norm_last;
    h->v = ak_model_param(m, name, "weight_v", AK_ROLE_TRAINED, 2, v, AK_INIT_UNIFORM,
                          1 / sqrt((double)shape.bottleneck));
}

ak_tensor *ak_dino_head_apply(ak_graph *g, const ak_dino_head *h, ak_tensor *x,
                              ak_tensor **embedding)
{
    for (int64_t i = 0; i < h->shape.layers; i++) {
        x = ak_linear(g, x, h->layer[i].w, h->layer[i].bias);
        if (i == h->shape.layers - 1)
            break;
        if (h->shape.norm)
            x = ak_batch_norm(g, x, &h->layer[i].norm, NULL, false);
        x = ak_gelu(g, x);
    }
    x = ak_l2norm(g, x);
    if (embedding)
        *embedding = x;
    return ak_weight_norm_linear(g, x, h->v, h->gain);
}
