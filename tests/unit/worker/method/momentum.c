// tests/unit/worker/method/momentum.c -- tests momentum networks and their schedules: byol.c,
// moco_v2.c and moco_v3.c.

#include "tests/unit/worker/train/small.h"

enum { TOTAL = 4 };

static ak_trainer *trainer_of(ak_comm *comm, const char *method, const char *const *more)
{
    ak_spec spec = ak_small_spec(method);
    ak_trainer *t;

    ak_small_set(&spec, "backbone", "vit_tiny:patch_size=16,depth=2");
    for (const char *const *o = more; *o; o++)
        ak_small_set(&spec, "option", *o);
    t = ak_small_trainer(&spec, comm);
    t->total = TOTAL;
    ak_spec_fini(&spec);
    return t;
}

// The share that the target kept of itself, from how one of its parameters moved.
static double kept(const float *before, const float *after, const float *towards, int64_t n)
{
    double along = 0, length = 0;

    for (int64_t i = 0; i < n; i++) {
        double way = (double)towards[i] - (double)before[i];

        along += ((double)after[i] - (double)before[i]) * way;
        length += way * way;
    }
    return 1 - along / length;
}

static double farthest(const float *a, const float *b, int64_t n)
{
    double most = 0;

    for (int64_t i = 0; i < n; i++)
        most = fmax(most, fabs((double)a[i] - (double)b[i]));
    return most;
}

// Steps of a run; checks the share of each move of the target against want[], the moves before
// steps 1, 2, ...
static void follows(const char *method, const char *const *options, const double *want)
{
    ak_comm *comm = NULL;
    float *before, *trained;
    ak_trainer *t;
    int64_t n;

    ak_rig_ok(ak_comm_open(&comm));
    t = trainer_of(comm, method, options);
    n = t->model.target_size;
    before = ak_rig_values(n, 0, 0);
    trained = ak_rig_values(n, 0, 0);
    for (int step = 0; step < TOTAL; step++) {
        memcpy(before, t->model.targets, (size_t)n * sizeof(float));
        memcpy(trained, t->model.trained, (size_t)n * sizeof(float));
        (void)ak_small_step(t, 0.01);
        if (step == 0) // they start alike
            ck_assert_double_eq_tol(farthest(t->model.targets, before, n), 0, 1e-6);
        else
            ck_assert_double_eq_tol(kept(before, t->model.targets, trained, n), want[step - 1],
                                    2e-3);
    }
    ak_trainer_free(t);
    ak_comm_close(comm);
    free(before);
    free(trained);
}

static double cosine(double from, double to, int step)
{
    return to - (to - from) * (1 + cos(acos(-1.0) * step / TOTAL)) / 2;
}

START_TEST(byol)
{
    const char *constant[] = { "moving_average_decay=0.8", "decay_schedule=constant", NULL };
    const char *falling[] = { "moving_average_decay=0.5", NULL };

    follows("byol", constant, (const double[]){ 0.8, 0.8, 0.8 });
    // the move that follows a step is that step's
    follows("byol", falling,
            (const double[]){ cosine(0.5, 1, 0), cosine(0.5, 1, 1), cosine(0.5, 1, 2) });
}
END_TEST

START_TEST(moco_v3)
{
    const char *constant[] = { "moving_average_decay=0.8", "decay_schedule=constant", NULL };
    const char *falling[] = { "moving_average_decay=0.5", NULL };

    follows("moco_v3", constant, (const double[]){ 0.8, 0.8, 0.8 });
    follows("moco_v3", falling,
            (const double[]){ cosine(0.5, 1, 1), cosine(0.5, 1, 2), cosine(0.5, 1, 3) });
}
END_TEST

START_TEST(moco_v2)
{
    const char *constant[] = { "m=0.8", NULL };
    const char *falling[] = { "m=0.5", "m_end=0.9", "symmetric=true", NULL };

    follows("moco_v2", constant, (const double[]){ 0.8, 0.8, 0.8 });
    follows("moco_v2", falling,
            (const double[]){ cosine(0.5, 0.9, 1), cosine(0.5, 0.9, 2), cosine(0.5, 0.9, 3) });
}
END_TEST

// The length of a run may be unknown: then it does not move along its schedule.
START_TEST(no_length_no_schedule)
{
    ak_comm *comm = NULL;
    ak_gauge gauges[AK_METHOD_GAUGES];
    ak_trainer *t;

    ak_rig_ok(ak_comm_open(&comm));
    t = trainer_of(comm, "byol", (const char *const[]){ "moving_average_decay=0.9", NULL });
    t->total = 0;
    (void)ak_small_step(t, 0.01);
    (void)ak_small_step(t, 0.01);
    ck_assert_int_eq(ak_trainer_gauges(t, gauges), 1);
    ck_assert(strcmp(gauges[0].name, "target_momentum") == 0 && gauges[0].value == 0.9);
    ak_trainer_free(t);
    ak_comm_close(comm);
}
END_TEST

static void refused(const char *const *options, const char *part)
{
    ak_spec spec = ak_small_spec("moco_v2");
    ak_comm *comm = NULL;
    ak_trainer *t = NULL;

    for (const char *const *o = options; *o; o++)
        ak_small_set(&spec, "option", *o);
    ak_rig_ok(ak_comm_open(&comm));
    ak_rig_refused(ak_trainer_new(&t, &spec, comm), AKSSL_ERR_INVALID, part);
    ak_comm_close(comm);
    ak_spec_fini(&spec);
}

START_TEST(contradictions)
{
    refused((const char *const[]){ "joint_views=true", NULL }, "symmetric");
    refused((const char *const[]){ "m_end=-0.5", NULL }, "m_end -0.5");
}
END_TEST

// ---- MoCo v2's queue of both views

START_TEST(rows_of_both_views)
{
    enum { K = 24, D = 16, BATCH = 16 };
    ak_comm *comm = NULL;
    ak_trainer *t;
    const ak_state *queue;
    double length;

    ak_rig_ok(ak_comm_open(&comm));
    t = trainer_of(comm, "moco_v2",
                   (const char *const[]){ "symmetric=true", "K=24", "projection_dim=16", NULL });
    queue = t->states[0];
    ck_assert(queue->length == K && queue->width == 2 * D && queue->filled == 0);
    for (int step = 0; step < 2; step++) {
        for (int64_t key = 0; key < 2 * K; key++) { // drawn ones, then the batch's
            length = 0;
            for (int i = 0; i < D; i++)
                length += pow((double)queue->rows[key * D + i], 2);
            ck_assert_double_eq_tol(length, 1, 1e-5);
        }
        (void)ak_small_step(t, 0.01);
    }
    ck_assert(queue->filled == K && queue->position == 2 * BATCH % K && queue->version == 2);
    ck_assert_int_eq(queue->pushed_count, BATCH);
    ak_trainer_free(t);
    ak_comm_close(comm);
}
END_TEST

// Each shard's second views are of other samples than its first ones, for both networks.
START_TEST(shuffled_views)
{
    ak_comm *comm = NULL;
    ak_trainer *t;
    int seen[16] = { 0 }, moved = 0;

    ak_rig_ok(ak_comm_open(&comm));
    t = trainer_of(comm, "moco_v2", (const char *const[]){ "symmetric=true", NULL });
    ak_trainer_begin(t);
    for (int s = 0; s < 4; s++)
        for (int i = 0; i < 4; i++) {
            int64_t sample = ak_trainer_sample(t, 1, s, i);

            ck_assert_int_eq(ak_trainer_sample(t, 0, s, i), s * 4 + i);
            ck_assert(sample >= 0 && sample < 16 && !seen[sample]);
            seen[sample] = 1;
            moved += sample / 4 != s;
        }
    ck_assert_int_gt(moved, 6);
    ak_trainer_free(t);
    ak_comm_close(comm);
}
END_TEST

AK_TEST_MAIN(AK_CASE(byol), AK_CASE(moco_v3), AK_CASE(moco_v2), AK_CASE(no_length_no_schedule),
             AK_CASE(contradictions), AK_CASE(rows_of_both_views), AK_CASE(shuffled_views))
