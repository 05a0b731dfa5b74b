// worker/method/simsiam.c -- SimSiam (Chen & He 2020, arXiv:2011.10566, Algorithm 1).
//
//     z1, z2 = f(x1), f(x2)             f = backbone, then projection head
//     p1, p2 = h(z1), h(z2)             h = predictor
//     L = D(p1, z2)/2 + D(p2, z1)/2     D = negative cosine; z is held constant
//
// Shapes: x (b,S,S,3), z and p (2b,projection_dim).  No negatives, no momentum network, no state:
// holding z constant is all that keeps f from collapsing.  stop_gradient=false is the paper's
// ablation, which collapses.

#include "worker/method/method.h"

typedef struct simsiam {
    int64_t projection_dim, projection_hidden_dim, projection_num_layers; // options
    int64_t prediction_hidden_dim;
    double eps;
    bool stop_gradient, fixed_predictor_lr, joint_views;
    ak_encoder encoder;
    ak_mlp head, predictor;
    ak_shown shown;
} simsiam;

static const ak_option options[] = {
    AK_OPTION_INT(simsiam, projection_dim, 2048, 1, 65536, "width of z and p"),
    AK_OPTION_INT(simsiam, projection_hidden_dim, 0, 0, 65536,
                  "width inside the projection head (0: the backbone's)"),
    AK_OPTION_INT(simsiam, projection_num_layers, 3, 1, AK_MLP_LAYERS,
                  "linear layers of the projection head"),
    AK_OPTION_INT(simsiam, prediction_hidden_dim, 0, 0, 65536,
                  "width inside the predictor (0: a quarter of projection_dim)"),
    AK_OPTION_FLOAT(simsiam, eps, 1e-8, 1e-30, 1, "rows shorter than it are divided by it"),
    AK_OPTION_BOOL(simsiam, stop_gradient, true, "z is held constant; false: it collapses"),
    AK_OPTION_BOOL(simsiam, fixed_predictor_lr, true,
                   "the predictor's learning rate does not follow the schedule"),
    AK_OPTION_BOOL(simsiam, joint_views, false, "batch norm measures both views together"),
    AK_OPTION_END,
};

static int64_t predictor_width(const simsiam *s)
{
    if (s->prediction_hidden_dim)
        return s->prediction_hidden_dim;
    return s->projection_dim < 4 ? 1 : s->projection_dim / 4;
}

static akssl_status build(void *self, const ak_setup *setup)
{
    simsiam *s = self;
    ak_model *m = setup->model;
    int64_t width = setup->backbone->width;
    ak_mlp_shape projection = { .in = width,
                                .hidden =
                                    s->projection_hidden_dim ? s->projection_hidden_dim : width,
                                .out = s->projection_dim,
                                .layers = s->projection_num_layers,
                                .norm = true,
                                .end = AK_MLP_PLAIN_NORM };
    ak_mlp_shape prediction = { .in = s->projection_dim,
                                .hidden = predictor_width(s),
                                .out = s->projection_dim,
                                .layers = 2,
                                .norm = true,
                                .end = AK_MLP_BIAS };
    akssl_status rc = ak_encoder_build(&s->encoder, setup);
    int first;

    ak_mlp_build(&s->head, m, "projection_head", &projection);
    first = m->count;
    ak_mlp_build(&s->predictor, m, "prediction_head", &prediction);
    for (int i = first; i < m->count; i++)
        m->params[i]->constant_rate = s->fixed_predictor_lr;
    return rc;
}

static ak_tensor *loss(void *self, ak_graph *g, ak_tensor *const x[])
{
    simsiam *s = self;
    ak_tensor *both = ak_join(g, x, 2, s->joint_views ? 1 : 2);
    ak_tensor *z = ak_mlp_apply(g, &s->head, ak_encode(g, &s->encoder, both));
    ak_tensor *p = ak_mlp_apply(g, &s->predictor, z);

    ak_show(&s->shown, g, z);
    return ak_negative_cosine(g, ak_l2norm_above(g, p, s->eps), ak_l2norm_above(g, z, s->eps),
                              s->stop_gradient);
}

static void health(const void *self, const ak_tensor *l, ak_health *out)
{
    (void)l;
    ak_shown_in(&((const simsiam *)self)->shown, out);
}

static ak_encoder *encoder(void *self)
{
    return &((simsiam *)self)->encoder;
}

static void fini(void *self)
{
    ak_encoder_fini(&((simsiam *)self)->encoder);
}

const ak_method ak_method_simsiam = {
    .name = "simsiam",
    .title = "two views, a predictor, a stop-gradient",
    .paper = "arXiv:2011.10566",
    .batch_norm = "sync",
    .options = options,
    .self_size = sizeof(simsiam),
    .build = build,
    .loss = loss,
    .health = health,
    .encoder = encoder,
    .fini = fini,
};
