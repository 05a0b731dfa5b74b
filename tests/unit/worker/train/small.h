// tests/unit/worker/train/small.h -- a small run for the tests of worker/train and of methods.

#ifndef AK_TESTS_WORKER_SMALL_H
#define AK_TESTS_WORKER_SMALL_H

#include "tests/unit/worker/rig.h"
#include "worker/train/check.h"
#include "worker/train/commit.h"
#include "worker/train/trainer.h"

static inline void ak_small_set(ak_spec *spec, const char *name, const char *value)
{
    ck_assert_msg(ak_spec_set(spec, name, value) == AKSSL_OK, "%s %s: %s", name, value,
                  ak_error_text());
}

// Lowers an option of a method, where there is one, to `most`.
static inline void ak_small_option(ak_spec *spec, const ak_method *row, const char *name, int most)
{
    const ak_option *o = ak_option_find(row->options, name);
    char text[64];

    snprintf(text, sizeof text, "%s=%d", name, most);
    if (o && o->initial > most)
        ak_small_set(spec, "option", text);
}

// A method on 16 images of 16x16, with its defaults but for large heads and queues.
static inline ak_spec ak_small_spec(const char *method)
{
    static const char *const pairs[][2] = {
        { "backbone", "resnet20" }, { "image-size", "16" }, { "batch", "16" }, { "shards", "4" },
        { "optimizer", "adam" },    { "lr", "0.001" },      { "seed", "5" },
    };
    const ak_method *row;
    ak_spec spec;

    ak_spec_init(&spec);
    ak_small_set(&spec, "method", method);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        ak_small_set(&spec, pairs[i][0], pairs[i][1]);
    ak_rig_ok(ak_method_find(&row, method));
    ak_small_option(&spec, row, "K", 64); // a queue that turns within a test
    ak_small_option(&spec, row, "hidden_dim", 512);
    ak_small_option(&spec, row, "projection_dim", 256);
    ak_small_option(&spec, row, "num_prototypes", 300);
    return spec;
}

static inline ak_trainer *ak_small_trainer(const ak_spec *spec, ak_comm *comm)
{
    ak_trainer *t = NULL;

    ck_assert_msg(ak_trainer_new(&t, spec, comm) == AKSSL_OK, "%s", ak_error_text());
    ak_trainer_seed(t);
    return t;
}

// Fills the views of the step that begins: sample i is a fixed image, each view of it noise on it.
static inline void ak_small_views(ak_trainer *t, uint32_t step)
{
    for (int v = 0; v < t->view_count; v++)
        for (int s = 0; s < t->world.local; s++)
            for (int64_t i = 0; i < t->per_shard; i++) {
                uint32_t sample = (uint32_t)ak_trainer_sample(t, v, s, i);
                ak_rng base = ak_rng_at(1, AK_RNG_BENCH, sample, 0, 0);
                ak_rng noise = ak_rng_at(2, AK_RNG_BENCH, sample, step, (uint32_t)v);
                int64_t n = ak_trainer_size(t, v) * ak_trainer_size(t, v) * 3;
                float *out = ak_trainer_view(t, v, s, i);

                for (int64_t k = 0; k < n; k++)
                    out[k] =
                        (float)(ak_rng_between(&base, -1, 1) + ak_rng_between(&noise, -0.3, 0.3));
            }
}

// One step on them; returns the loss.
static inline double ak_small_step(ak_trainer *t, double lr)
{
    double loss;

    ak_trainer_begin(t);
    ak_small_views(t, (uint32_t)t->step);
    ck_assert_msg(ak_trainer_compute(t, &loss) == AKSSL_OK, "%s", ak_error_text());
    ak_trainer_update(t, lr);
    return loss;
}

static inline void ak_small_same(const ak_trainer *a, const ak_trainer *b)
{
    ak_rig_same("parameter", a->model.trained, b->model.trained, a->model.trained_size);
    ak_rig_same("target", a->model.targets, b->model.targets, a->model.target_size);
    ak_rig_same("buffer", a->model.buffers, b->model.buffers, a->model.buffer_size);
    for (int k = 0; k < AK_OPTIM_SLOTS && a->slots[k]; k++)
        ak_rig_same("slot", a->slots[k], b->slots[k], ak_slices_own(a->slices));
    for (int i = 0; i < a->model.count; i++)
        ck_assert_int_eq(a->model.params[i]->count, b->model.params[i]->count);
    ck_assert_int_eq(a->state_count, b->state_count);
    for (int i = 0; i < a->state_count; i++) {
        const ak_state *x = a->states[i], *y = b->states[i];

        ak_rig_same(x->name, x->rows, y->rows, x->length * x->width);
        ck_assert(x->position == y->position && x->filled == y->filled && x->version == y->version);
    }
}

// What the coordinator does for a run that resumes.
static inline void ak_small_hand_over(const ak_trainer *from, ak_trainer *to)
{
    for (int i = 0; i < from->state_count; i++) {
        const ak_state *x = from->states[i];
        ak_state *y = to->states[i];

        memcpy(y->rows, x->rows, (size_t)(x->length * x->width) * sizeof(float));
        y->version = x->version;
        y->filled = x->filled;
        y->position = x->position;
    }
}

// ak_small_commit writes and flushes a commit, as the loop and its saver do.
static inline akssl_status ak_small_commit(ak_trainer *t, const ak_results *results,
                                           const char *folder,
                                           ak_commit_file files[AK_COMMIT_FILES])
{
    ak_commit_memory memory = { 0 };
    ak_commit_draft draft;
    akssl_status rc = ak_commit_draw(t, results, folder, &memory, &draft);

    if (rc == AKSSL_OK)
        rc = ak_commit_flush(&draft, files);
    ak_commit_drop(&draft);
    ak_commit_memory_fini(&memory);
    return rc;
}

#endif
