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

// Slices of whole cache lines, as equal as can be.
static void cut_slices(int64_t *cut, int64_t size, int ranks)
{
    int64_t lines = (size + 15) / 16;

    for (int r = 0; r <= ranks; r++) {
        int64_t at = lines * r / ranks * 16;

        cut[r] = at < size ? at : size;
    }
}

static akssl_status allocate(ak_trainer *t)
{
    int rank = ak_comm_rank(t->world.comm), ranks = ak_comm_size(t->world.comm);
    size_t own;

    t->cut = ak_alloc((size_t)ranks + 1, sizeof *t->cut);
    cut_slices(t->cut, t->model.trained_size, ranks);
    own = (size_t)(t->cut[rank + 1] - t->cut[rank]);
    t->lanes = ak_graph_lanes(t->graph);
    t->gradient = ak_try_alloc((size_t)t->model.trained_size * (size_t)t->lanes, sizeof(float));
    t->parts = ak_try_alloc(own * (size_t)(ranks * t->lanes), sizeof(float));
    if (!t->gradient || !t->parts)
        return AKSSL_ERR_NO_MEMORY;
    ak_graph_set_gradient(t->graph, t->gradient, t->model.trained_size);
    for (int i = 0; i < AK_OPTIM_SLOTS && t->optim->slots[i]; i++) {
        t->slots[i] = ak_try_alloc(own, sizeof(float));
        if (!t->slots[i])
            return AKSSL_ERR_NO_MEMORY;
    }
    return AKSSL_OK;
}

static akssl_status record(ak_trainer *t)
{
    ak_graph_mode mode = { .training = true,
                           .shard_norm = t->setup.shard_norm,
                           .differentiate = true };
    akssl_status rc = ak_graph_new(&t->graph, &t->world, mode);

    if (rc < 0)
        return rc;
    for (int v = 0; v < t->view_count; v++) {
        int64_t size = ak_trainer_size(t, v);

        t->views[v] = ak_graph_input(t->graph, 4, (int64_t[]){ t->per_shard, size, size, 3 });
    }
    t->loss = t->method->loss(t->self, t->graph, t->views);
    return ak_graph_compile(t->graph, t->loss, NULL);
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
    akssl_status rc = ak_world_init(&t->world, comm, spec->shards, spec->threads_per_shard);

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
    t->momentum = spec->momentum;
    t->weight_decay = spec->weight_decay;
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
    if (rc == AKSSL_OK)
        rc = ak_model_allocate(&t->model);
    if (rc == AKSSL_OK)
        rc = record(t);
    if (rc == AKSSL_OK)
        rc = allocate(t);
    if (rc < 0)
        return rc;
    find_states(t);
    ak_model_seed(&t->model, (uint64_t)spec->seed);
    if (t->method->seed)
        t->method->seed(t->self);
    return AKSSL_OK;
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
    free(t->cut);
    free(t->labels);
    free(t->gradient);
    free(t->parts);
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

akssl_status ak_trainer_compute(ak_trainer *t, double *loss)
{
    ak_graph_set_step(t->graph, t->setup.seed, t->step);
    ak_graph_forward(t->graph);
    *loss = ak_graph_loss(t->graph);
    if (!isfinite(*loss))
        return ak_fail(AKSSL_ERR_STATE,
                       "the loss of step %" PRId64 " is not finite: lower the learning rate",
                       t->step);
    ak_graph_backward(t->graph);
    return AKSSL_OK;
}

void ak_trainer_reduce(ak_trainer *t)
{
    int rank = ak_comm_rank(t->world.comm), ranks = ak_comm_size(t->world.comm);
    int64_t start = ak_clock_ns(), own = t->cut[rank + 1] - t->cut[rank];

    for (int lane = 0; lane < t->lanes; lane++) {
        float *parts = t->parts + lane * ranks * own;

        ak_comm_exchange_slices(t->world.comm, t->gradient + lane * t->model.trained_size, parts,
                                t->cut);
        ak_tree_sum_ranks(parts, ranks, own, t->world.threads);
        if (lane)
            ak_kernel_add(t->parts, t->parts, parts, own, t->world.threads);
    }
    t->exchange_seconds += (double)(ak_clock_ns() - start) * 1e-9;
}

void ak_trainer_update(ak_trainer *t, double lr)
{
    int rank = ak_comm_rank(t->world.comm);
    int64_t start;
    ak_optim_step step = {
        .w = t->model.trained + t->cut[rank],
        .g = t->parts,
        .slot = { t->slots[0], t->slots[1] },
        .n = t->cut[rank + 1] - t->cut[rank],
        .t = t->step,
        .lr = lr,
        .momentum = t->momentum,
        .weight_decay = t->weight_decay,
        .threads = t->world.threads,
    };

    ak_trainer_reduce(t);
    start = ak_clock_ns();
    t->optim->step(&step);
    t->update_seconds += (double)(ak_clock_ns() - start) * 1e-9;
    start = ak_clock_ns();
    ak_comm_all_gather_slices(t->world.comm, t->model.trained, t->cut);
    t->exchange_seconds += (double)(ak_clock_ns() - start) * 1e-9;
    t->step++;
    if (t->method->after_step)
        t->method->after_step(t->self, t->loss);
}

int ak_trainer_gauges(const ak_trainer *t, ak_gauge out[AK_METHOD_GAUGES])
{
    return t->method->gauges ? t->method->gauges(t->self, t->loss, out) : 0;
}

ak_encoder *ak_trainer_encoder(const ak_trainer *t)
{
    return t->method->encoder(t->self);
}
