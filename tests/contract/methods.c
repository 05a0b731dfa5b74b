// tests/contract/methods.c -- what every method keeps, whatever rows methods.def has.

#include "tests/unit/worker/train/small.h"
#include "worker/train/commit.h"

static int methods(void)
{
    int count = 0;

    while (ak_method_at(count))
        count++;
    return count;
}

static const char *name_of(int index)
{
    return ak_method_at(index)->name;
}

START_TEST(rows_are_whole)
{
    const ak_method *m = ak_method_at(_i), *found = NULL;

    ak_rig_ok(ak_method_find(&found, m->name));
    ck_assert(found == m);
    ck_assert(m->title[0] && strncmp(m->paper, "arXiv:", 6) == 0 && m->self_size > 0);
    ck_assert(strcmp(m->batch_norm, "sync") == 0 || strcmp(m->batch_norm, "shard") == 0);
    ck_assert(m->options && m->build && m->loss && m->health && m->encoder && m->fini);
    for (const ak_option *o = m->options; o->name; o++)
        ck_assert_msg(o->help[0] && (o->type == AK_OPTION_TYPE_STRING ||
                                     (o->min <= o->initial && o->initial <= o->max)),
                      "%s %s", m->name, o->name);
}
END_TEST

// A few images again and again, each time with other noise.  What a method keeps from step to
// step (a queue: it makes the task harder while it fills) is held still, unless it is trained.
typedef struct kept {
    float *rows[AK_METHOD_STATES];
} kept;

static size_t bytes_of(const ak_state *s)
{
    return (size_t)(s->length * s->width) * sizeof(float);
}

static void keep(kept *k, const ak_trainer *t)
{
    for (int i = 0; i < t->state_count; i++) {
        k->rows[i] = ak_alloc(1, bytes_of(t->states[i]));
        memcpy(k->rows[i], t->states[i]->rows, bytes_of(t->states[i]));
    }
}

static void put_back(const kept *k, const ak_trainer *t)
{
    for (int i = 0; i < t->state_count; i++)
        if (!t->states[i]->param)
            memcpy(t->states[i]->rows, k->rows[i], bytes_of(t->states[i]));
}

START_TEST(loss_falls)
{
    enum { STEPS = 20, ENDS = 5 };
    ak_spec spec = ak_small_spec(name_of(_i));
    double first = 0, last = 0;
    kept before = { { NULL } };
    ak_comm *comm = NULL;
    ak_trainer *t;

    ak_rig_ok(ak_comm_open(&comm));
    t = ak_small_trainer(&spec, comm);
    keep(&before, t);
    for (int i = 0; i < STEPS; i++) {
        double loss = ak_small_step(t, 3e-3);

        first += i < ENDS ? loss / ENDS : 0;
        last += i >= STEPS - ENDS ? loss / ENDS : 0;
        put_back(&before, t);
    }
    ck_assert_msg(last < first - 0.1 * fabs(first), "%s: loss %g, then %g", name_of(_i), first,
                  last);
    for (int i = 0; i < t->state_count; i++)
        free(before.rows[i]);
    ak_trainer_free(t);
    ak_comm_close(comm);
    ak_spec_fini(&spec);
}
END_TEST

// ---- gradients

static double loss_at(ak_trainer *t, const float *start, const float *direction, double along)
{
    double loss;

    for (int64_t i = 0; i < t->model.trained_size; i++)
        t->model.trained[i] = (float)((double)start[i] + along * (double)direction[i]);
    ak_rig_ok(ak_trainer_compute(t, &loss));
    return loss;
}

// Sets a method's booleans to what they are not by default.
static void turn_booleans(ak_spec *spec, const ak_method *method)
{
    for (const ak_option *o = method->options; o->name; o++) {
        char text[128];

        snprintf(text, sizeof text, "%s=%s", o->name, o->initial > 0 ? "false" : "true");
        if (o->type == AK_OPTION_TYPE_BOOL)
            ak_small_set(spec, "option", text);
    }
}

// A run whose loss is smooth: no ReLU at its border in the backbone, no batch norm over a handful.
// What a method holds constant although it moves with the parameters must stand still, or get its
// gradient: a stop-gradient is left out, and Sinkhorn's codes are even at a large epsilon.
static ak_spec smooth_spec(const ak_method *method, const char *batch_norm, bool turned)
{
    ak_spec spec = ak_small_spec(method->name);

    if (turned)
        turn_booleans(&spec, method);
    ak_small_set(&spec, "batch-norm", batch_norm);
    ak_small_set(&spec, "backbone", "vit_tiny:patch_size=8,depth=2");
    ak_small_set(&spec, "batch", "32");
    if (ak_option_find(method->options, "stop_gradient"))
        ak_small_set(&spec, "option", "stop_gradient=false");
    if (ak_option_find(method->options, "epsilon"))
        ak_small_set(&spec, "option", "epsilon=100");
    return spec;
}

// At random, yet mostly uphill: across a random direction single precision sees no slope.
static double choose_direction(const ak_trainer *t, float *direction)
{
    double length = 0, slope = 0;

    for (int64_t i = 0; i < t->model.trained_size; i++) {
        direction[i] = t->sums[i] * (1 + direction[i]);
        length += (double)direction[i] * (double)direction[i];
    }
    for (int64_t i = 0; i < t->model.trained_size; i++) {
        direction[i] = (float)((double)direction[i] / sqrt(length));
        slope += (double)direction[i] * (double)t->sums[i];
    }
    return slope;
}

static void check_gradient(const ak_method *method, const char *batch_norm, bool turned)
{
    ak_spec spec = smooth_spec(method, batch_norm, turned);
    ak_comm *comm = NULL;
    ak_trainer *t;
    float *start, *direction;
    double loss, slope, best = INFINITY;

    ak_rig_ok(ak_comm_open(&comm));
    t = ak_small_trainer(&spec, comm);
    start = ak_alloc((size_t)t->model.trained_size, sizeof(float));
    direction = ak_rig_values(t->model.trained_size, 9, 1);
    ak_trainer_begin(t);
    ak_small_views(t, 0);
    ak_rig_ok(ak_trainer_compute(t, &loss));
    ak_trainer_reduce(t);
    memcpy(start, t->model.trained, (size_t)t->model.trained_size * sizeof(float));
    slope = choose_direction(t, direction);
    // curvature spoils large changes, rounding small ones
    for (double change = 0.025; change > 1e-3; change /= 2.5) {
        double e = change / slope;
        double up = loss_at(t, start, direction, e), down = loss_at(t, start, direction, -e);

        best = fmin(best, fabs((up - down) / (2 * e * slope) - 1));
    }
    ck_assert_msg(best < 0.006, "%s, %s%s: slope %g is off by %g of itself", method->name,
                  batch_norm, turned ? ", booleans turned" : "", slope, best);
    ak_trainer_free(t);
    ak_comm_close(comm);
    ak_spec_fini(&spec);
    free(start);
    free(direction);
}

START_TEST(gradient_is_the_losss)
{
    for (int turned = 0; turned < 2; turned++) {
        check_gradient(ak_method_at(_i), "sync", turned);
        check_gradient(ak_method_at(_i), "shard", turned);
    }
}
END_TEST

// ---- the same again

START_TEST(same_spec_same_bits)
{
    ak_spec spec = ak_small_spec(name_of(_i));
    ak_comm *comm = NULL;
    ak_trainer *t[2];

    ak_small_set(&spec, "shards", "8");
    ak_rig_ok(ak_comm_open(&comm));
    for (int run = 0; run < 2; run++)
        t[run] = ak_small_trainer(&spec, comm);
    for (int step = 0; step < 3; step++) {
        double a = ak_small_step(t[0], 1e-3), b = ak_small_step(t[1], 1e-3);

        ck_assert_msg(a == b, "%s: losses %.17g and %.17g", name_of(_i), a, b);
    }
    ak_small_same(t[0], t[1]);
    for (int run = 0; run < 2; run++)
        ak_trainer_free(t[run]);
    ak_comm_close(comm);
    ak_spec_fini(&spec);
}
END_TEST

START_TEST(checkpoint_round_trip)
{
    char *folder = ak_rig_folder(), commit[600];
    ak_spec spec = ak_small_spec(name_of(_i));
    ak_results results = { 0 };
    ak_commit_file files[AK_COMMIT_FILES];
    ak_comm *comm = NULL;
    ak_trainer *a, *b;

    ak_rig_ok(ak_comm_open(&comm));
    a = ak_small_trainer(&spec, comm);
    (void)ak_small_step(a, 1e-3);
    (void)ak_small_step(a, 1e-3);
    ak_rig_ok(ak_small_commit(a, &results, folder, files));
    snprintf(commit, sizeof commit, "%s/commits/step-2", folder);
    ak_small_set(&spec, "seed", "99"); // nothing of the fresh start may be left
    b = ak_small_trainer(&spec, comm);
    b->setup.seed = a->setup.seed;
    ak_rig_ok(ak_commit_read(b, &results, commit, 2));
    ak_small_hand_over(a, b);
    for (int step = 0; step < 2; step++)
        ck_assert(ak_small_step(a, 1e-3) == ak_small_step(b, 1e-3));
    ak_small_same(a, b);
    ak_trainer_free(a);
    ak_trainer_free(b);
    ak_comm_close(comm);
    ak_spec_fini(&spec);
    ak_rig_remove(folder);
}
END_TEST

// ---- options

static akssl_status try_option(int method, const char *name, const char *value)
{
    ak_spec spec = ak_small_spec(name_of(method));
    char text[128];
    akssl_status rc;

    snprintf(text, sizeof text, "%s=%s", name, value);
    ak_small_set(&spec, "option", text);
    rc = ak_check_spec(&spec);
    ak_spec_fini(&spec);
    return rc;
}

static void number(char text[64], const ak_option *o, double value)
{
    if (o->type == AK_OPTION_TYPE_INT)
        snprintf(text, 64, "%lld", (long long)value);
    else
        snprintf(text, 64, "%.17g", value);
}

START_TEST(options_at_both_ends)
{
    for (const ak_option *o = ak_method_at(_i)->options; o->name; o++) {
        char text[64];

        if (o->type != AK_OPTION_TYPE_INT && o->type != AK_OPTION_TYPE_FLOAT)
            continue;
        for (int end = 0; end < 2; end++) {
            double value = end ? o->max : o->min,
                   step = o->type == AK_OPTION_TYPE_INT ? 1 : 0.25 + fabs(value);

            number(text, o, value);
            ck_assert_msg(try_option(_i, o->name, text) == AKSSL_OK, "%s=%s: %s", o->name, text,
                          ak_error_text());
            number(text, o, end ? value + step : value - step);
            ak_rig_refused(try_option(_i, o->name, text), AKSSL_ERR_INVALID, o->name);
            ck_assert_ptr_nonnull(strstr(ak_error_text(), name_of(_i)));
        }
        ak_rig_refused(try_option(_i, o->name, "nan"), AKSSL_ERR_INVALID, o->name);
        ak_rig_refused(try_option(_i, o->name, ""), AKSSL_ERR_INVALID, o->name);
        ak_rig_refused(try_option(_i, o->name, "1x"), AKSSL_ERR_INVALID, o->name);
    }
    ak_rig_refused(try_option(_i, "no_such_option", "1"), AKSSL_ERR_NOT_FOUND, "no_such_option");
}
END_TEST

// A step's loss is finite, or refused with a sentence.
static void takes_a_step(const ak_spec *spec, const char *method)
{
    ak_comm *comm = NULL;
    ak_trainer *t;
    double loss;

    ak_rig_ok(ak_comm_open(&comm));
    t = ak_small_trainer(spec, comm);
    ak_trainer_begin(t);
    ak_small_views(t, 0);
    if (ak_trainer_compute(t, &loss) == AKSSL_OK)
        ck_assert_msg(isfinite(loss), "%s", method);
    else
        ck_assert_ptr_nonnull(strstr(ak_error_text(), "not finite"));
    ak_trainer_free(t);
    ak_comm_close(comm);
}

// All numbers at their small end, then all booleans the other way.
START_TEST(options_at_their_small_end_take_a_step)
{
    ak_spec spec = ak_small_spec(name_of(_i));

    for (const ak_option *o = ak_method_at(_i)->options; o->name; o++) {
        char text[128], value[64];

        number(value, o, o->min);
        snprintf(text, sizeof text, "%s=%s", o->name, value);
        if (o->type == AK_OPTION_TYPE_INT || o->type == AK_OPTION_TYPE_FLOAT)
            ak_small_set(&spec, "option", text);
    }
    takes_a_step(&spec, name_of(_i));
    ak_spec_fini(&spec);
    spec = ak_small_spec(name_of(_i));
    turn_booleans(&spec, ak_method_at(_i));
    takes_a_step(&spec, name_of(_i));
    ak_spec_fini(&spec);
}
END_TEST

// Each choice of an option that has choices takes a step.
START_TEST(choices_take_a_step)
{
    for (const ak_option *o = ak_method_at(_i)->options; o->name; o++) {
        const char *at = o->type == AK_OPTION_TYPE_STRING ? o->choices : NULL;

        while (at) {
            ak_spec spec = ak_small_spec(name_of(_i));
            char text[128];

            snprintf(text, sizeof text, "%s=%.*s", o->name, (int)strcspn(at, "|"), at);
            ak_small_set(&spec, "option", text);
            takes_a_step(&spec, name_of(_i));
            ak_spec_fini(&spec);
            at = strchr(at, '|');
            at = at ? at + 1 : NULL;
        }
    }
}
END_TEST

// ---- what evaluation and the coordinator rely on

START_TEST(encoder_health_gauges_and_states)
{
    ak_spec spec = ak_small_spec(name_of(_i));
    ak_gauge gauges[AK_METHOD_GAUGES];
    const ak_encoder *encoder;
    ak_health health = { 0 };
    ak_comm *comm = NULL;
    ak_trainer *t;
    int count;

    ak_rig_ok(ak_comm_open(&comm));
    t = ak_small_trainer(&spec, comm);
    (void)ak_small_step(t, 1e-3);
    encoder = t->method->encoder(t->self);
    ck_assert(encoder && encoder->backbone == t->backbone && encoder->self);
    count = ak_trainer_gauges(t, gauges);
    ck_assert_int_le(count, AK_METHOD_GAUGES);
    for (int k = 0; k < count; k++)
        ck_assert(gauges[k].name[0] && isfinite(gauges[k].value));
    t->method->health(t->self, t->loss, &health);
    ck_assert(health.count >= 2 && health.width >= 1);
    for (int64_t i = 0; i < health.count * health.width; i++)
        ck_assert(isfinite(health.rows[i]));
    for (int k = 0; k < t->state_count; k++) {
        const ak_state *state = t->states[k];

        ck_assert(state->version == 1 && strchr(state->name, '.') && state->rows &&
                  state->filled >= 1 && state->filled <= state->length);
        for (int64_t i = 0; i < state->length * state->width; i++)
            ck_assert(isfinite(state->rows[i]));
    }
    ak_trainer_free(t);
    ak_comm_close(comm);
    ak_spec_fini(&spec);
}
END_TEST

int main(int argc, char **argv)
{
    const ak_test_row rows[] = {
        AK_CASE(rows_are_whole),
        AK_CASE(loss_falls),
        AK_CASE(gradient_is_the_losss),
        AK_CASE(same_spec_same_bits),
        AK_CASE(checkpoint_round_trip),
        AK_CASE(options_at_both_ends),
        AK_CASE(options_at_their_small_end_take_a_step),
        AK_CASE(choices_take_a_step),
        AK_CASE(encoder_health_gauges_and_states),
    };
    Suite *suite = suite_create(TEST_NAME);
    SRunner *runner = srunner_create(suite);
    int failed, chosen = 0;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        TCase *tcase;

        if (argc > 1 && strcmp(argv[1], rows[i].name) != 0)
            continue;
        tcase = tcase_create(rows[i].name);
        tcase_set_timeout(tcase, 200);
        _tcase_add_test(tcase, rows[i].test, 0, 0, 0, methods());
        suite_add_tcase(suite, tcase);
        chosen++;
    }
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed || !chosen ? EXIT_FAILURE : EXIT_SUCCESS;
}
