// worker/method/moco_v3.c -- MoCo v3 (Chen et al. 2021, arXiv:2104.02057, Algorithm 1).
//
//     q1, q2 = h(g(f(x1))), h(g(f(x2)))        f = backbone, g = projection, h = predictor
//     f', g' = m f', g' + (1-m) f, g           m = 1 - (1-m0) (1 + cos(pi step/steps)) / 2
//     k1, k2 = g'(f'(x1)), g'(f'(x2))          no gradient
//     L = ctr(q1, k2) + ctr(q2, k1)            ctr = 2t InfoNCE over the global batch's keys
//
// Shapes: x (b,S,S,3), q and k (2b,projection_dim), rows of length 1.  No queue, no state.
//
// The paper's heads end in a batch norm that is not affine: the projection's always
// (projection_end), the predictor's for ViT (prediction_end), which also has 3 layers
// (projection_num_layers).

#include <string.h>

#include "worker/method/method.h"

typedef struct moco_v3 {
    int64_t projection_dim, hidden_dim, projection_num_layers; // options
    double temperature, moving_average_decay;
    char *projection_end, *prediction_end, *decay_schedule;
    bool joint_views;
    const ak_setup *setup;
    double decay; // of the last step
    ak_encoder query, key;
    ak_mlp query_head, key_head, predictor;
    ak_shown shown;
} moco_v3;

static const char ends[] = "plain_norm|norm|bias|bare";

static const ak_option options[] = {
    AK_OPTION_INT(moco_v3, projection_dim, 256, 1, 65536, "width of q and k"),
    AK_OPTION_INT(moco_v3, hidden_dim, 4096, 0, 65536,
                  "width inside the heads (0: the backbone's)"),
    AK_OPTION_INT(moco_v3, projection_num_layers, 2, 1, AK_MLP_LAYERS,
                  "linear layers of the projection head: 2 for ResNet, 3 for ViT"),
    AK_OPTION_STRING(moco_v3, projection_end, "plain_norm", ends,
                     "behind its last layer: batch norm (plain: not affine), a bias, or nothing"),
    AK_OPTION_STRING(moco_v3, prediction_end, "bare", ends,
                     "the same of the predictor: bare for ResNet, plain_norm for ViT"),
    AK_OPTION_FLOAT(moco_v3, temperature, 0.2, 1e-3, 100, "temperature of the loss"),
    AK_OPTION_FLOAT(moco_v3, moving_average_decay, 0.99, 0, 1,
                    "momentum of the key network, at the start"),
    AK_OPTION_STRING(moco_v3, decay_schedule, "cosine", "constant|cosine",
                     "how the momentum goes: to 1 by half a cosine, or not at all"),
    AK_OPTION_BOOL(moco_v3, joint_views, false, "batch norm measures both views together"),
    AK_OPTION_END,
};

static ak_mlp_end end_of(const char *name)
{
    return strcmp(name, "plain_norm") == 0 ? AK_MLP_PLAIN_NORM
           : strcmp(name, "norm") == 0     ? AK_MLP_NORM
           : strcmp(name, "bias") == 0     ? AK_MLP_BIAS
                                           : AK_MLP_BARE;
}

static ak_mlp_shape shape_of(const moco_v3 *s)
{
    int64_t width = s->setup->backbone->width;

    return (ak_mlp_shape){ .in = width,
                           .hidden = s->hidden_dim ? s->hidden_dim : width,
                           .out = s->projection_dim,
                           .layers = s->projection_num_layers,
                           .norm = true,
                           .end = end_of(s->projection_end) };
}

static akssl_status build_network(moco_v3 *s, ak_encoder *encoder, ak_mlp *head)
{
    ak_mlp_shape shape = shape_of(s);
    akssl_status rc = ak_encoder_build(encoder, s->setup);

    ak_mlp_build(head, s->setup->model, "projection_head", &shape);
    return rc;
}

static akssl_status build(void *self, const ak_setup *setup)
{
    moco_v3 *s = self;
    ak_mlp_shape predictor;
    akssl_status rc;

    s->setup = setup;
    predictor = shape_of(s);
    predictor.in = s->projection_dim;
    predictor.layers = 2;
    predictor.end = end_of(s->prediction_end);
    rc = build_network(s, &s->query, &s->query_head);
    ak_mlp_build(&s->predictor, setup->model, "prediction_head", &predictor);
    if (rc < 0)
        return rc;
    setup->model->building_target = true;
    rc = build_network(s, &s->key, &s->key_head);
    setup->model->building_target = false;
    return rc;
}

static ak_tensor *loss(void *self, ak_graph *g, ak_tensor *const x[])
{
    moco_v3 *s = self;
    ak_tensor *both = ak_join(g, x, 2, s->joint_views ? 1 : 2);
    ak_tensor *k = ak_mlp_apply(g, &s->key_head, ak_encode(g, &s->key, both));
    ak_tensor *z = ak_mlp_apply(g, &s->query_head, ak_encode(g, &s->query, both));
    ak_tensor *q = ak_mlp_apply(g, &s->predictor, z);

    ak_show(&s->shown, g, z);
    return ak_info_nce_batch(g, ak_l2norm(g, q), ak_l2norm(g, k), s->temperature);
}

static void before_step(void *self, const ak_when *when)
{
    moco_v3 *s = self;

    s->decay = s->moving_average_decay;
    if (strcmp(s->decay_schedule, "cosine") == 0)
        s->decay = ak_cosine(s->decay, 1, ak_when_done(when));
    ak_model_follow(s->setup->model, s->decay, s->setup->world->threads);
}

static void health(const void *self, const ak_tensor *l, ak_health *out)
{
    (void)l;
    ak_shown_in(&((const moco_v3 *)self)->shown, out);
}

static int gauges(const void *self, const ak_tensor *l, ak_gauge out[AK_METHOD_GAUGES])
{
    (void)l;
    out[0] = (ak_gauge){ "target_momentum", ((const moco_v3 *)self)->decay };
    return 1;
}

static ak_encoder *encoder(void *self)
{
    return &((moco_v3 *)self)->query;
}

static void fini(void *self)
{
    ak_encoder_fini(&((moco_v3 *)self)->query);
    ak_encoder_fini(&((moco_v3 *)self)->key);
}

const ak_method ak_method_moco_v3 = {
    .name = "moco_v3",
    .title = "a momentum network's keys of the batch, a predictor",
    .paper = "arXiv:2104.02057",
    .batch_norm = "sync",
    .options = options,
    .self_size = sizeof(moco_v3),
    .build = build,
    .loss = loss,
    .before_step = before_step,
    .health = health,
    .gauges = gauges,
    .encoder = encoder,
    .fini = fini,
};
