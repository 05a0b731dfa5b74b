// worker/method/moco_v2.c -- MoCo v2 (He et al. 2019, arXiv:1911.05722, Algorithm 1; Chen et al.
// 2020, arXiv:2003.04297).
//
//     q = f_q(x1), k = f_k(x2)      f = backbone, then projection head; unit rows
//     L = InfoNCE(q; k, queue, t)   no gradient to k
//     enqueue k                     f_k = m f_k + (1-m) f_q before the next keys
//
// Shapes: x (b,S,S,3), q and k (b,projection_dim), queue [K][projection_dim].  With batch norm per
// shard the keys are shuffled: shard s encodes the second views of other samples, as the paper's
// GPUs do, so that the statistics of q and k differ.  The coordinator holds the queue.
//
// symmetric: both views are queries and keys, each view's queries against the other view's keys and
// queue, L the mean of the two; q and k (2b,projection_dim), queue [K][2 projection_dim], a row of
// which holds the keys of a sample's two views.

#include <math.h>
#include <stdlib.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "worker/method/method.h"
#include "worker/rng/rng.h"

typedef struct moco_v2 {
    int64_t projection_dim, hidden_dim, projection_num_layers, K; // options
    double m, m_end, temperature;
    bool projection_batch_norm, symmetric, joint_views;
    const ak_setup *setup;
    double momentum; // of the last step
    ak_encoder query, key;
    ak_mlp query_head, key_head;
    ak_state queue;
    ak_queue_view view;
    uint32_t *order; // of the second views; NULL: not shuffled
    ak_shown shown;
} moco_v2;

static const ak_option options[] = {
    AK_OPTION_INT(moco_v2, projection_dim, 128, 1, 65536, "width of q and k"),
    AK_OPTION_INT(moco_v2, hidden_dim, 0, 0, 65536, "width inside the head (0: the backbone's)"),
    AK_OPTION_INT(moco_v2, projection_num_layers, 2, 1, AK_MLP_LAYERS,
                  "linear layers of the head: 1 as in v1, 2 as in v2"),
    AK_OPTION_BOOL(moco_v2, projection_batch_norm, false,
                   "batch norm after each layer of the head"),
    AK_OPTION_INT(moco_v2, K, 65536, 1, 4194304, "keys in the queue"),
    AK_OPTION_FLOAT(moco_v2, m, 0.999, 0, 1, "momentum of the key network, at the start"),
    AK_OPTION_FLOAT(moco_v2, m_end, -1, -1, 1,
                    "momentum at the end, reached by half a cosine (-1: as at the start)"),
    AK_OPTION_FLOAT(moco_v2, temperature, 0.2, 1e-3, 100, "temperature of the loss"),
    AK_OPTION_BOOL(moco_v2, symmetric, false, "both views are queries and keys"),
    AK_OPTION_BOOL(moco_v2, joint_views, false,
                   "with symmetric: batch norm measures both views together"),
    AK_OPTION_END,
};

static akssl_status check(const void *self, const ak_setup *setup)
{
    const moco_v2 *s = self;

    (void)setup;
    if (s->joint_views && !s->symmetric)
        return ak_fail(AKSSL_ERR_INVALID,
                       "moco_v2: joint_views needs symmetric, else each network sees one view: "
                       "give symmetric=true, or leave joint_views out");
    if (s->m_end < 0 && s->m_end > -1)
        return ak_fail(AKSSL_ERR_INVALID,
                       "moco_v2: m_end %g is no momentum: give 0..1, or -1 for a constant m",
                       s->m_end);
    return AKSSL_OK;
}

static akssl_status build_network(moco_v2 *s, ak_encoder *encoder, ak_mlp *head)
{
    int64_t width = s->setup->backbone->width;
    ak_mlp_shape shape = { .in = width,
                           .hidden = s->hidden_dim ? s->hidden_dim : width,
                           .out = s->projection_dim,
                           .layers = s->projection_num_layers,
                           .norm = s->projection_batch_norm,
                           .end = s->projection_batch_norm ? AK_MLP_NORM : AK_MLP_BIAS };
    akssl_status rc = ak_encoder_build(encoder, s->setup);

    ak_mlp_build(head, s->setup->model, "projection_head", &shape);
    return rc;
}

static akssl_status build(void *self, const ak_setup *setup)
{
    moco_v2 *s = self;
    akssl_status rc;

    s->setup = setup;
    rc = build_network(s, &s->query, &s->query_head);
    if (rc < 0)
        return rc;
    setup->model->building_target = true;
    rc = build_network(s, &s->key, &s->key_head);
    setup->model->building_target = false;
    if (rc < 0)
        return rc;
    s->queue = (ak_state){ .name = "moco.queue",
                           .length = s->K,
                           .width = s->projection_dim * (s->symmetric ? 2 : 1) };
    s->queue.rows = ak_try_alloc((size_t)s->K, (size_t)s->queue.width * sizeof(float));
    if (!s->queue.rows)
        return AKSSL_ERR_NO_MEMORY;
    if (setup->shard_norm && setup->world->shards > 1)
        s->order = ak_alloc((size_t)setup->batch, sizeof *s->order);
    s->view = (ak_queue_view){ s->queue.rows, s->K, s->order, s->symmetric };
    return AKSSL_OK;
}

// Rows of N(0,1), normalised, as in the paper's code.
static void seed(void *self)
{
    moco_v2 *s = self;
    int64_t keys = s->K * s->queue.width / s->projection_dim;

    for (int64_t r = 0; r < keys; r++) {
        float *row = s->queue.rows + r * s->projection_dim;
        ak_rng rng = ak_rng_at(s->setup->seed, AK_RNG_QUEUE, (uint32_t)r, 0, 0);
        double sum = 0;

        for (int64_t i = 0; i < s->projection_dim; i++) {
            row[i] = (float)ak_rng_normal(&rng);
            sum += (double)row[i] * (double)row[i];
        }
        for (int64_t i = 0; i < s->projection_dim; i++)
            row[i] = (float)((double)row[i] / fmax(sqrt(sum), 1e-12));
    }
}

static ak_tensor *loss(void *self, ak_graph *g, ak_tensor *const x[])
{
    moco_v2 *s = self;
    ak_tensor *both = s->symmetric ? ak_join(g, x, 2, s->joint_views ? 1 : 2) : NULL;
    ak_tensor *k = ak_mlp_apply(g, &s->key_head, ak_encode(g, &s->key, both ? both : x[1]));
    ak_tensor *q = ak_mlp_apply(g, &s->query_head, ak_encode(g, &s->query, both ? both : x[0]));

    ak_show(&s->shown, g, q);
    return ak_info_nce_queue(g, ak_l2norm(g, q), ak_l2norm(g, k), &s->view, s->temperature);
}

static void before_step(void *self, const ak_when *when)
{
    moco_v2 *s = self;
    ak_rng rng = ak_rng_at(s->setup->seed, AK_RNG_SHUFFLE, (uint32_t)when->step,
                           (uint32_t)(when->step >> 32), 0);

    s->momentum = s->m_end < 0 ? s->m : ak_cosine(s->m, s->m_end, ak_when_done(when));
    ak_model_follow(s->setup->model, s->momentum, s->setup->world->threads);
    if (s->order)
        ak_rng_permute(&rng, s->order, (uint32_t)s->setup->batch);
}

static void after_step(void *self, const ak_tensor *l)
{
    moco_v2 *s = self;

    ak_state_push(&s->queue, ak_gathered(l), s->setup->batch);
}

static const uint32_t *order(const void *self, int view)
{
    return view == 1 ? ((const moco_v2 *)self)->order : NULL;
}

static int states(void *self, ak_state *out[AK_METHOD_STATES])
{
    out[0] = &((moco_v2 *)self)->queue;
    return 1;
}

static void health(const void *self, const ak_tensor *l, ak_health *out)
{
    (void)l;
    ak_shown_in(&((const moco_v2 *)self)->shown, out);
}

static int gauges(const void *self, const ak_tensor *l, ak_gauge out[AK_METHOD_GAUGES])
{
    const moco_v2 *s = self;

    (void)l;
    out[0] = (ak_gauge){ "queue_filled", (double)s->queue.filled / (double)s->K };
    out[1] = (ak_gauge){ "target_momentum", s->momentum };
    return 2;
}

static ak_encoder *encoder(void *self)
{
    return &((moco_v2 *)self)->query;
}

static void fini(void *self)
{
    moco_v2 *s = self;

    ak_encoder_fini(&s->query);
    ak_encoder_fini(&s->key);
    free(s->queue.rows);
    free(s->order);
}

const ak_method ak_method_moco_v2 = {
    .name = "moco_v2",
    .title = "a momentum network's keys, a queue of negatives",
    .paper = "arXiv:2003.04297",
    .batch_norm = "shard",
    .options = options,
    .self_size = sizeof(moco_v2),
    .check = check,
    .build = build,
    .seed = seed,
    .loss = loss,
    .before_step = before_step,
    .after_step = after_step,
    .order = order,
    .states = states,
    .health = health,
    .gauges = gauges,
    .encoder = encoder,
    .fini = fini,
};
