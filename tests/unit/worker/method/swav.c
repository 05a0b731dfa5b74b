// tests/unit/worker/method/swav.c -- tests worker/method/swav.c: prototypes and the queue.

#include "tests/unit/worker/train/small.h"

enum { D = 12, BATCH = 16 };

static ak_trainer *trainer_of(ak_comm **comm, const char *shards, const char *const *more)
{
    static const char *const small[] = { "projection_dim=12",    "hidden_dim=32",
                                         "num_prototypes=30",    "num_crops=2",
                                         "epoch_queue_starts=0", NULL };
    ak_spec spec = ak_small_spec("swav");
    ak_trainer *t;

    ak_small_set(&spec, "shards", shards);
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

static double length_of(const float *row)
{
    double sum = 0;

    for (int i = 0; i < D; i++)
        sum += (double)row[i] * (double)row[i];
    return sqrt(sum);
}

START_TEST(prototypes_are_of_length_1)
{
    ak_comm *comm = NULL;
    ak_trainer *t = trainer_of(&comm, "4", (const char *const[]){ NULL });
    const ak_param *c = ak_model_find(&t->model, "prototypes.weight");

    ck_assert(c && c->shape[0] == 30 && c->shape[1] == D && c->held == 313);
    for (int step = 0; step < 3; step++) {
        ak_trainer_begin(t);
        for (int k = 0; k < 30; k++)
            ck_assert_double_le(fabs(length_of(c->value + k * D) - 1), 1e-6);
        (void)ak_small_step(t, 1e-2);
    }
    ck_assert(t->states[0]->rows == c->value && t->states[0]->version == 3);
    end(t, comm);
}
END_TEST

// Rows are in the order of samples, however the batch is cut, and a row has both views.
START_TEST(queue_holds_embeddings)
{
    ak_comm *comm[2];
    ak_trainer *t[2];
    const ak_state *queue[2];

    for (int i = 0; i < 2; i++) {
        t[i] =
            trainer_of(&comm[i], i ? "4" : "1", (const char *const[]){ "queue_length=40", NULL });
        (void)ak_small_step(t[i], 0);
        (void)ak_small_step(t[i], 0);
        queue[i] = t[i]->states[1];
        ck_assert(strcmp(queue[i]->name, "swav.queue") == 0 && queue[i]->length == 40 &&
                  queue[i]->width == 2 * D && queue[i]->filled == 2 * BATCH &&
                  queue[i]->position == 2 * BATCH && queue[i]->version == 2);
    }
    for (int r = 0; r < 2 * 2 * BATCH; r++)
        ck_assert_double_le(fabs(length_of(queue[0]->rows + r * D) - 1), 1e-5);
    for (int i = 0; i < 2 * BATCH * 2 * D; i++)
        ck_assert_double_le(fabs((double)queue[0]->rows[i] - (double)queue[1]->rows[i]), 1e-3);
    ck_assert(memcmp(queue[0]->rows, queue[0]->rows + D, D * sizeof(float)) != 0);
    for (int i = 0; i < 2; i++)
        end(t[i], comm[i]);
}
END_TEST

static void check_use(const char *length, const char *epochs, const bool *used, int steps)
{
    ak_comm *comm = NULL;
    ak_trainer *t = trainer_of(&comm, "4", (const char *const[]){ length, epochs, NULL });

    t->epoch_steps = 2;
    for (int step = 0; step < steps; step++) {
        ck_assert(isfinite(ak_small_step(t, 1e-3)));
        ck_assert_msg((gauge(t, "queue_used") > 0) == used[step], "%s %s step %d", length, epochs,
                      step);
    }
    end(t, comm);
}

START_TEST(queue_is_used_once_full_and_in_its_epoch)
{
    check_use("queue_length=40", "epoch_queue_starts=0", (const bool[]){ 0, 0, 0, 1, 1 }, 5);
    check_use("queue_length=40", "epoch_queue_starts=2", (const bool[]){ 0, 0, 0, 0, 1 }, 5);
    check_use("queue_length=5", "epoch_queue_starts=0", (const bool[]){ 0, 1, 1 }, 3);
    check_use("queue_length=16", "epoch_queue_starts=1", (const bool[]){ 0, 0, 1 }, 3);
    check_use("use_the_queue=false", "epoch_queue_starts=0", (const bool[]){ 0, 0, 0 }, 3);
}
END_TEST

static double third_loss(const char *option, int *states)
{
    ak_comm *comm = NULL;
    ak_trainer *t =
        trainer_of(&comm, "4", (const char *const[]){ "queue_length=20", option, NULL });
    double loss = 0;

    for (int step = 0; step < 3; step++)
        loss = ak_small_step(t, 0);
    *states = t->state_count;
    end(t, comm);
    return loss;
}

START_TEST(options_change_what_is_computed)
{
    static const char *const options[] = { "use_the_queue=false", "joint_views=false",
                                           "num_crops=0", "sinkhorn_iterations=1",
                                           "queue_length=21" };
    int states = 0;
    double plain = third_loss("num_crops=2", &states);

    ck_assert_int_eq(states, 2);
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        ck_assert_msg(third_loss(options[i], &states) != plain, "%s", options[i]);
        ck_assert_int_eq(states, i == 0 ? 1 : 2);
    }
}
END_TEST

START_TEST(health)
{
    ak_comm *comm = NULL;
    ak_trainer *t = trainer_of(&comm, "4", (const char *const[]){ NULL });
    ak_health h = { .teacher_entropy = NAN, .prototype_usage = NAN, .stuck_loss = NAN };
    double loss = ak_small_step(t, 1e-3);

    t->method->health(t->self, t->loss, &h);
    ck_assert(h.rows && h.count == 2 * BATCH && h.width == D && h.prototypes == 30);
    ck_assert(h.teacher_entropy > 0 && h.teacher_entropy < log(30));
    ck_assert(h.prototype_usage > 0.5 && h.prototype_usage <= 1 + 1e-9);
    ck_assert_double_le(fabs(h.stuck_loss - log(30)), 1e-12);
    ck_assert(loss > h.teacher_entropy);
    end(t, comm);
}
END_TEST

START_TEST(one_prototype)
{
    ak_comm *comm = NULL;
    ak_trainer *t = trainer_of(&comm, "4", (const char *const[]){ "num_prototypes=1", NULL });

    for (int step = 0; step < 2; step++)
        ck_assert_double_le(fabs(ak_small_step(t, 1e-3)), 1e-6);
    end(t, comm);
}
END_TEST

AK_TEST_MAIN(AK_CASE(prototypes_are_of_length_1), AK_CASE(queue_holds_embeddings),
             AK_CASE(queue_is_used_once_full_and_in_its_epoch),
             AK_CASE(options_change_what_is_computed), AK_CASE(health), AK_CASE(one_prototype))
