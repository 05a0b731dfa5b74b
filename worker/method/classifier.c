// worker/method/classifier.c -- classifiers with labels.
//
//     z = W h + b,  L = 1/B sum_i -log softmax(z_i)_y(i)
//
// h: features of the images by the backbone that is trained too (finetune), or features that are
// given (linear: the backbone is elsewhere, and frozen).  W starts from N(0, 0.01^2), b from 0
// (MoCo, arXiv:1911.05722, main_lincls.py).

#include "worker/method/classifier.h"

typedef struct classifier {
    ak_encoder encoder; // finetune's
    ak_param *weight, *bias;
    ak_tensor *features; // linear's input
    int64_t rows, width; // of a shard
    const int32_t *labels;
} classifier;

static const ak_option options[] = { AK_OPTION_END };

static const char prefix[] = "classifier.fc";

static akssl_status build_layer(void *self, const ak_setup *setup)
{
    classifier *c = self;
    const int64_t shape[2] = { setup->classes, setup->backbone->width };

    c->rows = setup->batch / setup->world->shards;
    c->width = setup->backbone->width;
    c->labels = setup->labels;
    c->weight = ak_model_param(setup->model, prefix, "weight", AK_ROLE_TRAINED, 2, shape,
                               AK_INIT_NORMAL, 0.01);
    c->bias =
        ak_model_param(setup->model, prefix, "bias", AK_ROLE_TRAINED, 1, shape, AK_INIT_ZERO, 0);
    return AKSSL_OK;
}

static akssl_status build_both(void *self, const ak_setup *setup)
{
    classifier *c = self;
    akssl_status rc = ak_encoder_build(&c->encoder, setup);

    return rc == AKSSL_OK ? build_layer(self, setup) : rc;
}

static ak_tensor *loss_of(const classifier *c, ak_graph *g, ak_tensor *h)
{
    return ak_cross_entropy(g, ak_linear(g, h, c->weight, c->bias), c->labels);
}

static ak_tensor *loss_of_images(void *self, ak_graph *g, ak_tensor *const x[])
{
    classifier *c = self;

    return loss_of(c, g, ak_encode(g, &c->encoder, x[0]));
}

static ak_tensor *loss_of_features(void *self, ak_graph *g, ak_tensor *const x[])
{
    classifier *c = self;

    (void)x;
    c->features = ak_graph_input(g, 2, (int64_t[]){ c->rows, c->width });
    return loss_of(c, g, c->features);
}

static ak_encoder *encoder(void *self)
{
    return &((classifier *)self)->encoder;
}

static void fini(void *self)
{
    classifier *c = self;

    if (c->encoder.self)
        ak_encoder_fini(&c->encoder);
}

ak_tensor *ak_classifier_features(const void *self)
{
    return ((const classifier *)self)->features;
}

void ak_classifier_layer(const void *self, const ak_param **weight, const ak_param **bias)
{
    const classifier *c = self;

    *weight = c->weight;
    *bias = c->bias;
}

const ak_method ak_method_finetune = {
    .name = "finetune",
    .title = "backbone and linear layer, trained with labels",
    .batch_norm = "sync",
    .views = 1,
    .options = options,
    .self_size = sizeof(classifier),
    .build = build_both,
    .loss = loss_of_images,
    .encoder = encoder,
    .fini = fini,
};

const ak_method ak_method_linear = {
    .name = "linear",
    .title = "linear layer on features, trained with labels",
    .batch_norm = "sync",
    .views = 1,
    .options = options,
    .self_size = sizeof(classifier),
    .build = build_layer,
    .loss = loss_of_features,
    .encoder = encoder,
    .fini = fini,
};
