// worker/train/classify.c -- the job kinds linear and finetune.

#include "worker/train/classify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "proto/base/option.h"
#include "worker/eval/judge.h"
#include "worker/method/classifier.h"
#include "worker/tensor/gemm.h"
#include "worker/train/agree.h"
#include "worker/train/choice.h"
#include "worker/train/data.h"
#include "worker/train/evaluate.h"
#include "worker/train/features.h"
#include "worker/train/frozen.h"
#include "worker/train/loader.h"
#include "worker/train/loop.h"
#include "worker/train/pictures.h"

typedef struct classify {
    ak_loop loop;
    const ak_spec *spec;
    bool linear;
    ak_loader *loader;
    ak_recipe *recipe;
    ak_dataset *test;
    int64_t classes, width;
    const uint32_t *images; // [count], chosen; the loader's
    int64_t count;
    // linear's
    ak_frozen frozen;
    float *cache;     // [count][width]; NULL: views differ from epoch to epoch
    uint32_t *row;    // of the cache, by image
    ak_graph *graph;  // of the backbone, over a step's views
    ak_tensor *x, *h; // its input and features
} classify;

bool ak_classify_is(const char *kind)
{
    return strcmp(kind, "linear") == 0 || strcmp(kind, "finetune") == 0;
}

const ak_method *ak_classify_method(const char *kind)
{
    return strcmp(kind, "linear") == 0 ? &ak_method_linear : &ak_method_finetune;
}

static int64_t *labels_of(const ak_dataset *set, const uint32_t *images, int64_t count)
{
    int64_t *labels = ak_try_alloc((size_t)count, sizeof *labels);

    for (int64_t i = 0; labels && i < count; i++)
        labels[i] = ak_dataset_label(set, images ? images[i] : i);
    return labels;
}

akssl_status ak_classify_choose(const ak_spec *spec, const ak_dataset *set, int64_t classes,
                                uint32_t **images, int64_t *count)
{
    int64_t n = ak_dataset_size(set), *labels = labels_of(set, NULL, n);
    akssl_status rc = AKSSL_ERR_NO_MEMORY;

    if (labels)
        rc = ak_choice_stratified(labels, n, classes, spec->fine_tuning_data_proportion,
                                  (uint64_t)spec->seed, images, count);
    free(labels);
    return rc < 0 ? ak_wrap(rc, "dataset '%s'", spec->dataset) : rc;
}

// ---- linear: features of a step

// Recipe none, and nothing asked of it that is left to chance.
static bool views_are_plain(const ak_spec_pairs *augment)
{
    static const char *const keys[] = { "recipe", "normalize", "interpolation", "crop_pct" };
    const char *recipe = ak_spec_pair_find(augment, "recipe");

    for (int i = 0; i < augment->count; i++) {
        bool plain = false;

        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
            plain = plain || ak_option_same_name(keys[k], augment->keys[i]);
        if (!plain)
            return false;
    }
    return recipe && strcmp(recipe, "none") == 0;
}

static akssl_status compute_cache(classify *c)
{
    const ak_dataset *set = ak_loader_set(c->loader);

    c->row = ak_try_alloc((size_t)ak_dataset_size(set), sizeof *c->row);
    if (!c->row)
        return AKSSL_ERR_NO_MEMORY;
    for (int64_t i = 0; i < c->count; i++)
        c->row[c->images[i]] = (uint32_t)i;
    return ak_features(&c->frozen.world, &c->frozen.encoder, c->recipe, c->spec->image_size, set,
                       c->images, c->count, true, &c->cache);
}

static akssl_status record_backbone(classify *c)
{
    int64_t size = c->spec->image_size;
    akssl_status rc =
        ak_graph_new(&c->graph, &c->frozen.world, (ak_graph_mode){ .training = false });

    if (rc < 0)
        return rc;
    c->x = ak_graph_input(c->graph, 4, (int64_t[]){ c->loop.trainer->per_shard, size, size, 3 });
    c->h = ak_encode(c->graph, &c->frozen.encoder, c->x);
    return ak_graph_compile(c->graph, NULL, c->h);
}

static float *layer_input(ak_trainer *t, int s)
{
    return ak_value(t->graph, ak_classifier_features(t->self), s);
}

static void fill_from_cache(classify *c, ak_trainer *t)
{
    const uint32_t *images = ak_loader_turn(c->loader, t, t->step);
    size_t bytes = (size_t)c->width * sizeof(float);

    for (int s = 0; s < t->world.local; s++)
        for (int64_t i = 0; i < t->per_shard; i++)
            memcpy(layer_input(t, s) + i * c->width,
                   c->cache + c->row[images[ak_trainer_sample(t, 0, s, i)]] * c->width, bytes);
}

static akssl_status fill_from_backbone(classify *c, ak_trainer *t)
{
    akssl_status rc = ak_loop_agree_data(&c->loop, ak_loader_fill(c->loader, t, t->step));

    if (rc < 0) // before the forward, which ranks do together
        return rc;
    for (int s = 0; s < t->world.local; s++)
        memcpy(ak_value(c->graph, c->x, s), ak_trainer_view(t, 0, s, 0),
               (size_t)c->x->numel * sizeof(float));
    ak_graph_forward(c->graph);
    for (int s = 0; s < t->world.local; s++)
        memcpy(layer_input(t, s), ak_value(c->graph, c->h, s), (size_t)c->h->numel * sizeof(float));
    return AKSSL_OK;
}

static akssl_status fill(void *ctx, ak_trainer *t)
{
    classify *c = ctx;

    if (!c->linear)
        return ak_loader_fill(c->loader, t, t->step);
    if (!c->cache)
        return fill_from_backbone(c, t);
    fill_from_cache(c, t);
    return AKSSL_OK;
}

// ---- the run

static akssl_status open_data(classify *c)
{
    uint32_t *images;
    akssl_status rc = ak_loader_open(&c->loader, c->spec, (int)c->spec->threads_per_shard);

    if (rc == AKSSL_OK)
        rc = ak_data_open(&c->test, c->spec, AK_SPLIT_TEST);
    if (rc == AKSSL_OK)
        rc = ak_recipe_new(&c->recipe, &c->spec->augment, c->spec->image_size);
    if (rc < 0)
        return rc;
    c->classes = ak_evaluate_classes(ak_loader_set(c->loader), c->test);
    rc = ak_classify_choose(c->spec, ak_loader_set(c->loader), c->classes, &images, &c->count);
    if (rc < 0)
        return rc;
    c->images = images;
    return ak_loader_choose(c->loader, images, c->count);
}

static akssl_status open_networks(classify *c)
{
    const ak_session *s = c->loop.session;
    akssl_status rc = AKSSL_OK;

    if (c->linear) // what follows is collective
        rc = ak_agree(s->comm, ak_frozen_open(&c->frozen, c->spec, s->comm));
    if (rc == AKSSL_OK)
        rc = ak_trainer_new_for(&c->loop.trainer, c->spec, s->comm,
                                ak_classify_method(c->spec->kind), c->classes);
    if (rc == AKSSL_OK && !s->resume_step)
        ak_trainer_seed(c->loop.trainer);
    if (rc == AKSSL_OK && !c->linear && !s->resume_step)
        rc = ak_weights_read(&c->loop.trainer->model, ak_trainer_encoder(c->loop.trainer),
                             c->spec->weights);
    if (rc == AKSSL_OK)
        c->width = c->loop.trainer->backbone->width;
    return rc;
}

static akssl_status prepare(classify *c)
{
    bool plain = views_are_plain(&c->spec->augment);
    akssl_status rc = ak_loop_agree_data(&c->loop, open_data(c));

    if (rc == AKSSL_OK)
        rc = open_networks(c);
    if (rc == AKSSL_OK && c->linear && !plain)
        rc = record_backbone(c);
    rc = ak_loop_agree_data(&c->loop, rc); // what follows is done by all ranks together
    if (rc == AKSSL_OK && c->linear && plain)
        rc = compute_cache(c);
    if (rc == AKSSL_OK) {
        c->loop.epoch_steps = ak_loader_steps(c->loader);
        rc = ak_pictures_views(c->loop.session, ak_loader_set(c->loader), c->loop.trainer,
                               c->loop.outcome);
    }
    c->loop.fill = fill;
    c->loop.ctx = c;
    return ak_loop_prepare(&c->loop, rc);
}

// Rank 0 judges the classifier by features of some images, and tells the others; what names them.
static akssl_status judge_features(const classify *c, const char *what, const float *features,
                                   int64_t *labels, int64_t count, int64_t k, ak_verdict *out)
{
    ak_trainer *t = c->loop.trainer;
    const ak_param *w, *bias;
    akssl_status rc = AKSSL_OK;

    ak_classifier_layer(t->self, &w, &bias);
    ak_gemm_threads(1);
    if (ak_comm_rank(t->world.comm) == 0)
        rc = labels ? ak_eval_judge(what, features, labels, count, c->width, w->value, bias->value,
                                    c->classes, k, out)
                    : AKSSL_ERR_NO_MEMORY;
    ak_gemm_threads(t->world.threads);
    rc = ak_loop_agree(&c->loop, rc);
    if (rc == AKSSL_OK)
        ak_comm_broadcast(t->world.comm, out, sizeof *out);
    return rc;
}

// Judges the classifier on some images of set.
static akssl_status judge(classify *c, const char *what, const ak_dataset *set,
                          const uint32_t *images, int64_t count, int64_t k, ak_verdict *out)
{
    ak_trainer *t = c->loop.trainer;
    ak_encoder *encoder = c->linear ? &c->frozen.encoder : ak_trainer_encoder(t);
    bool cached = c->cache && images == c->images;
    float *features = c->cache;
    int64_t *labels = NULL;
    akssl_status rc = AKSSL_OK;

    if (!cached)
        rc = ak_features(&t->world, encoder, c->recipe, c->spec->image_size, set, images, count,
                         false, &features);
    rc = ak_loop_agree_data(&c->loop, rc);
    if (rc == AKSSL_OK) {
        labels = labels_of(set, images, count);
        rc = judge_features(c, what, features, labels, count, k, out);
    }
    free(labels);
    if (!cached)
        free(features);
    return rc;
}

static akssl_status evaluate(classify *c)
{
    int64_t k = c->spec->topk < c->classes ? c->spec->topk : c->classes;
    ak_results *results = &c->loop.outcome->results;
    ak_verdict test = { 0 }, train = { 0 };
    char prefix[AK_RESULT_NAME];
    akssl_status rc = judge(c, "test", c->test, NULL, ak_dataset_size(c->test), k, &test);

    if (rc == AKSSL_OK)
        rc = judge(c, "training", ak_loader_set(c->loader), c->images, c->count, k, &train);
    if (rc < 0)
        return ak_wrap(rc, "%s", c->spec->kind);
    ak_evaluate_put(results, "", c->spec->kind, k, test.top1, test.topk);
    snprintf(prefix, sizeof prefix, "%s.", c->spec->kind);
    ak_results_put(results, prefix, "train_top1", train.top1);
    ak_results_put(results, prefix, "train_loss", train.loss);
    ak_loop_tell(&c->loop);
    return AKSSL_OK;
}

static akssl_status export_networks(classify *c)
{
    const ak_session *s = c->loop.session;
    ak_trainer *t = c->loop.trainer;
    ak_export layer = { .model = &t->model,
                        .encoder = c->linear ? &c->frozen.encoder : ak_trainer_encoder(t),
                        .only = "classifier.",
                        .file = "classifier.safetensors",
                        .method = t->method->name,
                        .step = t->step };
    ak_export backbone = layer;
    ak_str *path = &c->loop.outcome->weights;
    akssl_status rc = ak_export_write(&layer, c->spec, s->comm, s->folder, path);

    backbone.model = c->linear ? &c->frozen.model : &t->model;
    backbone.only = "backbone.";
    backbone.file = "backbone.safetensors";
    if (rc == AKSSL_OK)
        rc = ak_export_write(&backbone, c->spec, s->comm, s->folder, path);
    return ak_outcome_wrote(c->loop.outcome, rc);
}

static akssl_status run(classify *c)
{
    akssl_status rc = prepare(c);

    if (rc == AKSSL_OK)
        rc = ak_loop_train(&c->loop);
    if (rc < 0 || c->loop.outcome->stopped)
        return rc;
    ak_loop_count_bad(&c->loop, ak_loader_set(c->loader));
    rc = export_networks(c); // first: whatever happens to an evaluation, that is there
    if (rc == AKSSL_OK)
        rc = evaluate(c);
    return rc == AKSSL_OK && c->linear ? ak_loop_agree(&c->loop, ak_frozen_check(&c->frozen)) : rc;
}

akssl_status ak_classify_run(const ak_session *session, ak_outcome *outcome)
{
    classify c = { .loop = { .session = session, .outcome = outcome },
                   .spec = session->spec,
                   .linear = strcmp(session->spec->kind, "linear") == 0 };
    akssl_status rc = run(&c);

    ak_graph_free(c.graph);
    ak_loop_fini(&c.loop);
    ak_trainer_free(c.loop.trainer);
    ak_loader_close(c.loader);
    ak_recipe_free(c.recipe);
    ak_dataset_close(c.test);
    ak_frozen_close(&c.frozen);
    free(c.cache);
    free(c.row);
    return rc;
}
