// tests/unit/worker/train/update.c -- tests what a step does to each tensor, on any number of
// slices: norms, clipping, exclusion, rates, what is fixed or held.

#include "tests/unit/worker/rig.h"
#include "worker/train/update.h"

enum { TENSORS = 6, RANKS = 8 };

// Tensors that blocks and slices cut anywhere.
static const struct {
    const char *name;
    int dims;
    int64_t shape[4];
} tensors[TENSORS] = {
    { "a", 2, { 5, 7 } },      { "bias", 1, { 7 } },    { "conv", 4, { 3, 11, 3, 3 } },
    { "wide", 2, { 70, 61 } }, { "norm", 1, { 1300 } }, { "tail", 2, { 13, 4 } },
};

typedef struct run {
    ak_model model;
    ak_spec spec;
    ak_param *p[TENSORS];
    float *slots[AK_OPTIM_SLOTS]; // of the whole vector
    int64_t size;
    ak_when when;
} run;

static void set(run *r, const char *name, const char *value)
{
    ck_assert_msg(ak_spec_set(&r->spec, name, value) == AKSSL_OK, "%s", ak_error_text());
}

static run make(const char *optimizer)
{
    run r = { .when = { .total = 100, .epoch_steps = 10 } };

    ak_spec_init(&r.spec);
    set(&r, "optimizer", optimizer);
    set(&r, "momentum", "0");
    set(&r, "weight-decay", "0.5");
    ak_model_init(&r.model);
    for (int k = 0; k < TENSORS; k++)
        r.p[k] = ak_model_param(&r.model, "m", tensors[k].name, AK_ROLE_TRAINED, tensors[k].dims,
                                tensors[k].shape, AK_INIT_ZERO, 0);
    ak_rig_ok(ak_model_allocate(&r.model));
    r.size = r.model.trained_size;
    ak_rig_fill(r.model.trained, r.size, 1, 1);
    for (int i = 0; i < AK_OPTIM_SLOTS; i++)
        r.slots[i] = ak_alloc((size_t)r.size, sizeof(float));
    return r;
}

static void end(run *r)
{
    ak_model_fini(&r->model);
    ak_spec_fini(&r->spec);
    for (int i = 0; i < AK_OPTIM_SLOTS; i++)
        free(r->slots[i]);
}

// A rank's slice of a vector: taken out, or put back.
static void slice(const ak_slices *s, float *vector, float *own, bool back)
{
    for (int b = 0; b < s->buckets; b++) {
        ak_stretch in = ak_slices_stretch(s, b);
        size_t bytes = (size_t)(in.to - in.from) * sizeof *own;

        if (back)
            memcpy(vector + in.from, own + in.at, bytes);
        else
            memcpy(own + in.at, vector + in.from, bytes);
    }
}

typedef struct rank {
    ak_slices slices;
    ak_update update;
    float *g, *slots[AK_OPTIM_SLOTS];
} rank;

static void begin_rank(rank *k, run *r, float *g, int number, int ranks, int64_t block)
{
    const ak_optim *optim = NULL;
    size_t own;

    ak_rig_ok(ak_optim_find(&optim, r->spec.optimizer));
    ak_slices_init(&k->slices, r->size, number, ranks, block * ranks, block);
    own = (size_t)ak_slices_own(&k->slices) + 1;
    k->g = ak_alloc(own, sizeof(float));
    slice(&k->slices, g, k->g, false);
    for (int i = 0; i < AK_OPTIM_SLOTS; i++) {
        k->slots[i] = ak_alloc(own, sizeof(float));
        slice(&k->slices, r->slots[i], k->slots[i], false);
    }
    ak_update_init(&k->update, &r->spec, optim, &r->model, &k->slices, block);
    if (k->update.measures)
        ak_update_measure(&k->update, k->g, 1);
}

static void end_rank(rank *k, run *r, float *g)
{
    slice(&k->slices, g, k->g, true);
    for (int i = 0; i < AK_OPTIM_SLOTS; i++) {
        slice(&k->slices, r->slots[i], k->slots[i], true);
        free(k->slots[i]);
    }
    free(k->g);
    ak_update_fini(&k->update);
    ak_slices_fini(&k->slices);
}

// One step as `ranks` ranks take it, each on its slice of every bucket of a block a rank.  g
// becomes what they applied.
static void step_on(run *r, float *g, double lr, int ranks, int64_t block)
{
    rank k[RANKS];

    for (int i = 0; i < ranks; i++) {
        begin_rank(&k[i], r, g, i, ranks, block);
        ck_assert_uint_eq(k[i].update.bytes, k[0].update.bytes);
    }
    for (int i = 0; i < ranks; i++) {
        ak_update *u = &k[i].update;

        for (int from = 0; u->measures && from < ranks; from++)
            memcpy((char *)u->all + (size_t)from * u->bytes, k[from].update.mine, u->bytes);
        ak_update_apply(u, &r->when, lr, k[i].g, k[i].slots, 1);
    }
    for (int i = 0; i < ranks; i++)
        end_rank(&k[i], r, g);
    r->when.step++;
}

static void step(run *r, const float *gradient, double lr)
{
    float *g = ak_alloc((size_t)r->size, sizeof *g);

    memcpy(g, gradient, (size_t)r->size * sizeof *g);
    step_on(r, g, lr, 1, AK_UPDATE_BLOCK);
    free(g);
}

static void steps(run *r, int count, int ranks, int64_t block)
{
    for (int i = 0; i < count; i++) {
        float *g = ak_rig_values(r->size, 20 + (uint32_t)r->when.step, 2);

        step_on(r, g, 0.1, ranks, block);
        free(g);
    }
}

static void same(const run *a, const run *b)
{
    ak_rig_same(a->spec.optimizer, a->model.trained, b->model.trained, a->size);
    for (int i = 0; i < AK_OPTIM_SLOTS; i++)
        ak_rig_same("slot", a->slots[i], b->slots[i], a->size);
}

static run full(const char *optimizer, const char *clip, const char *mode)
{
    run r = make(optimizer);

    set(&r, "momentum", "0.9");
    set(&r, "clip-grad", clip);
    set(&r, "clip-mode", mode);
    set(&r, "weight-decay-end", "0.1");
    set(&r, "bias-lr-factor", "0.25");
    r.p[0]->fixed = true;
    r.p[1]->held = 2;
    r.p[3]->constant_rate = true;
    r.p[5]->held = 1;
    return r;
}

// The bits of one rank, on any number of them; also where some have nothing.
START_TEST(ranks_do_not_matter)
{
    static const char *const clip[][2] = { { "0", "tensor" },
                                           { "3", "tensor" },
                                           { "3", "global" } };

    for (int i = 0; ak_optim_at(i); i++)
        for (int c = 0; c < 3; c++)
            for (int64_t block = 16; block <= 1024; block *= 8) {
                run one = full(ak_optim_at(i)->name, clip[c][0], clip[c][1]);

                steps(&one, 4, 1, block);
                for (int ranks = 2; ranks <= RANKS; ranks *= 2) {
                    run many = full(ak_optim_at(i)->name, clip[c][0], clip[c][1]);

                    steps(&many, 4, ranks, block);
                    same(&one, &many);
                    end(&many);
                }
                end(&one);
            }
}
END_TEST

START_TEST(a_resumed_run_goes_on)
{
    for (int i = 0; ak_optim_at(i); i++) {
        run whole = full(ak_optim_at(i)->name, "3", "global");
        run first = full(ak_optim_at(i)->name, "3", "global");
        run second = full(ak_optim_at(i)->name, "3", "global");

        whole.p[3]->held = first.p[3]->held = second.p[3]->held = 5;
        steps(&whole, 8, 1, 64);
        steps(&first, 3, 2, 64);
        memcpy(second.model.trained, first.model.trained, (size_t)first.size * sizeof(float));
        for (int k = 0; k < AK_OPTIM_SLOTS; k++)
            memcpy(second.slots[k], first.slots[k], (size_t)first.size * sizeof(float));
        second.when.step = 3;
        steps(&second, 5, 4, 64);
        same(&whole, &second);
        end(&whole);
        end(&first);
        end(&second);
    }
}
END_TEST

// ---- against the formulas

static double norm(const float *x, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return sqrt(sum);
}

// One step of sgd or lars without momentum.
static void is_by_formula(const char *optimizer, const char *clip, const char *mode, int ranks)
{
    run r = make(optimizer);
    bool lars = strcmp(optimizer, "lars") == 0;
    float *g = ak_rig_values(r.size, 9, 1), *raw = ak_rig_values(r.size, 9, 1);
    float *w = ak_rig_values(r.size, 1, 1);
    double *want = ak_alloc((size_t)r.size, sizeof *want), most;

    set(&r, "clip-grad", clip);
    set(&r, "clip-mode", mode);
    most = r.spec.clip_grad;
    step_on(&r, g, 0.2, ranks, 64);
    for (int k = 0; k < TENSORS; k++) {
        int64_t at = r.p[k]->offset, n = r.p[k]->numel;
        bool plain = lars && tensors[k].dims == 1;
        double length = strcmp(mode, "global") == 0 ? norm(raw, r.size) : norm(raw + at, n);
        double c = most > 0 && length > most ? most / (length + 1e-6) : 1, ratio = 1;
        double decay = plain ? 0 : 0.5, sum = 0;

        for (int64_t i = at; i < at + n; i++)
            sum += pow(c * (double)raw[i] + decay * (double)w[i], 2);
        if (lars && !plain)
            ratio = 0.001 * norm(w + at, n) / sqrt(sum);
        for (int64_t i = at; i < at + n; i++)
            want[i] = (double)w[i] - 0.2 * ratio * (c * (double)raw[i] + decay * (double)w[i]);
    }
    ak_rig_close(optimizer, r.model.trained, want, r.size, 3e-7);
    free(g);
    free(raw);
    free(w);
    free(want);
    end(&r);
}

START_TEST(norms_and_clipping)
{
    for (int ranks = 1; ranks <= 4; ranks *= 2)
        for (int k = 0; k < 2; k++) {
            const char *optimizer = k ? "lars" : "sgd";

            is_by_formula(optimizer, "0", "tensor", ranks);
            is_by_formula(optimizer, "1.5", "tensor", ranks); // some tensors are shorter
            is_by_formula(optimizer, "1.5", "global", ranks);
            is_by_formula(optimizer, "1000", "global", ranks);
        }
}
END_TEST

START_TEST(clipped_gradients_have_the_length)
{
    for (int mode = 0; mode < 2; mode++) {
        run r = make("sgd");
        float *g = ak_rig_values(r.size, 9, 1), *raw = ak_rig_values(r.size, 9, 1);

        set(&r, "clip-grad", "2");
        set(&r, "clip-mode", mode ? "global" : "tensor");
        r.p[3]->held = 1; // neither counted nor scaled
        r.p[4]->fixed = mode == 0;
        step_on(&r, g, 0.1, 2, 64);
        ak_rig_same("held", g + r.p[3]->offset, raw + r.p[3]->offset, r.p[3]->numel);
        if (mode) {
            memset(g + r.p[3]->offset, 0, (size_t)r.p[3]->numel * sizeof *g);
            ck_assert_double_eq_tol(norm(g, r.size), 2, 1e-5);
        } else {
            ck_assert(norm(raw + r.p[1]->offset, 7) < 2); // short: untouched
            ak_rig_same("short", g + r.p[1]->offset, raw + r.p[1]->offset, 7);
            ck_assert_double_eq_tol(norm(g + r.p[2]->offset, r.p[2]->numel), 2, 1e-5);
        }
        free(g);
        free(raw);
        end(&r);
    }
}
END_TEST

// How far tensor k moved, in units of what sgd without decay would do with rate 1.
static double moved(const run *r, int k, const float *before, const float *g)
{
    int64_t i = r->p[k]->offset + r->p[k]->numel / 2;

    return ((double)before[i] - (double)r->model.trained[i]) / (double)g[i];
}

typedef struct measured {
    double rate[TENSORS];
} measured;

static measured rates(run *r, double lr)
{
    float *before = ak_alloc((size_t)r->size, sizeof *before), *g = ak_rig_values(r->size, 5, 1);
    measured m;

    for (int64_t i = 0; i < r->size; i++)
        g[i] = g[i] < 0 ? g[i] - 1 : g[i] + 1;
    memcpy(before, r->model.trained, (size_t)r->size * sizeof *before);
    step(r, g, lr);
    for (int k = 0; k < TENSORS; k++)
        m.rate[k] = moved(r, k, before, g);
    free(before);
    free(g);
    return m;
}

static void rates_are(run *r, double lr, const double want[TENSORS])
{
    measured m = rates(r, lr);

    for (int k = 0; k < TENSORS; k++)
        ck_assert_msg(fabs(m.rate[k] - want[k]) < 1e-6, "step %lld, %s: rate %g, not %g",
                      (long long)r->when.step - 1, tensors[k].name, m.rate[k], want[k]);
}

// What is trained beside the run has no part in its lengths, and neither clip, decay nor ratio.
START_TEST(aside_is_by_itself)
{
    for (int mode = 0; mode < 2; mode++) {
        run with = make("lars"), without = make("lars");
        int64_t at = with.p[3]->offset, n = with.p[3]->numel;
        float *g = ak_rig_values(with.size, 9, 1), *raw = ak_rig_values(with.size, 9, 1);
        float *w = ak_rig_values(with.size, 1, 1);

        for (int k = 0; k < 2; k++) {
            set(k ? &without : &with, "clip-grad", "2");
            set(k ? &without : &with, "clip-mode", mode ? "global" : "tensor");
        }
        with.p[3]->aside = without.p[3]->fixed = true;
        step_on(&with, g, 0.1, 2, 64);
        ak_rig_same("aside", g + at, raw + at, n);
        for (int64_t i = at; i < at + n; i++)
            ck_assert_float_eq_tol(with.model.trained[i], w[i] - 0.1f * raw[i], 1e-6f);
        memcpy(g, raw, (size_t)with.size * sizeof *g);
        step_on(&without, g, 0.1, 2, 64);
        ak_rig_same("before", with.model.trained, without.model.trained, at);
        ak_rig_same("behind", with.model.trained + at + n, without.model.trained + at + n,
                    with.size - at - n);
        free(g);
        free(raw);
        free(w);
        end(&with);
        end(&without);
    }
}
END_TEST

START_TEST(each_tensor_has_its_rate)
{
    run r = make("sgd");

    set(&r, "weight-decay", "0");
    set(&r, "lr", "0.2");
    set(&r, "bias-lr-factor", "0.5");
    set(&r, "batch", "512");
    set(&r, "lr-scaling", "linear");
    r.p[2]->constant_rate = r.p[4]->constant_rate = true;
    r.p[3]->fixed = true;
    r.p[5]->held = 2;
    rates_are(&r, 0.1, (const double[]){ 0.1, 0.05, 0.4, 0, 0.2, 0 });
    rates_are(&r, 0.3, (const double[]){ 0.3, 0.15, 0.4, 0, 0.2, 0 });
    rates_are(&r, 0.3, (const double[]){ 0.3, 0.15, 0.4, 0, 0.2, 0.3 });
    rates_are(&r, 0, (const double[]){ 0, 0, 0.4, 0, 0.2, 0 });
    end(&r);
}
END_TEST

// Adam counts a held tensor's updates from where they begin, with a state that was left alone.
START_TEST(adam_begins_when_it_is_no_longer_held)
{
    for (int k = 0; k < 2; k++) {
        run held = make(k ? "adamw" : "adam"), fresh = make(k ? "adamw" : "adam");
        int64_t at = held.p[3]->offset, n = held.p[3]->numel;
        float *start = ak_rig_values(held.size, 1, 1);

        held.p[3]->held = 3;
        steps(&held, 3, 2, 64);
        ak_rig_same("held", held.model.trained + at, start + at, n);
        for (int64_t i = at; i < at + n; i++)
            ck_assert(held.slots[0][i] == 0 && held.slots[1][i] == 0);
        for (int i = 3; i < 6; i++) {
            float *g = ak_rig_values(held.size, 20 + (uint32_t)i, 2);

            step(&held, g, 0.1);
            step(&fresh, g, 0.1);
            free(g);
            ak_rig_same("let go", held.model.trained + at, fresh.model.trained + at, n);
        }
        ck_assert(held.model.trained[0] != fresh.model.trained[0]);
        free(start);
        end(&held);
        end(&fresh);
    }
}
END_TEST

// With no gradient a step is the decay alone.
static double decay_of(run *r, int k)
{
    int64_t at = r->p[k]->offset;
    float *g = ak_alloc((size_t)r->size, sizeof *g);
    double before = (double)r->model.trained[at], after;

    step(r, g, 0.5);
    after = (double)r->model.trained[at];
    free(g);
    return (1 - after / before) / 0.5;
}

START_TEST(exclusion_is_the_optimisers_unless_given)
{
    static const struct {
        const char *optimizer, *given;
        bool excluded;
    } rows[] = {
        { "sgd", "", false },    { "sgd", "yes", true },   { "sgd", "no", false },
        { "adamw", "", false },  { "adamw", "yes", true }, { "lars", "", true },
        { "lars", "no", false },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int k = 0; k < TENSORS; k++) {
            run r = make(rows[i].optimizer);
            bool excluded = rows[i].excluded && tensors[k].dims == 1;
            // lars: |w| / |0 + 0.5 w| = 2 times 0.001
            double full_decay = strcmp(r.spec.optimizer, "lars") == 0 ? 0.001 : 0.5;

            set(&r, "exclude-1d", rows[i].given);
            ck_assert_double_eq_tol(decay_of(&r, k), excluded ? 0 : full_decay, 1e-5);
            end(&r);
        }
    for (int i = 0; ak_optim_at(i); i++)
        ck_assert(ak_optim_at(i)->exclude_1d == (strncmp(ak_optim_at(i)->name, "lars", 4) == 0));
}
END_TEST

START_TEST(decay_follows_half_a_cosine)
{
    run r = make("sgd");

    set(&r, "weight-decay", "0.04");
    set(&r, "weight-decay-end", "0.4");
    ck_assert_double_eq_tol(decay_of(&r, 3), 0.04, 1e-5);
    r.when.step = 25;
    ck_assert_double_eq_tol(decay_of(&r, 3), 0.22 - 0.18 * sqrt(0.5), 1e-5);
    r.when.step = 50;
    ck_assert_double_eq_tol(decay_of(&r, 3), 0.22, 1e-5);
    r.when.step = 100;
    ck_assert_double_eq_tol(decay_of(&r, 3), 0.4, 1e-5);
    r.when = (ak_when){ 50, 0, 0 }; // nobody knows how long
    ck_assert_double_eq_tol(decay_of(&r, 3), 0.04, 1e-5);
    r.when = (ak_when){ 50, 100, 10 };
    set(&r, "weight-decay-end", "0");
    ck_assert_double_eq_tol(decay_of(&r, 3), 0.02, 1e-5);
    set(&r, "weight-decay-end", "-1");
    ck_assert_double_eq_tol(decay_of(&r, 3), 0.04, 1e-5);
    end(&r);
}
END_TEST

START_TEST(a_gradient_that_is_not_finite_shows)
{
    run r = make("lars");
    float *g = ak_rig_values(r.size, 5, 1);

    set(&r, "clip-grad", "1");
    g[r.p[3]->offset + 5] = NAN;
    step(&r, g, 0.1);
    ck_assert(isnan(r.model.trained[r.p[3]->offset + 5]));
    ck_assert(isfinite(r.model.trained[0]));
    set(&r, "clip-mode", "global");
    step(&r, g, 0.1);
    ck_assert(isnan(r.model.trained[0]));
    free(g);
    end(&r);
}
END_TEST

START_TEST(the_rate_is_the_specs)
{
    run r = make("sgd");
    ak_rate rate;

    set(&r, "lr", "0.4");
    set(&r, "lr-start", "0.1");
    set(&r, "lr-end", "0.01");
    set(&r, "schedule", "cosine");
    set(&r, "batch", "1024");
    ak_rig_ok(ak_update_rate(&rate, &r.spec, 10, 100));
    ck_assert(rate.lr == 0.4 && rate.lr_start == 0.1 && rate.lr_end == 0.01);
    ck_assert(rate.warmup == 10 && rate.total == 100 && rate.milestone_count == 2);
    set(&r, "lr-scaling", "linear");
    ak_rig_ok(ak_update_rate(&rate, &r.spec, 10, 100));
    ck_assert_double_eq_tol(ak_schedule_lr(&rate, 0), 0.4, 1e-12);
    ck_assert_double_eq_tol(ak_schedule_lr(&rate, 10), 1.6, 1e-12);
    ck_assert_double_eq_tol(ak_schedule_lr(&rate, 55), 0.82, 1e-12);
    ck_assert_double_eq_tol(ak_schedule_lr(&rate, 100), 0.04, 1e-12);
    set(&r, "lr-scaling", "sqrt");
    ak_rig_ok(ak_update_rate(&rate, &r.spec, 10, 100));
    ck_assert_double_eq_tol(ak_schedule_lr(&rate, 10), 0.8, 1e-12);
    set(&r, "milestones", "2");
    ak_rig_refused(ak_update_rate(&rate, &r.spec, 10, 100), AKSSL_ERR_INVALID, "milestones '2'");
    set(&r, "schedule", "linear");
    ak_rig_refused(ak_update_rate(&rate, &r.spec, 10, 100), AKSSL_ERR_NOT_FOUND, "'linear'");
    end(&r);
}
END_TEST

AK_TEST_MAIN(AK_CASE(ranks_do_not_matter), AK_CASE(a_resumed_run_goes_on),
             AK_CASE(norms_and_clipping), AK_CASE(clipped_gradients_have_the_length),
             AK_CASE(aside_is_by_itself), AK_CASE(each_tensor_has_its_rate),
             AK_CASE(adam_begins_when_it_is_no_longer_held),
             AK_CASE(exclusion_is_the_optimisers_unless_given),
             AK_CASE(decay_follows_half_a_cosine), AK_CASE(a_gradient_that_is_not_finite_shows),
             AK_CASE(the_rate_is_the_specs))
