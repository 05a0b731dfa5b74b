// worker/method/barlow_twins.c -- Barlow Twins (Zbontar et al. 2021, arXiv:2103.03230, Algorithm
// 1).
//
//     z1, z2 = g(f(x1)), g(f(x2))       f = backbone, g = projection head
//     A, B = z1, z2 with standardised columns, over the global batch of n
//     C = A^T B / n
//     L = scale (sum_i (C_ii - 1)^2 + lambda sum_{i != j} C_ij^2)
//
// Shapes: x (b,S,S,3), z (2b,projection_dim).  No negatives, no momentum network, no state.  With
// hsic, the off-diagonal is drawn to -1 instead of 0 (Tsai et al. 2021, arXiv:2104.13712).

#include "proto/base/error.h"
#include "worker/method/method.h"

typedef struct barlow_twins {
    int64_t projection_dim, hidden_dim, projection_num_layers; // options
    double lambda_param, scale_loss;
    bool hsic, joint_views;
    ak_encoder encoder;
    ak_mlp head;
    ak_shown shown;
} barlow_twins;

static const ak_option options[] = {
    AK_OPTION_INT(barlow_twins, projection_dim, 8192, 1, 65536, "width of z"),
    AK_OPTION_INT(barlow_twins, hidden_dim, 8192, 0, 65536,
                  "width inside the head (0: the backbone's)"),
    AK_OPTION_INT(barlow_twins, projection_num_layers, 3, 1, AK_MLP_LAYERS,
                  "linear layers of the head"),
    AK_OPTION_FLOAT(barlow_twins, lambda_param, 0.0051, 0, 100,
                    "weight of the correlations between different columns"),
    AK_OPTION_FLOAT(barlow_twins, scale_loss, 1, 1e-6, 1e6, "the loss is multiplied by it"),
    AK_OPTION_BOOL(barlow_twins, hsic, false, "different columns are drawn to -1 instead of 0"),
    AK_OPTION_BOOL(barlow_twins, joint_views, false, "batch norm measures both views together"),
    AK_OPTION_END,
};

static akssl_status build(void *self, const ak_setup *setup)
{
    barlow_twins *s = self;
    int64_t width = setup->backbone->width;
    ak_mlp_shape shape = { .in = width,
                           .hidden = s->hidden_dim ? s->hidden_dim : width,
                           .out = s->projection_dim,
                           .layers = s->projection_num_layers,
                           .norm = true,
                           .end = AK_MLP_BIAS };
    akssl_status rc = ak_encoder_build(&s->encoder, setup);

    ak_mlp_build(&s->head, setup->model, "projection_head", &shape);
    return rc;
}

static ak_tensor *loss(void *self, ak_graph *g, ak_tensor *const x[])
{
    barlow_twins *s = self;
    ak_tensor *both = ak_join(g, x, 2, s->joint_views ? 1 : 2);
    ak_tensor *z = ak_mlp_apply(g, &s->head, ak_encode(g, &s->encoder, both));
    ak_barlow how = { s->lambda_param, s->hsic ? -1 : 0, s->scale_loss };

    ak_show(&s->shown, g, z);
    return ak_barlow_twins(g, ak_standard_columns(g, z, 2), &how);
}

static void health(const void *self, const ak_tensor *l, ak_health *out)
{
    (void)l;
    ak_shown_in(&((const barlow_twins *)self)->shown, out);
}

static ak_encoder *encoder(void *self)
{
    return &((barlow_twins *)self)->encoder;
}

static void fini(void *self)
{
    ak_encoder_fini(&((barlow_twins *)self)->encoder);
}

const ak_method ak_method_barlow_twins = {
    .name = "barlow_twins",
    .title = "two views' features correlate, different features do not",
    .paper = "arXiv:2103.03230",
    .batch_norm = "sync",
    .options = options,
    .self_size = sizeof(barlow_twins),
    .build = build,
    .loss = loss,
    .health = health,
    .encoder = encoder,
    .fini = fini,
};
