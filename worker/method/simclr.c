// worker/method/simclr.c -- SimCLR (Chen et al. 2020, arXiv:2002.05709, Algorithm 1; v2's head is
// arXiv:2006.10029).
//
//     z = g(f([x1; x2]))          f = backbone, g = projection head; both views in one forward
//     u = z / |z|
//     L = NT-Xent(u, t)           over the global batch, gradient through all negatives
//
// Shapes: x (b,S,S,3), z (2b,projection_dim).  No momentum network, no state.

#include "worker/method/method.h"

typedef struct simclr {
    int64_t projection_dim, hidden_dim, projection_num_layers; // options
    double temperature;
    bool projection_batch_norm, joint_views;
    ak_encoder encoder;
    ak_mlp head;
    ak_shown shown;
} simclr;

static const ak_option options[] = {
    AK_OPTION_INT(simclr, projection_dim, 128, 1, 65536, "width of z"),
    AK_OPTION_INT(simclr, hidden_dim, 0, 0, 65536, "width inside the head (0: the backbone's)"),
    AK_OPTION_INT(simclr, projection_num_layers, 2, 1, AK_MLP_LAYERS,
                  "linear layers of the head: 2 as in v1, 3 as in v2"),
    AK_OPTION_BOOL(simclr, projection_batch_norm, true, "batch norm after each layer of the head"),
    AK_OPTION_FLOAT(simclr, temperature, 0.5, 1e-3, 100, "temperature of the loss"),
    AK_OPTION_BOOL(simclr, joint_views, true, "batch norm measures both views together"),
    AK_OPTION_END,
};

static akssl_status build(void *self, const ak_setup *setup)
{
    simclr *s = self;
    int64_t width = setup->backbone->width;
    ak_mlp_shape shape = { .in = width,
                           .hidden = s->hidden_dim ? s->hidden_dim : width,
                           .out = s->projection_dim,
                           .layers = s->projection_num_layers,
                           .norm = s->projection_batch_norm,
                           .end = s->projection_batch_norm ? AK_MLP_NORM : AK_MLP_BIAS };
    akssl_status rc = ak_encoder_build(&s->encoder, setup);

    ak_mlp_build(&s->head, setup->model, "projection_head", &shape);
    return rc;
}

static ak_tensor *loss(void *self, ak_graph *g, ak_tensor *const x[])
{
    simclr *s = self;
    ak_tensor *both = ak_join(g, x, 2, s->joint_views ? 1 : 2);
    ak_tensor *z = ak_mlp_apply(g, &s->head, ak_encode(g, &s->encoder, both));

    ak_show(&s->shown, g, z);
    return ak_nt_xent(g, ak_l2norm(g, z), s->temperature);
}

static void health(const void *self, const ak_tensor *l, ak_health *out)
{
    (void)l;
    ak_shown_in(&((const simclr *)self)->shown, out);
}

static ak_encoder *encoder(void *self)
{
    return &((simclr *)self)->encoder;
}

static void fini(void *self)
{
    ak_encoder_fini(&((simclr *)self)->encoder);
}

const ak_method ak_method_simclr = {
    .name = "simclr",
    .title = "two views, all others of the batch as negatives",
    .paper = "arXiv:2002.05709",
    .batch_norm = "sync",
    .options = options,
    .self_size = sizeof(simclr),
    .build = build,
    .loss = loss,
    .health = health,
    .encoder = encoder,
    .fini = fini,
};
