// worker/train/trainer.c -- one training step on given views.

#include "worker/train/trainer.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"
#include "worker/augment/recipe.h"
#include "worker/tensor/gemm.h"
#include "worker/tensor/kernel.h"
#include "worker/train/agree.h"
#include "worker/train/machine.h"

akssl_status ak_method_bind(void **self, const ak_method *method, const ak_spec_pairs *pairs)
{
    void *made = ak_alloc(1, method->self_size);
    akssl_status rc = AKSSL_OK;

    ak_option_defaults(method->options, made);
    for (int i = 0; i < pairs->count && rc == AKSSL_OK; i++)
        rc = ak_option_set(method->options, made, pairs->keys[i], pairs->values[i]);
    if (rc < 0) {
        ak_option_fini(method->options, made);
        free(made);
        return ak_wrap(rc, "method %s", method->name);
    }
    *self = made;
    return AKSSL_OK;
}

bool ak_norm_per_shard(const ak_spec *spec, const ak_method *method)
{
    return strcmp(spec->batch_norm[0] ? spec->batch_norm : method->batch_norm, "shard") == 0;
}

static akssl_status allocate(ak_trainer *t, const ak_spec *spec)
{
    akssl_status rc = ak_exchange_follow(t->exchange, t->graph);

    if (rc < 0)
        return rc;
    t->slices = ak_exchange_slices(t->exchange);
    t->sums = ak_exchange_sums(t->exchange);
    for (int i = 0; i < AK_OPTIM_SLOTS && t->optim->slots[i]; i++) {
        t->slots[i] = ak_try_alloc((size_t)ak_slices_own(t->slices), sizeof(float));
        if (!t->slots[i])
            return AKSSL_ERR_NO_MEMORY;
    }
    ak_update_init(&t->update, spec, t->optim, &t->model, t->slices, AK_UPDATE_BLOCK);
    return AKSSL_OK;
}

static akssl_status record(ak_trainer *t, const ak_spec *spec)
{
    ak_graph_mode mode = { .training = true,
                           .shard_norm = t->setup.shard_norm,
                           .differentiate = true,
                           .recompute = strcmp(spec->recompute, "yes") == 0 };
    akssl_status rc = ak_graph_new(&t->graph, &t->world, mode);
    ak_tensor *total;

    if (rc < 0)
        return rc;
    for (int v = 0; v < t->view_count; v++) {
        int64_t size = ak_trainer_size(t, v);

        t->views[v] = ak_graph_input(t->graph, 4, (int64_t[]){ t->per_shard, size, size, 3 });
    }
    t->loss = total = t->method->loss(t->self, t->graph, t->views);
    if (t->online)
        total = ak_online_record(t->online, t->graph, ak_trainer_encoder(t)->features, t->loss);
    return ak_graph_compile(t->graph, total, t->loss);
}

static int global_views(const ak_method *method)
{
    return method->views ? method->views : 2;
}

static akssl_status count_views(ak_trainer *t, const ak_spec *spec)
{
    int locals = t->method->locals ? t->method->locals(t->self) : 0;
    ak_recipe *recipe;
    akssl_status rc;

    t->view_count = global_views(t->method) + locals;
    t->setup.local_size = spec->image_size;
    if (!locals)
        return AKSSL_OK;
    rc = ak_recipe_new(&recipe, &spec->augment, spec->image_size);
    if (rc < 0)
        return ak_wrap(rc, "augment");
    t->setup.local_size = ak_recipe_size(recipe, 2);
    ak_recipe_free(recipe);
    return AKSSL_OK;
}

static void find_states(ak_trainer *t)
{
    t->state_count = t->method->states ? t->method->states(t->self, t->states) : 0;
    for (int i = 0; i < t->state_count; i++)
        if (t->states[i]->param)
            t->states[i]->rows = t->states[i]->param->value;
}

static akssl_status build(ak_trainer *t, const ak_spec *spec, ak_comm *comm, int64_t classes)
{
    akssl_status rc = ak_machine_world(&t->world, spec, comm);
    bool probed = !t->method && classes > 0;

    if (rc == AKSSL_OK && !t->method)
        rc = ak_method_find(&t->method, spec->method);
    if (rc == AKSSL_OK)
        rc = ak_backbone_find(&t->backbone, spec->backbone);
    if (rc == AKSSL_OK)
        rc = ak_optim_find(&t->optim, spec->optimizer);
    if (rc == AKSSL_OK)
        rc = ak_method_bind(&t->self, t->method, &spec->option);
    if (rc < 0)
        return rc;
    ak_gemm_threads(t->world.threads);
    t->image_size = spec->image_size;
    t->batch = spec->batch;
    t->per_shard = spec->batch / spec->shards;
    t->setup = (ak_setup){ .model = &t->model,
                           .backbone = t->backbone,
                           .backbone_text = spec->backbone,
                           .world = &t->world,
                           .shard_norm = ak_norm_per_shard(spec, t->method),
                           .batch = spec->batch,
                           .image_size = spec->image_size,
                           .classes = classes,
                           .seed = (uint64_t)spec->seed };
    t->setup.labels = t->labels = ak_alloc((size_t)spec->batch, sizeof *t->labels);
    rc = count_views(t, spec);
    if (rc == AKSSL_OK && t->method->check)
        rc = t->method->check(t->self, &t->setup);
    if (rc == AKSSL_OK)
        rc = t->method->build(t->self, &t->setup);
    if (rc == AKSSL_OK && probed) {
        t->online = ak_alloc(1, sizeof *t->online);
        ak_online_build(t->online, &t->model, t->backbone->width, classes);
    }
    rc = ak_agree(comm,
                  rc == AKSSL_OK ? ak_model_allocate(&t->model) : rc); // then all is collective
    if (rc == AKSSL_OK) {
        t->exchange = ak_exchange_new(&t->world, &t->model);
        rc = ak_agree(comm, record(t, spec));
    }
    if (rc == AKSSL_OK)
        rc = allocate(t, spec);
    if (rc < 0)
        return rc;
    find_states(t);
    return AKSSL_OK;
}

void ak_trainer_seed(ak_trainer *t)
{
    ak_model_seed(&t->model, t->setup.seed);
    ak_trainer_seed_states(t);
}

void ak_trainer_seed_states(ak_trainer *t)
{
    if (t->method->seed)
        t->method->seed(t->self);
}

akssl_status ak_trainer_new(ak_trainer **out, const ak_spec *spec, ak_comm *comm)
{
    return ak_trainer_new_for(out, spec, comm, NULL, 0);
}

akssl_status ak_trainer_new_for(ak_trainer **out, const ak_spec *spec, ak_comm *comm,
                                const ak_method *method, int64_t classes)
{
    ak_trainer *t = ak_alloc(1, sizeof *t);
    akssl_status rc;

    ak_model_init(&t->model);
    t->method = method;
    rc = build(t, spec, comm, classes);
    if (rc < 0) {
        ak_trainer_free(t);
        return rc;
    }
    *out = t;
    return AKSSL_OK;
}

void ak_trainer_free(ak_trainer *t)
{
    if (!t)
        return;
    ak_graph_free(t->graph);
    if (t->self) {
        t->method->fini(t->self);
        ak_option_fini(t->method->options, t->self);
        free(t->self);
    }
    ak_model_fini(&t->model);
    for (int i = 0; i < AK_OPTIM_SLOTS; i++)
        free(t->slots[i]);
    ak_update_fini(&t->update);
    free(t->labels);
    if (t->online)
        ak_online_fini(t->online);
    free(t->online);
    ak_exchange_free(t->exchange);
    ak_str_fini(&t->watch);
    free(t);
}

void ak_trainer_begin(ak_trainer *t)
{
    ak_when when = { t->step, t->total, t->epoch_steps };

    if (t->method->before_step)
        t->method->before_step(t->self, &when);
}

int64_t ak_trainer_size(const ak_trainer *t, int view)
{
    return view < global_views(t->method) ? t->image_size : t->setup.local_size;
}

float *ak_trainer_view(ak_trainer *t, int view, int s, int64_t i)
{
    int64_t size = ak_trainer_size(t, view);

    return ak_value(t->graph, t->views[view], s) + i * size * size * 3;
}

int64_t ak_trainer_sample(const ak_trainer *t, int view, int s, int64_t i)
{
    int64_t position = (t->world.first + s) * t->per_shard + i;
    const uint32_t *order = t->method->order ? t->method->order(t->self, view) : NULL;

    return order ? order[position] : position;
}

// The features of the online probe are of whole views, one above the other in a shard.
static void label_probe(ak_trainer *t)
{
    int64_t rows = t->online->logits->shape[0];

    for (int s = 0; s < t->world.shards; s++)
        for (int64_t r = 0; r < rows; r++) {
            int view = (int)(r / t->per_shard);
            int64_t sample = ak_trainer_sample(t, view, s - t->world.first, r % t->per_shard);

            ak_online_label(t->online, s, r, t->labels[sample]);
        }
}

akssl_status ak_trainer_compute(ak_trainer *t, double *loss)
{
    if (t->online)
        label_probe(t);
    ak_graph_set_step(t->graph, t->setup.seed, t->step);
    ak_graph_forward(t->graph);
    *loss = ak_graph_sum(t->graph, t->loss);
    if (t->online)
        ak_online_count(t->online, t->graph);
    if (!isfinite(*loss))
        return ak_fail(AKSSL_ERR_STATE,
                       "the loss of step %" PRId64 " is not finite: lower the learning rate",
                       t->step);
    ak_exchange_begin(t->exchange);
    ak_graph_backward(t->graph);
    return AKSSL_OK;
}

void ak_trainer_reduce(ak_trainer *t)
{
    ak_exchange_finish(t->exchange);
}

void ak_trainer_update(ak_trainer *t, double lr)
{
    ak_when when = { t->step, t->total, t->epoch_steps };
    int64_t start;

    ak_trainer_reduce(t);
    start = ak_clock_ns();
    if (t->update.measures) {
        ak_update_measure(&t->update, t->sums, t->world.threads);
        ak_comm_all_gather(t->world.comm, t->update.mine, t->update.all, t->update.bytes);
    }
    ak_update_apply(&t->update, &when, lr, t->sums, t->slots, t->world.threads);
    t->update_seconds += (double)(ak_clock_ns() - start) * 1e-9;
    ak_exchange_hand_out(t->exchange);
    t->step++;
    if (t->method->after_step)
        t->method->after_step(t->self, t->loss);
}

void ak_trainer_health(const ak_trainer *t, ak_health *h)
{
    *h = (ak_health){ .teacher_entropy = (double)NAN,
                      .prototype_usage = (double)NAN,
                      .stuck_loss = (double)NAN };
    if (t->method->health)
        t->method->health(t->self, t->loss, h);
}

int ak_trainer_gauges(const ak_trainer *t, ak_gauge out[AK_METHOD_GAUGES])
{
    return t->method->gauges ? t->method->gauges(t->self, t->loss, out) : 0;
}

ak_encoder *ak_trainer_encoder(const ak_trainer *t)
{
    return t->method->encoder(t->self);
}
