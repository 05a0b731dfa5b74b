// worker/train/evaluate.c -- accuracy of a backbone's features on the data set's held-out part.

#include "worker/train/evaluate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "worker/augment/recipe.h"
#include "worker/eval/knn.h"
#include "worker/eval/logistic.h"
#include "worker/eval/probe.h"
#include "worker/tensor/gemm.h"
#include "worker/train/agree.h"
#include "worker/train/choice.h"
#include "worker/train/data.h"
#include "worker/train/features.h"
#include "worker/train/frozen.h"

enum { PROBE_TOP = 5 };

typedef struct part {
    ak_dataset *set;
    float *features;
    uint32_t *images; // with a label
    int64_t *labels, size;
} part;

// Of a part with and without labels only the images with one are looked at; of the training part
// those come first whose labels the probe may use.
static akssl_status choose_labelled(part *p, const ak_spec *spec, ak_split split)
{
    int64_t all = ak_dataset_size(p->set);

    p->labels = ak_try_alloc((size_t)all, sizeof *p->labels);
    p->images = ak_try_alloc((size_t)all, sizeof *p->images);
    if (!p->labels || !p->images)
        return AKSSL_ERR_NO_MEMORY;
    for (int64_t i = 0; i < all; i++) {
        int64_t label = ak_dataset_label(p->set, i);

        if (label < 0)
            continue;
        p->labels[p->size] = label;
        p->images[p->size++] = (uint32_t)i;
    }
    if (!p->size)
        return ak_fail(AKSSL_ERR_INVALID, "the data set has no labels to evaluate by");
    return split == AK_SPLIT_TRAIN
               ? ak_choice_lead(p->labels, p->images, p->size, spec->probe_labels)
               : AKSSL_OK;
}

static akssl_status open_part(part *p, const ak_world *world, ak_encoder *encoder,
                              const ak_recipe *recipe, const ak_spec *spec, ak_split split)
{
    akssl_status rc = ak_data_open(&p->set, spec, split);

    if (rc == AKSSL_OK)
        rc = choose_labelled(p, spec, split);
    rc = ak_agree(world->comm, rc);
    if (rc < 0)
        return rc;
    return ak_features(world, encoder, recipe, spec->image_size, p->set, p->images, p->size, false,
                       &p->features);
}

static void close_part(part *p)
{
    ak_dataset_close(p->set);
    free(p->features);
    free(p->images);
    free(p->labels);
}

void ak_evaluate_put(ak_results *results, const char *prefix, const char *what, int64_t k,
                     double top1, double topk)
{
    char name[AK_RESULT_NAME];

    snprintf(name, sizeof name, "%s.top1", what);
    ak_results_put(results, prefix, name, top1);
    snprintf(name, sizeof name, "%s.top%d", what, (int)k);
    ak_results_put(results, prefix, name, topk);
}

typedef struct evaluation {
    part train, test;
    int64_t width, classes, top;
    const ak_spec *spec;
} evaluation;

static akssl_status measure_knn(const evaluation *e, double *top1, double *topk)
{
    const part *a = &e->train, *b = &e->test;

    return ak_eval_knn(a->features, a->labels, a->size, b->features, b->labels, b->size, e->width,
                       e->classes, e->spec->knn_k, e->spec->knn_temperature, e->top, top1, topk);
}

static akssl_status measure_probe(const evaluation *e, double *top1, double *topk)
{
    const part *a = &e->train, *b = &e->test;

    return ak_eval_probe(a->features, a->labels, a->size, e->spec->probe_labels, b->features,
                         b->labels, b->size, e->width, e->classes, top1, topk);
}

static akssl_status measure_linear(const evaluation *e, double *top1, double *topk)
{
    const part *a = &e->train, *b = &e->test;

    return ak_eval_logistic(a->features, a->labels, a->size, b->features, b->labels, b->size,
                            e->width, e->classes, e->top, top1, topk);
}

static akssl_status measure(const evaluation *e, const char *what, const char *prefix,
                            ak_results *results)
{
    static const struct {
        const char *name;
        akssl_status (*measure)(const evaluation *e, double *top1, double *topk);
        int top; // 0: as the spec says
    } rows[] = {
        { "knn", measure_knn, 0 },
        { "probe", measure_probe, PROBE_TOP },
        { "linear", measure_linear, 0 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double top1, topk;
        akssl_status rc;

        if (!strstr(what, rows[i].name))
            continue;
        rc = rows[i].measure(e, &top1, &topk);
        if (rc < 0)
            return rc;
        ak_evaluate_put(results, prefix, rows[i].name, rows[i].top ? rows[i].top : e->top, top1,
                        topk);
    }
    return AKSSL_OK;
}

int64_t ak_evaluate_classes(const ak_dataset *train, const ak_dataset *test)
{
    int64_t a = ak_dataset_classes(train), b = ak_dataset_classes(test);

    return a > b ? a : b;
}

akssl_status ak_evaluate(const ak_world *world, ak_encoder *encoder, const ak_spec *spec,
                         const char *what, const char *prefix, ak_results *results)
{
    evaluation e = { .width = encoder->backbone->width, .spec = spec };
    ak_recipe *recipe = NULL;
    akssl_status rc = ak_recipe_new(&recipe, &spec->augment, spec->image_size);

    if (rc == AKSSL_OK)
        rc = open_part(&e.train, world, encoder, recipe, spec, AK_SPLIT_TRAIN);
    if (rc == AKSSL_OK)
        rc = open_part(&e.test, world, encoder, recipe, spec, AK_SPLIT_TEST);
    if (rc == AKSSL_OK && ak_comm_rank(world->comm) == 0) {
        e.classes = ak_evaluate_classes(e.train.set, e.test.set);
        e.top = spec->topk < e.classes ? spec->topk : e.classes;
        ak_gemm_threads(1);
        rc = measure(&e, what, prefix, results);
        ak_gemm_threads(world->threads);
    }
    rc = ak_agree(world->comm, rc);
    close_part(&e.train);
    close_part(&e.test);
    ak_recipe_free(recipe);
    if (rc < 0)
        return ak_wrap(rc, "evaluation");
    ak_comm_broadcast(world->comm, results, sizeof *results);
    return AKSSL_OK;
}

akssl_status ak_evaluate_weights(const ak_spec *spec, ak_comm *comm, ak_results *results)
{
    ak_frozen frozen = { 0 };
    akssl_status rc = ak_agree(comm, ak_frozen_open(&frozen, spec, comm));

    if (rc == AKSSL_OK)
        rc = ak_evaluate(&frozen.world, &frozen.encoder, spec, spec->kind, "", results);
    ak_frozen_close(&frozen);
    return rc;
}

akssl_status ak_evaluate_features(const ak_spec *spec, ak_comm *comm, const ak_dataset *set,
                                  float **features, int64_t *width)
{
    ak_frozen frozen = { 0 };
    ak_recipe *recipe = NULL;
    akssl_status rc = ak_frozen_open(&frozen, spec, comm);

    if (rc == AKSSL_OK)
        rc = ak_recipe_new(&recipe, &spec->augment, spec->image_size);
    if (rc == AKSSL_OK)
        rc = ak_features(&frozen.world, &frozen.encoder, recipe, spec->image_size, set, NULL, 0,
                         true, features);
    if (rc == AKSSL_OK)
        *width = frozen.encoder.backbone->width;
    ak_recipe_free(recipe);
    ak_frozen_close(&frozen);
    return rc;
}
