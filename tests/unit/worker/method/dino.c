// tests/unit/worker/method/dino.c -- tests worker/method/dino.c: teacher, centre, schedules.

#include "tests/unit/worker/train/small.h"

enum { K = 24, WIDTH = 16 };

static ak_trainer *trainer_of(ak_comm **comm, const char *const *more)
{
    static const char *const small[] = { "projection_dim=24", "hidden_dim=32", "bottleneck_dim=16",
                                         "num_crops=2", NULL };
    ak_spec spec = ak_small_spec("dino");
    ak_trainer *t;

    for (const char *const *o = small; *o; o++)
        ak_small_set(&spec, "option", *o);
    for (const char *const *o = more; *o; o++)
        ak_small_set(&spec, "option", *o);
    ak_rig_ok(ak_comm_open(comm));
    t = ak_small_trainer(&spec, *comm);
    ak_spec_fini(&spec);
    return t;
}

static void end(ak_trainer *t, ak_comm *comm)
{
    ak_trainer_free(t);
    ak_comm_close(comm);
}

static double gauge(const ak_trainer *t, const char *name)
{
    ak_gauge gauges[AK_METHOD_GAUGES];
    int count = ak_trainer_gauges(t, gauges);

    for (int i = 0; i < count; i++)
        if (strcmp(gauges[i].name, name) == 0)
            return gauges[i].value;
    ck_abort_msg("no gauge %s", name);
}

static void center_after(const char *momentum, int steps, float out[K], double *loss)
{
    ak_comm *comm = NULL;
    ak_trainer *t = trainer_of(&comm, (const char *const[]){ momentum, NULL });

    for (int i = 0; i < steps; i++)
        *loss = ak_small_step(t, 0); // weights stay, views change
    ck_assert(strcmp(t->states[0]->name, "dino.center") == 0 && t->states[0]->version == steps);
    memcpy(out, t->states[0]->rows, sizeof(float) * K);
    end(t, comm);
}

// Momentum 0 leaves the last batch's mean, 1 leaves nothing, 0.9 mixes the batches.
START_TEST(center)
{
    float first[K], second[K], mixed[K], none[K];
    double loss, centred, largest = 0;

    center_after("center_momentum=0", 1, first, &loss);
    center_after("center_momentum=0", 2, second, &centred);
    center_after("center_momentum=0.9", 2, mixed, &loss);
    center_after("center_momentum=1", 2, none, &loss);
    for (int k = 0; k < K; k++) {
        double want = 0.9 * 0.1 * (double)first[k] + 0.1 * (double)second[k];

        largest = fmax(largest, fabs((double)first[k]));
        ck_assert_double_le(fabs((double)mixed[k] - want), 1e-6);
        ck_assert(none[k] == 0);
    }
    ck_assert_double_gt(largest, 1e-3);
    ck_assert(loss != centred); // the teacher's targets are the centred ones
}
END_TEST

// target = m target + (1 - m) trained after the optimiser's step, seen at the next step's start.
START_TEST(teacher_follows)
{
    ak_comm *comm = NULL;
    ak_trainer *t = trainer_of(
        &comm, (const char *const[]){ "momentum_teacher=0.75", "momentum_teacher_end=0.75", NULL });
    int64_t n = t->model.target_size;
    float *old = ak_alloc((size_t)n, sizeof *old);
    double moved = 0, off = 0;

    memcpy(old, t->model.targets, (size_t)n * sizeof *old);
    ak_rig_same("teacher at the start", t->model.targets, t->model.trained, n);
    (void)ak_small_step(t, 1e-2);
    ak_rig_same("teacher in the first step", t->model.targets, old, n);
    ak_trainer_begin(t);
    for (int64_t i = 0; i < n; i++) {
        double want = 0.75 * (double)old[i] + 0.25 * (double)t->model.trained[i];

        moved = fmax(moved, fabs((double)t->model.targets[i] - (double)old[i]));
        off = fmax(off, fabs((double)t->model.targets[i] - want));
    }
    ck_assert_double_gt(moved, 1e-3);
    ck_assert_double_le(off, 1e-6);
    free(old);
    end(t, comm);
}
END_TEST

START_TEST(schedules)
{
    ak_comm *comm = NULL;
    ak_trainer *t = trainer_of(
        &comm, (const char *const[]){ "momentum_teacher=0.9", "warmup_teacher_temp_epochs=3",
                                      "warmup_temp_teacher=0.02", "temp_teacher=0.06",
                                      "freeze_last_layer=2", NULL });
    static const double temperatures[] = { 0.02, 0.02, 0.04, 0.04, 0.06, 0.06, 0.06, 0.06 };
    const ak_param *v = ak_model_find(&t->model, "projection_head.last_layer.weight_v");

    t->total = 8;
    t->epoch_steps = 2;
    for (int step = 0; step < 8; step++) {
        t->step = step;
        ak_trainer_begin(t);
        ck_assert_double_le(fabs(gauge(t, "teacher_temperature") - temperatures[step]), 1e-12);
        ck_assert_int_eq(v->held, 4);
        if (step > 0) // of the step before
            ck_assert_double_le(fabs(gauge(t, "teacher_momentum") -
                                     (1 - 0.1 * 0.5 * (1 + cos(acos(-1.0) * (step - 1) / 8)))),
                                1e-12);
    }
    end(t, comm);
}
END_TEST

START_TEST(prototypes_keep_their_length)
{
    for (int keep = 0; keep < 2; keep++) {
        ak_comm *comm = NULL;
        ak_trainer *t = trainer_of(
            &comm,
            (const char *const[]){ keep ? "norm_last_layer=true" : "norm_last_layer=false", NULL });
        const ak_param *gain = ak_model_find(&t->model, "projection_head.last_layer.weight_g");
        bool moved = false;

        ck_assert_ptr_nonnull(gain);
        (void)ak_small_step(t, 1e-2);
        for (int k = 0; k < K; k++)
            moved = moved || gain->value[k] != 1;
        ck_assert(moved == !keep);
        end(t, comm);
    }
}
END_TEST

START_TEST(health)
{
    ak_comm *comm = NULL;
    ak_trainer *t = trainer_of(&comm, (const char *const[]){ NULL });
    ak_health h = { .teacher_entropy = NAN, .prototype_usage = NAN, .stuck_loss = NAN };
    double loss = ak_small_step(t, 1e-3);

    t->method->health(t->self, t->loss, &h);
    ck_assert(h.rows && h.count >= 16 && h.width == WIDTH && h.prototypes == K);
    for (int64_t r = 0; r < h.count; r++) {
        double sum = 0;

        for (int i = 0; i < WIDTH; i++)
            sum += (double)h.rows[r * WIDTH + i] * (double)h.rows[r * WIDTH + i];
        ck_assert_double_le(fabs(sum - 1), 1e-5);
    }
    ck_assert(h.teacher_entropy > 0 && h.teacher_entropy < log(K));
    ck_assert(h.prototype_usage > 1.0 / K && h.prototype_usage < 1);
    ck_assert_double_le(fabs(h.stuck_loss - log(K)), 1e-12);
    ck_assert(loss > h.teacher_entropy); // a cross-entropy is over the entropy
    ck_assert(t->state_count == 2 && strcmp(t->states[1]->name, "dino.prototypes") == 0 &&
              t->states[1]->version == 1 && t->states[1]->whole);
    end(t, comm);
}
END_TEST

static double loss_with(const char *option)
{
    ak_comm *comm = NULL;
    ak_trainer *t = trainer_of(&comm, (const char *const[]){ option, NULL });
    double loss = ak_small_step(t, 1e-3);

    end(t, comm);
    return loss;
}

START_TEST(options_change_what_is_computed)
{
    static const char *const options[] = {
        "joint_views=false",      "num_crops=0",      "num_crops=5",
        "use_bn_in_head=true",    "temp_student=0.2", "projection_num_layers=1",
        "projection_num_layers=8"
    };
    double plain = loss_with("num_crops=2");

    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        ck_assert_msg(loss_with(options[i]) != plain, "%s", options[i]);
}
END_TEST

START_TEST(crops_that_the_backbone_refuses)
{
    ak_spec spec = ak_small_spec("dino");
    ak_comm *comm = NULL;
    ak_trainer *t = NULL;

    ak_small_set(&spec, "backbone", "vit_tiny:patch_size=8");
    ak_small_set(&spec, "augment", "local_size=12");
    ak_rig_ok(ak_comm_open(&comm));
    ak_rig_refused(ak_trainer_new(&t, &spec, comm), AKSSL_ERR_INVALID, "local crops");
    ak_small_set(&spec, "option", "num_crops=0");
    ak_rig_ok(ak_trainer_new(&t, &spec, comm));
    end(t, comm);
    ak_spec_fini(&spec);
}
END_TEST

AK_TEST_MAIN(AK_CASE(center), AK_CASE(teacher_follows), AK_CASE(schedules),
             AK_CASE(prototypes_keep_their_length), AK_CASE(health),
             AK_CASE(options_change_what_is_computed), AK_CASE(crops_that_the_backbone_refuses))
