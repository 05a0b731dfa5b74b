// worker/train/evaluate.c -- accuracy of a backbone's features on the data set's held-out part.

#include "worker/train/evaluate.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "worker/augment/recipe.h"
#include "worker/eval/knn.h"
#include "worker/eval/probe.h"
#include "worker/tensor/gemm.h"
#include "worker/train/features.h"

enum { NEIGHBOURS = 20 };

static const double neighbour_temperature = 0.07;

typedef struct part {
    ak_dataset *set;
    float *features;
    int64_t *labels, size;
} part;

static akssl_status open_part(part *p, const ak_world *world, ak_encoder *encoder,
                              const ak_recipe *recipe, const ak_spec *spec, ak_split split)
{
    akssl_status rc = ak_dataset_open(&p->set, spec->dataset, split,
                                      split == AK_SPLIT_TRAIN ? spec->limit_images : 0);

    if (rc < 0)
        return rc;
    p->size = ak_dataset_size(p->set);
    p->labels = ak_try_alloc((size_t)p->size, sizeof *p->labels);
    if (!p->labels)
        return AKSSL_ERR_NO_MEMORY;
    for (int64_t i = 0; i < p->size; i++)
        p->labels[i] = ak_dataset_label(p->set, i);
    return ak_features(world, encoder, recipe, spec->image_size, p->set, &p->features);
}

static void close_part(part *p)
{
    ak_dataset_close(p->set);
    free(p->features);
    free(p->labels);
}

static akssl_status measure(const part *train, const part *test, int64_t width, const ak_spec *spec,
                            const char *what, const char *prefix, ak_results *results)
{
    int64_t classes = ak_dataset_classes(train->set), more = ak_dataset_classes(test->set);
    akssl_status rc = AKSSL_OK;
    double top1, top5;

    classes = more > classes ? more : classes;
    if (strstr(what, "knn")) {
        rc = ak_eval_knn(train->features, train->labels, train->size, test->features, test->labels,
                         test->size, width, classes, NEIGHBOURS, neighbour_temperature, &top1,
                         &top5);
        if (rc < 0)
            return rc;
        ak_results_put(results, prefix, "knn.top1", top1);
        ak_results_put(results, prefix, "knn.top5", top5);
    }
    if (strstr(what, "probe")) {
        rc = ak_eval_probe(train->features, train->labels, train->size, spec->probe_labels,
                           test->features, test->labels, test->size, width, classes, &top1, &top5);
        if (rc < 0)
            return rc;
        ak_results_put(results, prefix, "probe.top1", top1);
        ak_results_put(results, prefix, "probe.top5", top5);
    }
    return rc;
}

akssl_status ak_evaluate(const ak_world *world, ak_encoder *encoder, const ak_spec *spec,
                         const char *what, const char *prefix, ak_results *results)
{
    part train = { 0 }, test = { 0 };
    ak_recipe *recipe = NULL;
    akssl_status rc = ak_recipe_new(&recipe, &spec->augment, spec->image_size);

    if (rc == AKSSL_OK)
        rc = open_part(&train, world, encoder, recipe, spec, AK_SPLIT_TRAIN);
    if (rc == AKSSL_OK)
        rc = open_part(&test, world, encoder, recipe, spec, AK_SPLIT_TEST);
    if (rc == AKSSL_OK && ak_comm_rank(world->comm) == 0) {
        ak_gemm_threads(1);
        rc = measure(&train, &test, encoder->backbone->width, spec, what, prefix, results);
        ak_gemm_threads(world->threads);
    }
    close_part(&train);
    close_part(&test);
    ak_recipe_free(recipe);
    if (rc < 0)
        return ak_wrap(rc, "evaluation");
    ak_comm_broadcast(world->comm, results, sizeof *results);
    return AKSSL_OK;
}

// The file is an exported backbone, or a whole model that has one.
static akssl_status read_backbone(ak_model *model, const char *path)
{
    ak_safetensors *file;
    akssl_status rc = ak_safetensors_open(&file, path);

    if (rc < 0)
        return ak_wrap(rc, "weights");
    rc = ak_model_read(model, file, true,
                       ak_safetensors_find(file, model->params[0]->name) ? "" : "backbone.");
    ak_safetensors_close(file);
    return rc < 0 ? ak_wrap(rc, "weights '%s'", path) : rc;
}

// A backbone by itself, with the weights of a file.
typedef struct loaded {
    ak_encoder encoder;
    ak_world world;
    ak_model model;
} loaded;

static akssl_status load(loaded *l, const ak_spec *spec, ak_comm *comm)
{
    ak_setup setup = { .model = &l->model,
                       .world = &l->world,
                       .backbone_text = spec->backbone,
                       .image_size = spec->image_size };
    akssl_status rc = ak_backbone_find(&setup.backbone, spec->backbone);

    ak_model_init(&l->model);
    if (rc == AKSSL_OK)
        rc = ak_world_init(&l->world, comm, spec->shards, spec->threads_per_shard);
    if (rc < 0)
        return rc;
    rc = ak_encoder_build(&l->encoder, &setup);
    if (rc == AKSSL_OK)
        rc = ak_model_allocate(&l->model);
    return rc == AKSSL_OK ? read_backbone(&l->model, spec->weights) : rc;
}

static void unload(loaded *l)
{
    ak_encoder_fini(&l->encoder);
    ak_model_fini(&l->model);
}

akssl_status ak_evaluate_weights(const ak_spec *spec, ak_comm *comm, ak_results *results)
{
    loaded l = { 0 };
    akssl_status rc = load(&l, spec, comm);

    if (rc == AKSSL_OK)
        rc = ak_evaluate(&l.world, &l.encoder, spec, spec->kind, "", results);
    unload(&l);
    return rc;
}

akssl_status ak_evaluate_features(const ak_spec *spec, ak_comm *comm, const ak_dataset *set,
                                  float **features, int64_t *width)
{
    loaded l = { 0 };
    ak_recipe *recipe = NULL;
    akssl_status rc = load(&l, spec, comm);

    if (rc == AKSSL_OK)
        rc = ak_recipe_new(&recipe, &spec->augment, spec->image_size);
    if (rc == AKSSL_OK)
        rc = ak_features(&l.world, &l.encoder, recipe, spec->image_size, set, features);
    if (rc == AKSSL_OK)
        *width = l.encoder.backbone->width;
    ak_recipe_free(recipe);
    unload(&l);
    return rc;
}
