// worker/method/swav.c -- SwAV (Caron et al. 2020, arXiv:2006.09882, Algorithm 1).
//
//     z = g(f([x0; x1])), g(f(locals))     f = backbone, g = head; crops of one size in one forward
//     s = z / |z| C^T                      C = prototypes, rows of length 1 before each step
//     q_a = Sinkhorn(s_a, queue C^T)       a in {0,1}, over the global batch; no gradient
//     L = 1/2 sum_a mean over v != a of -q_a . log softmax(s_v / t)
//     enqueue z_0, z_1
//
// Shapes: x (b,S,S,3), locals (b,s,s,3), z (V b,projection_dim), C
// [num_prototypes][projection_dim], queue [queue_length][2][projection_dim].  The coordinator holds
// the prototypes and the queue.

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "worker/method/method.h"

typedef struct swav {
    // options
    int64_t projection_dim, hidden_dim, num_prototypes, sinkhorn_iterations, num_crops;
    int64_t queue_length, epoch_queue_starts, freeze_prototypes_niters;
    double epsilon, temperature;
    bool use_the_queue, joint_views;

    const ak_setup *setup;
    ak_encoder encoder;
    ak_mlp head;
    ak_param *c; // prototypes
    ak_swav_queue codes;
    ak_state prototypes, queue;
    float *pushed;       // [batch][2][projection_dim]
    ak_tensor *observed; // z of views 0 and 1: [shards][2][b][projection_dim]
} swav;

static const ak_option options[] = {
    AK_OPTION_INT(swav, projection_dim, 128, 1, 65536, "width of z"),
    AK_OPTION_INT(swav, hidden_dim, 2048, 1, 65536, "width inside the head"),
    AK_OPTION_INT(swav, num_prototypes, 3000, 1, 262144, "prototypes"),
    AK_OPTION_FLOAT(swav, temperature, 0.1, 1e-3, 100, "temperature of the loss"),
    AK_OPTION_FLOAT(swav, epsilon, 0.05, 0.025, 100, "smoothness of the codes"),
    AK_OPTION_INT(swav, sinkhorn_iterations, 3, 1, 1000, "iterations of Sinkhorn-Knopp"),
    AK_OPTION_INT(swav, num_crops, 6, 0, AK_METHOD_LOCALS, "local crops of an image"),
    AK_OPTION_BOOL(swav, use_the_queue, true,
                   "earlier embeddings are assigned with the batch, for small batches"),
    AK_OPTION_INT(swav, queue_length, 3840, 1, 1048576, "samples in the queue"),
    AK_OPTION_INT(swav, epoch_queue_starts, 15, 0, 100000,
                  "epochs before the queue is used; it is when it is full"),
    AK_OPTION_INT(swav, freeze_prototypes_niters, 313, 0, 1000000000,
                  "steps at the start in which the prototypes are not trained"),
    AK_OPTION_BOOL(swav, joint_views, true,
                   "batch norm measures crops of one size together, and all of them in the head"),
    AK_OPTION_END,
};

static akssl_status check(const void *self, const ak_setup *setup)
{
    return ak_check_crops(setup, ((const swav *)self)->num_crops);
}

static int locals(const void *self)
{
    return (int)((const swav *)self)->num_crops;
}

static akssl_status build_queue(swav *s)
{
    size_t row = 2 * (size_t)s->projection_dim * sizeof(float);

    if (!s->use_the_queue)
        return AKSSL_OK;
    s->queue = (ak_state){ .name = "swav.queue",
                           .length = s->queue_length,
                           .width = 2 * s->projection_dim };
    s->queue.rows = ak_try_alloc((size_t)s->queue_length, row);
    s->pushed = ak_try_alloc((size_t)s->setup->batch, row);
    if (!s->queue.rows || !s->pushed)
        return AKSSL_ERR_NO_MEMORY;
    s->codes.rows = s->queue.rows;
    s->codes.length = s->queue_length;
    return AKSSL_OK;
}

static akssl_status build(void *self, const ak_setup *setup)
{
    swav *s = self;
    int64_t width = setup->backbone->width;
    const int64_t shape[2] = { s->num_prototypes, s->projection_dim };
    akssl_status rc;

    s->setup = setup;
    rc = ak_encoder_build(&s->encoder, setup);
    if (rc < 0)
        return rc;
    ak_mlp_add(&s->head, setup->model, "projection_head", width, s->hidden_dim, true, true);
    ak_mlp_add(&s->head, setup->model, "projection_head", s->hidden_dim, s->projection_dim, false,
               false);
    s->c = ak_model_param(setup->model, "prototypes", "weight", AK_ROLE_TRAINED, 2, shape,
                          AK_INIT_UNIFORM, 1 / sqrt((double)s->projection_dim));
    s->c->held = s->freeze_prototypes_niters;
    s->prototypes = (ak_state){ .name = "swav.prototypes",
                                .whole = true,
                                .length = s->num_prototypes,
                                .width = s->projection_dim,
                                .param = s->c };
    s->codes = (ak_swav_queue){ .prototypes = s->c,
                                .epsilon = s->epsilon,
                                .iterations = s->sinkhorn_iterations };
    return build_queue(s);
}

static void seed(void *self)
{
    swav *s = self;

    if (s->use_the_queue)
        memset(s->queue.rows, 0,
               (size_t)(s->queue.length * s->queue.width) * sizeof *s->queue.rows);
}

static ak_tensor *loss(void *self, ak_graph *g, ak_tensor *const x[])
{
    swav *s = self;
    int64_t images = x[0]->shape[0];
    ak_tensor *y = ak_encode_crops(g, &s->encoder, x, (int)s->num_crops, s->joint_views);
    ak_tensor *z = ak_l2norm(g, ak_mlp_apply(g, &s->head, y));
    ak_tensor *scores = ak_linear(g, z, s->c, NULL);

    s->observed = ak_observe(g, z, 2 * images);
    return ak_cross_views(g, scores, ak_swav_codes(g, scores, images, &s->codes), s->temperature);
}

static void unit_rows(float *rows, int64_t count, int64_t width)
{
    for (int64_t r = 0; r < count; r++, rows += width) {
        double sum = 0;

        for (int64_t i = 0; i < width; i++)
            sum += (double)rows[i] * (double)rows[i];
        for (int64_t i = 0; i < width; i++)
            rows[i] = (float)((double)rows[i] / fmax(sqrt(sum), 1e-12));
    }
}

static void before_step(void *self, const ak_when *when)
{
    swav *s = self;

    unit_rows(s->c->value, s->num_prototypes, s->projection_dim);
    s->codes.used = s->use_the_queue && s->queue.filled == s->queue_length &&
                    ak_when_epoch(when) >= (double)s->epoch_queue_starts;
}

// The queue is filled from the start, so that it is there when its epoch comes.
static void after_step(void *self, const ak_tensor *l)
{
    swav *s = self;
    int64_t batch = s->setup->batch, images = batch / s->setup->world->shards;
    size_t d = (size_t)s->projection_dim;
    const float *z = ak_gathered(s->observed);

    (void)l;
    ak_state_replaced(&s->prototypes);
    if (!s->use_the_queue)
        return;
    for (int64_t i = 0; i < batch; i++)
        for (int64_t view = 0; view < 2; view++) {
            int64_t row = (i / images * 2 + view) * images + i % images;

            memcpy(s->pushed + (size_t)(2 * i + view) * d, z + (size_t)row * d, d * sizeof *z);
        }
    ak_state_push(&s->queue, s->pushed, batch);
}

static int states(void *self, ak_state *out[AK_METHOD_STATES])
{
    swav *s = self;

    out[0] = &s->prototypes;
    out[1] = &s->queue;
    return s->use_the_queue ? 2 : 1;
}

static void health(const void *self, const ak_tensor *l, ak_health *out)
{
    const swav *s = self;

    (void)l;
    out->rows = ak_gathered(s->observed);
    out->count = 2 * s->setup->batch;
    out->width = s->projection_dim;
    out->teacher_entropy = s->codes.entropy;
    out->prototype_usage = s->codes.usage;
    out->prototypes = s->num_prototypes;
    out->stuck_loss = log((double)s->num_prototypes);
}

static int gauges(const void *self, const ak_tensor *l, ak_gauge out[AK_METHOD_GAUGES])
{
    const swav *s = self;

    (void)l;
    out[0] = (ak_gauge){ "queue_used", s->codes.used };
    if (!s->use_the_queue)
        return 1;
    out[1] = (ak_gauge){ "queue_filled", (double)s->queue.filled / (double)s->queue_length };
    return 2;
}

static ak_encoder *encoder(void *self)
{
    return &((swav *)self)->encoder;
}

static void fini(void *self)
{
    swav *s = self;

    ak_encoder_fini(&s->encoder);
    free(s->queue.rows);
    free(s->pushed);
}

const ak_method ak_method_swav = {
    .name = "swav",
    .title = "views predict each other's codes, balanced over prototypes, multi-crop",
    .paper = "arXiv:2006.09882",
    .batch_norm = "sync",
    .options = options,
    .self_size = sizeof(swav),
    .check = check,
    .locals = locals,
    .build = build,
    .seed = seed,
    .loss = loss,
    .before_step = before_step,
    .after_step = after_step,
    .states = states,
    .health = health,
    .gauges = gauges,
    .encoder = encoder,
    .fini = fini,
};
