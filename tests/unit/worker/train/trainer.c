// tests/unit/worker/train/trainer.c -- tests a training step: the order of its parts, and what it
// leaves alone.

#include "tests/unit/worker/train/small.h"

typedef struct setting {
    ak_spec spec;
    ak_comm *comm;
    ak_trainer *t;
} setting;

static setting make(const char *method, const char *optimizer)
{
    setting s = { .spec = ak_small_spec(method) };

    ak_small_set(&s.spec, "optimizer", optimizer);
    ak_small_set(&s.spec, "momentum", "0.7");
    ak_small_set(&s.spec, "weight-decay", "0.03");
    ak_rig_ok(ak_comm_open(&s.comm));
    s.t = ak_small_trainer(&s.spec, s.comm);
    return s;
}

static void end(setting *s)
{
    ak_trainer_free(s->t);
    ak_comm_close(s->comm);
    ak_spec_fini(&s->spec);
}

static float *copy(const float *values, int64_t n)
{
    float *out = ak_alloc((size_t)n, sizeof *out);

    memcpy(out, values, (size_t)n * sizeof *out);
    return out;
}

static double norm(const float *x, const float *y, double times, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += pow((double)x[i] + times * (double)y[i], 2);
    return sqrt(sum);
}

// The optimiser alone, given each tensor and its gradient.
static void step_alone(const ak_trainer *t, float *w, float *const slot[2], int64_t step, double lr)
{
    for (int i = 0; i < t->model.count; i++) {
        const ak_param *p = t->model.params[i];
        const float *g = t->sums + p->offset; // the sum over all shards stays until the next step
        bool plain = p->dims == 1 && t->optim->exclude_1d;
        ak_optim_step s = { .w = w + p->offset,
                            .g = g,
                            .slot = { slot[0] + p->offset, slot[1] + p->offset },
                            .n = p->numel,
                            .t = step,
                            .lr = lr,
                            .momentum = 0.7,
                            .weight_decay = plain ? 0 : 0.03,
                            .plain = plain,
                            .threads = 1 };

        if (p->role != AK_ROLE_TRAINED)
            continue;
        s.w_norm = norm(s.w, g, 0, p->numel);
        s.g_norm = norm(g, s.w, 0, p->numel);
        s.decayed_norm = norm(g, s.w, s.weight_decay, p->numel);
        t->optim->step(&s);
    }
}

static void close_to(const char *what, const float *got, const float *want, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (!(fabs((double)got[i] - (double)want[i]) <= 1e-6 * (1 + fabs((double)want[i]))))
            ck_abort_msg("%s[%lld] is %.9g instead of %.9g", what, (long long)i, (double)got[i],
                         (double)want[i]);
}

// The optimiser alone, given each step's gradient, number and rate, comes to the same weights.
static void is_the_optimisers(const char *optimizer)
{
    setting s = make("simclr", optimizer);
    int64_t n = s.t->model.trained_size;
    float *w = copy(s.t->model.trained, n), *slot[2];

    slot[0] = ak_alloc((size_t)n, sizeof(float));
    slot[1] = ak_alloc((size_t)n, sizeof(float));
    for (int t = 0; t < 3; t++) {
        double lr = 1e-3 * (t + 1);

        (void)ak_small_step(s.t, lr);
        ck_assert_int_eq(s.t->step, t + 1);
        step_alone(s.t, w, slot, t, lr);
        if (s.t->optim->norms) // whose sums have another order
            close_to(optimizer, s.t->model.trained, w, n);
        else
            ak_rig_same(optimizer, s.t->model.trained, w, n);
    }
    free(w);
    free(slot[0]);
    free(slot[1]);
    end(&s);
}

START_TEST(a_step_is_the_optimisers)
{
    for (int i = 0; ak_optim_at(i); i++)
        is_the_optimisers(ak_optim_at(i)->name);
}
END_TEST

START_TEST(a_loss_that_is_not_finite_changes_no_parameter)
{
    setting s = make("simclr", "adam");
    int64_t n = s.t->model.trained_size;
    float *before = copy(s.t->model.trained, n);
    double loss = 0;

    ak_trainer_begin(s.t);
    ak_small_views(s.t, 0);
    ak_trainer_view(s.t, 1, 2, 3)[17] = NAN;
    s.t->step = 41;
    ak_rig_refused(ak_trainer_compute(s.t, &loss), AKSSL_ERR_STATE, "step 41");
    ck_assert(!isfinite(loss));
    ak_rig_same("parameter", before, s.t->model.trained, n);
    free(before);
    end(&s);
}
END_TEST

// The keys' network follows before each step; the query's does not move by it.
START_TEST(the_momentum_network_follows_before_the_step)
{
    setting s = make("moco_v2", "sgd");
    const ak_model *m = &s.t->model;
    float *target, *online;

    (void)ak_small_step(s.t, 0.05);
    target = copy(m->targets, m->target_size);
    online = copy(m->trained, m->trained_size);
    ak_trainer_begin(s.t);
    ak_rig_same("online", online, m->trained, m->trained_size);
    for (int64_t i = 0; i < m->target_size; i++) {
        double want = 0.999 * (double)target[i] + 0.001 * (double)online[i];

        if (!(fabs((double)m->targets[i] - want) <= 2e-7 * fabs(want) + 1e-9))
            ck_abort_msg("target[%lld]", (long long)i);
    }
    ak_small_views(s.t, 1);
    free(target);
    target = copy(m->targets, m->target_size);
    {
        double loss;
        const ak_state *queue = s.t->states[0];

        ak_rig_ok(ak_trainer_compute(s.t, &loss));
        ak_trainer_update(s.t, 0.05);
        ck_assert_int_eq(queue->pushed_count, 16);
        ak_rig_same("what is pushed stands in the queue", queue->pushed,
                    queue->rows + 16 * queue->width, queue->pushed_count * queue->width);
    }
    ak_rig_same("target", target, m->targets, m->target_size);
    free(target);
    free(online);
    end(&s);
}
END_TEST

START_TEST(every_sample_has_one_place_a_view)
{
    setting s = make("moco_v2", "sgd"); // its second view is shuffled
    int moved = 0;

    for (int step = 0; step < 3; step++) {
        s.t->step = step;
        ak_trainer_begin(s.t);
        for (int v = 0; v < 2; v++) {
            int seen[16] = { 0 };

            for (int shard = 0; shard < 4; shard++)
                for (int64_t i = 0; i < 4; i++) {
                    int64_t sample = ak_trainer_sample(s.t, v, shard, i);

                    ck_assert(sample >= 0 && sample < 16 && !seen[sample]++);
                    moved += v == 1 && sample != shard * 4 + i;
                    ck_assert(v == 1 || sample == shard * 4 + i);
                }
        }
    }
    ck_assert_int_gt(moved, 10);
    end(&s);
}
END_TEST

START_TEST(options_are_bound)
{
    const ak_method *m = NULL;
    ak_spec spec = ak_small_spec("moco_v2");
    void *self = NULL;
    char text[32];

    ak_rig_ok(ak_method_find(&m, "moco_v2"));
    ak_small_set(&spec, "option", "K=123");
    ak_rig_ok(ak_method_bind(&self, m, &spec.option));
    ak_option_text(ak_option_find(m->options, "K"), self, text, sizeof text);
    ck_assert_str_eq(text, "123");
    ak_option_fini(m->options, self);
    free(self);
    ck_assert(ak_norm_per_shard(&spec, m));
    ak_small_set(&spec, "batch-norm", "sync");
    ck_assert(!ak_norm_per_shard(&spec, m));
    ak_spec_fini(&spec);
}
END_TEST

START_TEST(refuses_what_it_cannot_build)
{
    static const char *const bad[][3] = {
        { "method", "none", "method 'none'" },         { "backbone", "none", "backbone 'none'" },
        { "optimizer", "none", "optimizer 'none'" },   { "shards", "6", "power of two" },
        { "option", "temperature=-1", "temperature" },
    };
    ak_comm *comm = NULL;

    ak_rig_ok(ak_comm_open(&comm));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ak_spec spec = ak_small_spec("simclr");
        ak_trainer *t = NULL;
        akssl_status rc;

        ak_small_set(&spec, bad[i][0], bad[i][1]);
        rc = ak_trainer_new(&t, &spec, comm);
        ck_assert_int_lt(rc, 0);
        ak_rig_refused(rc, rc, bad[i][2]);
        ck_assert_ptr_null(t);
        ak_spec_fini(&spec);
    }
    ak_trainer_free(NULL);
    ak_comm_close(comm);
}
END_TEST

static void recompute(const char *method, const char *backbone, const char *precision)
{
    static const char *const ways[] = { "no", "yes" };
    setting s[2];

    for (int i = 0; i < 2; i++) {
        s[i].spec = ak_small_spec(method);
        ak_small_set(&s[i].spec, "backbone", backbone);
        ak_small_set(&s[i].spec, "precision", precision);
        ak_small_set(&s[i].spec, "recompute", ways[i]);
        ak_rig_ok(ak_comm_open(&s[i].comm));
        s[i].t = ak_small_trainer(&s[i].spec, s[i].comm);
        for (int step = 0; step < 2; step++)
            ak_small_step(s[i].t, 1e-3);
    }
    ak_small_same(s[0].t, s[1].t);
    ck_assert_msg(10 * ak_graph_bytes(s[1].t->graph) < 8 * ak_graph_bytes(s[0].t->graph),
                  "%s on %s: %lld bytes, recomputed %lld", method, backbone,
                  (long long)ak_graph_bytes(s[0].t->graph),
                  (long long)ak_graph_bytes(s[1].t->graph));
    end(&s[0]);
    end(&s[1]);
}

START_TEST(recomputing_takes_less_memory_and_gives_the_same_bits)
{
    recompute("simclr", "resnet50", "fp32");
    recompute("byol", "resnet18_cifar_stem", "fp32");
    recompute("dino", "vit_tiny:patch_size=4,drop_path=0.2,depth=6", "fp32");
}
END_TEST

START_TEST(recomputing_in_bf16) // a process of its own, for oneDNN's sake
{
    if (!ak_isa_has_bf16())
        return;
    recompute("moco_v2", "resnet50", "bf16");
    recompute("simclr", "vit_tiny:patch_size=4,depth=6", "bf16");
}
END_TEST

AK_TEST_MAIN(AK_CASE(recomputing_takes_less_memory_and_gives_the_same_bits),
             AK_CASE(recomputing_in_bf16), AK_CASE(a_step_is_the_optimisers),
             AK_CASE(a_loss_that_is_not_finite_changes_no_parameter),
             AK_CASE(the_momentum_network_follows_before_the_step),
             AK_CASE(every_sample_has_one_place_a_view), AK_CASE(options_are_bound),
             AK_CASE(refuses_what_it_cannot_build))
