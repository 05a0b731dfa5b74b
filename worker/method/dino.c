// worker/method/dino.c -- DINO (Caron et al. 2021, arXiv:2104.14294, Algorithm 1).
//
//     s = h(f([x0; x1])), h(f(locals))     f = backbone, h = head; crops of one size in one forward
//     q = softmax((h_t(f_t([x0; x1])) - c) / T_t)           the teacher's; no gradient
//     L = mean over a in {0,1}, v != a of -q_a . log softmax(s_v / T_s)
//     c = m_c c + (1 - m_c) mean of the teacher's logits     after the loss
//     f_t, h_t = m f_t + (1 - m) f                           after the optimiser
//
// Shapes: x (b,S,S,3), locals (b,s,s,3), s (V b,projection_dim), q (2b,projection_dim),
// c [projection_dim].  The coordinator holds the centre and the prototypes (the last layer's
// directions).

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "worker/method/method.h"
#include "worker/nn/dino_head.h"

typedef struct dino {
    // options
    int64_t projection_dim, hidden_dim, bottleneck_dim, projection_num_layers, num_crops;
    int64_t warmup_teacher_temp_epochs, freeze_last_layer;
    double temp_student, temp_teacher, warmup_temp_teacher;
    double momentum_teacher, momentum_teacher_end, center_momentum;
    bool norm_last_layer, use_bn_in_head, joint_views;

    const ak_setup *setup;
    ak_encoder student, teacher;
    ak_dino_head student_head, teacher_head;
    ak_dino_teacher targets;
    ak_state center, prototypes;
    ak_shown shown;  // embeddings before the prototypes
    double momentum; // of the last move of the teacher
} dino;

static const ak_option options[] = {
    AK_OPTION_INT(dino, projection_dim, 256, 1, 262144, "prototypes: width of the logits"),
    AK_OPTION_INT(dino, hidden_dim, 2048, 1, 65536, "width inside the head"),
    AK_OPTION_INT(dino, bottleneck_dim, 256, 1, 65536,
                  "width of what prototypes are compared with"),
    AK_OPTION_INT(dino, projection_num_layers, 3, 1, AK_DINO_HEAD_LAYERS,
                  "linear layers of the head before the prototypes"),
    AK_OPTION_BOOL(dino, use_bn_in_head, false, "batch norm inside the head"),
    AK_OPTION_BOOL(dino, norm_last_layer, true, "prototypes keep length 1"),
    AK_OPTION_FLOAT(dino, temp_student, 0.1, 1e-3, 100, "temperature of the student"),
    AK_OPTION_FLOAT(dino, temp_teacher, 0.04, 1e-3, 100, "temperature of the teacher"),
    AK_OPTION_FLOAT(dino, warmup_temp_teacher, 0.04, 1e-3, 100,
                    "temperature of the teacher in the first epoch of its warm-up"),
    AK_OPTION_INT(dino, warmup_teacher_temp_epochs, 0, 0, 100000,
                  "epochs in which the teacher's temperature goes to temp_teacher (0: none)"),
    AK_OPTION_FLOAT(dino, momentum_teacher, 0.996, 0, 1, "momentum of the teacher at the start"),
    AK_OPTION_FLOAT(dino, momentum_teacher_end, 1, 0, 1,
                    "momentum of the teacher at the end, by half a cosine"),
    AK_OPTION_FLOAT(dino, center_momentum, 0.9, 0, 1, "momentum of the centre (1: no centring)"),
    AK_OPTION_INT(dino, freeze_last_layer, 1, 0, 100000,
                  "epochs at the start in which the prototypes are not trained"),
    AK_OPTION_INT(dino, num_crops, 6, 0, AK_METHOD_LOCALS, "local crops of an image"),
    AK_OPTION_BOOL(dino, joint_views, true,
                   "batch norm measures crops of one size together, and all of them in the head"),
    AK_OPTION_END,
};

static akssl_status check(const void *self, const ak_setup *setup)
{
    return ak_check_crops(setup, ((const dino *)self)->num_crops);
}

static int locals(const void *self)
{
    return (int)((const dino *)self)->num_crops;
}

static akssl_status build_network(dino *s, ak_encoder *encoder, ak_dino_head *head)
{
    ak_dino_shape shape = { .in = s->setup->backbone->width,
                            .hidden = s->hidden_dim,
                            .bottleneck = s->bottleneck_dim,
                            .out = s->projection_dim,
                            .layers = s->projection_num_layers,
                            .norm = s->use_bn_in_head,
                            .norm_last = s->norm_last_layer };
    akssl_status rc = ak_encoder_build(encoder, s->setup);

    ak_dino_head_new(head, s->setup->model, "projection_head", shape);
    return rc;
}

static akssl_status build(void *self, const ak_setup *setup)
{
    dino *s = self;
    akssl_status rc;

    s->setup = setup;
    rc = build_network(s, &s->student, &s->student_head);
    if (rc < 0)
        return rc;
    setup->model->building_target = true;
    rc = build_network(s, &s->teacher, &s->teacher_head);
    setup->model->building_target = false;
    if (rc < 0)
        return rc;
    s->center =
        (ak_state){ .name = "dino.center", .whole = true, .length = 1, .width = s->projection_dim };
    s->center.rows = ak_try_alloc((size_t)s->projection_dim, sizeof(float));
    if (!s->center.rows)
        return AKSSL_ERR_NO_MEMORY;
    s->prototypes = (ak_state){ .name = "dino.prototypes",
                                .whole = true,
                                .length = s->projection_dim,
                                .width = s->bottleneck_dim,
                                .param = s->student_head.v };
    s->targets = (ak_dino_teacher){ .center = s->center.rows, .temperature = s->temp_teacher };
    return AKSSL_OK;
}

static void seed(void *self)
{
    dino *s = self;

    memset(s->center.rows, 0, (size_t)s->projection_dim * sizeof(float));
}

static ak_tensor *loss(void *self, ak_graph *g, ak_tensor *const x[])
{
    dino *s = self;
    ak_tensor *t = ak_encode_crops(g, &s->teacher, x, 0, s->joint_views);
    ak_tensor *q =
        ak_dino_targets(g, ak_dino_head_apply(g, &s->teacher_head, t, NULL), &s->targets);
    ak_tensor *y = ak_encode_crops(g, &s->student, x, (int)s->num_crops, s->joint_views), *z;
    ak_tensor *logits = ak_dino_head_apply(g, &s->student_head, y, &z);

    ak_show(&s->shown, g, z);
    return ak_cross_views(g, logits, q, s->temp_student);
}

static double teacher_temperature(const dino *s, const ak_when *when)
{
    int64_t epochs = s->warmup_teacher_temp_epochs;
    double epoch = floor(ak_when_epoch(when));

    if (epoch >= (double)epochs)
        return s->temp_teacher;
    return s->warmup_temp_teacher + (s->temp_teacher - s->warmup_temp_teacher) * epoch /
                                        (double)(epochs > 1 ? epochs - 1 : 1);
}

// The teacher moves after the optimiser's step: here, before anything reads it again.
static void before_step(void *self, const ak_when *when)
{
    dino *s = self;
    ak_when last = *when;

    last.step--;
    s->targets.temperature = teacher_temperature(s, when);
    s->student_head.v->held = s->student_head.gain->held = s->freeze_last_layer * when->epoch_steps;
    if (when->step == 0)
        return;
    s->momentum = ak_cosine(s->momentum_teacher, s->momentum_teacher_end, ak_when_done(&last));
    ak_model_follow(s->setup->model, s->momentum, s->setup->world->threads);
}

static void after_step(void *self, const ak_tensor *l)
{
    dino *s = self;
    float *c = s->center.rows;

    (void)l;
    for (int64_t k = 0; k < s->projection_dim; k++)
        c[k] = (float)(s->center_momentum * (double)c[k] +
                       (1 - s->center_momentum) * s->targets.batch_center[k]);
    ak_state_replaced(&s->center);
    ak_state_replaced(&s->prototypes);
}

static int states(void *self, ak_state *out[AK_METHOD_STATES])
{
    dino *s = self;

    out[0] = &s->center;
    out[1] = &s->prototypes;
    return 2;
}

static void health(const void *self, const ak_tensor *l, ak_health *out)
{
    const dino *s = self;

    (void)l;
    ak_shown_in(&s->shown, out);
    out->teacher_entropy = s->targets.entropy;
    out->prototype_usage = s->targets.usage;
    out->prototypes = s->projection_dim;
    out->stuck_loss = log((double)s->projection_dim);
}

static int gauges(const void *self, const ak_tensor *l, ak_gauge out[AK_METHOD_GAUGES])
{
    const dino *s = self;
    double sum = 0;

    (void)l;
    for (int64_t k = 0; k < s->projection_dim; k++)
        sum += (double)s->center.rows[k] * (double)s->center.rows[k];
    out[0] = (ak_gauge){ "center_norm", sqrt(sum) };
    out[1] = (ak_gauge){ "teacher_temperature", s->targets.temperature };
    out[2] = (ak_gauge){ "teacher_momentum", s->momentum };
    return 3;
}

static ak_encoder *encoder(void *self)
{
    return &((dino *)self)->student;
}

static void fini(void *self)
{
    dino *s = self;

    ak_encoder_fini(&s->student);
    ak_encoder_fini(&s->teacher);
    free(s->center.rows);
}

const ak_method ak_method_dino = {
    .name = "dino",
    .title = "a momentum teacher's centred and sharpened assignments, multi-crop",
    .paper = "arXiv:2104.14294",
    .batch_norm = "sync",
    .options = options,
    .self_size = sizeof(dino),
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
