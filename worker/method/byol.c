// worker/method/byol.c -- BYOL (Grill et al. 2020, arXiv:2006.07733, Algorithm 1).
//
//     p1, p2 = h(g(f(x1))), h(g(f(x2)))        online: f = backbone, g = projection, h = predictor
//     z1, z2 = g'(f'(x1)), g'(f'(x2))          target; no gradient
//     L = mean over the batch of |p1 - z2|^2 + |p2 - z1|^2      rows of length 1
//     f', g' = t f', g' + (1-t) f, g           after the optimiser's step
//     t = 1 - (1-t0) (1 + cos(pi step/steps)) / 2
//
// Shapes: x (b,S,S,3), p and z (2b,projection_dim).  No negatives, no state.

#include <string.h>

#include "worker/method/method.h"

typedef struct byol {
    int64_t projection_dim, projection_num_layers, hidden_dim, prediction_hidden_dim; // options
    double moving_average_decay;
    char *decay_schedule;
    bool output_bias, joint_views;
    const ak_setup *setup;
    double decay; // of the last step
    ak_encoder online, target;
    ak_mlp online_head, target_head, predictor;
    ak_shown shown;
} byol;

static const ak_option options[] = {
    AK_OPTION_INT(byol, projection_dim, 256, 1, 65536, "width of z and p"),
    AK_OPTION_INT(byol, hidden_dim, 4096, 0, 65536, "width inside the heads (0: the backbone's)"),
    AK_OPTION_INT(byol, prediction_hidden_dim, 0, 0, 65536,
                  "width inside the predictor (0: as in the projection head)"),
    AK_OPTION_INT(byol, projection_num_layers, 2, 1, AK_MLP_LAYERS,
                  "linear layers of the projection head"),
    AK_OPTION_BOOL(byol, output_bias, true, "the heads' last layers have a bias"),
    AK_OPTION_FLOAT(byol, moving_average_decay, 0.99, 0, 1,
                    "share that the target keeps of itself each step, at the start"),
    AK_OPTION_STRING(byol, decay_schedule, "cosine", "constant|cosine",
                     "how the share goes: to 1 by half a cosine, or not at all"),
    AK_OPTION_BOOL(byol, joint_views, false, "batch norm measures both views together"),
    AK_OPTION_END,
};

static int64_t hidden_of(const byol *s)
{
    return s->hidden_dim ? s->hidden_dim : s->setup->backbone->width;
}

static akssl_status build_network(byol *s, ak_encoder *encoder, ak_mlp *head)
{
    ak_mlp_shape shape = { .in = s->setup->backbone->width,
                           .hidden = hidden_of(s),
                           .out = s->projection_dim,
                           .layers = s->projection_num_layers,
                           .norm = true,
                           .end = s->output_bias ? AK_MLP_BIAS : AK_MLP_BARE };
    akssl_status rc = ak_encoder_build(encoder, s->setup);

    ak_mlp_build(head, s->setup->model, "projection_head", &shape);
    return rc;
}

static akssl_status build(void *self, const ak_setup *setup)
{
    byol *s = self;
    ak_mlp_shape shape = { .in = s->projection_dim,
                           .out = s->projection_dim,
                           .layers = 2,
                           .norm = true,
                           .end = s->output_bias ? AK_MLP_BIAS : AK_MLP_BARE };
    akssl_status rc;

    s->setup = setup;
    shape.hidden = s->prediction_hidden_dim ? s->prediction_hidden_dim : hidden_of(s);
    rc = build_network(s, &s->online, &s->online_head);
    ak_mlp_build(&s->predictor, setup->model, "prediction_head", &shape);
    if (rc < 0)
        return rc;
    setup->model->building_target = true;
    rc = build_network(s, &s->target, &s->target_head);
    setup->model->building_target = false;
    return rc;
}

static ak_tensor *loss(void *self, ak_graph *g, ak_tensor *const x[])
{
    byol *s = self;
    ak_tensor *both = ak_join(g, x, 2, s->joint_views ? 1 : 2);
    ak_tensor *t = ak_mlp_apply(g, &s->target_head, ak_encode(g, &s->target, both));
    ak_tensor *z = ak_mlp_apply(g, &s->online_head, ak_encode(g, &s->online, both));
    ak_tensor *p = ak_mlp_apply(g, &s->predictor, z);

    ak_show(&s->shown, g, z);
    return ak_byol(g, ak_l2norm(g, p), ak_l2norm(g, t));
}

// The target moves after the optimiser's step: here, before anything reads it again.
static void before_step(void *self, const ak_when *when)
{
    byol *s = self;
    ak_when last = *when;

    s->decay = s->moving_average_decay;
    if (when->step == 0)
        return;
    last.step--;
    if (strcmp(s->decay_schedule, "cosine") == 0)
        s->decay = ak_cosine(s->decay, 1, ak_when_done(&last));
    ak_model_follow(s->setup->model, s->decay, s->setup->world->threads);
}

static void health(const void *self, const ak_tensor *l, ak_health *out)
{
    (void)l;
    ak_shown_in(&((const byol *)self)->shown, out);
}

static int gauges(const void *self, const ak_tensor *l, ak_gauge out[AK_METHOD_GAUGES])
{
    (void)l;
    out[0] = (ak_gauge){ "target_momentum", ((const byol *)self)->decay };
    return 1;
}

static ak_encoder *encoder(void *self)
{
    return &((byol *)self)->online;
}

static void fini(void *self)
{
    ak_encoder_fini(&((byol *)self)->online);
    ak_encoder_fini(&((byol *)self)->target);
}

const ak_method ak_method_byol = {
    .name = "byol",
    .title = "a predictor of a momentum network's projections",
    .paper = "arXiv:2006.07733",
    .batch_norm = "sync",
    .options = options,
    .self_size = sizeof(byol),
    .build = build,
    .loss = loss,
    .before_step = before_step,
    .health = health,
    .gauges = gauges,
    .encoder = encoder,
    .fini = fini,
};
