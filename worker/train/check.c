// worker/train/check.c -- is a spec one that can run?

#include "worker/train/check.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "proto/format/safetensors.h"
#include "worker/augment/recipe.h"
#include "worker/data/dataset.h"
#include "worker/train/classify.h"
#include "worker/train/data.h"
#include "worker/train/evaluate.h"
#include "worker/train/pixels.h"
#include "worker/train/trainer.h"

static akssl_status check_numbers(const ak_spec *s)
{
    if (s->shards & (s->shards - 1))
        return ak_fail(AKSSL_ERR_INVALID,
                       "shards %" PRId64 " is not a power of two: give 1, 2, 4, 8, ...", s->shards);
    if (s->batch % s->shards)
        return ak_fail(AKSSL_ERR_INVALID,
                       "batch %" PRId64 " is not divisible by shards %" PRId64
                       ": change one of them",
                       s->batch, s->shards);
    if (strcmp(s->precision, "fp32") != 0 && strcmp(s->precision, "bf16") != 0)
        return ak_fail(AKSSL_ERR_INVALID,
                       "precision '%.64s': no such precision; there are fp32 and bf16",
                       s->precision);
    if (strcmp(s->precision, "bf16") == 0 && s->instructions[0] &&
        strcmp(s->instructions, "avx512") != 0)
        return ak_fail(
            AKSSL_ERR_INVALID,
            "precision bf16 needs AVX512_BF16, which instructions %s leave out: give one "
            "of them alone",
            s->instructions);
    return ak_spec_check_ranks(s, s->ranks);
}

// What would be given in vain, or contradicts itself.
static akssl_status check_rate(const ak_spec *s)
{
    bool cosine = strcmp(s->schedule, "cosine") == 0;
    ak_rate rate;
    akssl_status rc = ak_rate_milestones(&rate, s->milestones);

    if (rc < 0)
        return rc;
    if (s->epochs && s->warmup_epochs > (double)s->epochs)
        return ak_fail(AKSSL_ERR_INVALID,
                       "warmup-epochs %g are longer than the run of %" PRId64
                       " epochs: lower one or raise the other",
                       s->warmup_epochs, s->epochs);
    if (s->lr_start > 0 && s->warmup_epochs <= 0)
        return ak_fail(AKSSL_ERR_INVALID,
                       "lr-start %g begins a warm-up and there is none: give --warmup-epochs",
                       s->lr_start);
    if (s->lr_start > s->lr)
        return ak_fail(AKSSL_ERR_INVALID,
                       "lr-start %g is over lr %g, and a warm-up rises: lower it", s->lr_start,
                       s->lr);
    if (s->lr_end > 0 && !cosine)
        return ak_fail(AKSSL_ERR_INVALID,
                       "lr-end %g ends a cosine and schedule is %s: give --schedule cosine",
                       s->lr_end, s->schedule);
    if (s->lr_end > s->lr)
        return ak_fail(AKSSL_ERR_INVALID, "lr-end %g is over lr %g, and a cosine falls: lower it",
                       s->lr_end, s->lr);
    return AKSSL_OK;
}

// exclude_1d becomes what the optimiser does by itself.
static akssl_status settle_decay(ak_spec *s, const ak_optim *optim)
{
    if (s->weight_decay_end < 0 && s->weight_decay_end != -1)
        return ak_fail(AKSSL_ERR_INVALID,
                       "weight-decay-end %g is below 0: give 0 or more, or -1 for a constant decay",
                       s->weight_decay_end);
    if (s->weight_decay_end >= 0 && !s->epochs)
        return ak_fail(AKSSL_ERR_INVALID,
                       "weight-decay-end %g is reached over a run, and epochs is 0: give --epochs",
                       s->weight_decay_end);
    if (!s->exclude_1d[0])
        return ak_spec_set(s, "exclude_1d", optim->exclude_1d ? "yes" : "no");
    return AKSSL_OK;
}

static akssl_status check_state_from(const ak_spec *s)
{
    const ak_method *method;
    akssl_status rc;

    if (!s->state_from)
        return AKSSL_OK;
    if (strcmp(s->kind, "pretrain") != 0)
        return ak_fail(AKSSL_ERR_INVALID,
                       "state-from is for kind pretrain: kind %s has no state at the coordinator",
                       s->kind);
    rc = ak_method_find(&method, s->method);
    if (rc == AKSSL_OK && !method->states)
        rc = ak_fail(AKSSL_ERR_INVALID,
                     "state-from: method %s has no state at the coordinator to start from: leave "
                     "it out",
                     method->name);
    return rc;
}

// Evaluations build no trainer at submit, so that the backbone's options are judged here.
static akssl_status check_backbone(const ak_spec *s)
{
    const ak_backbone *backbone;
    void *self;
    akssl_status rc = ak_backbone_find(&backbone, s->backbone);

    if (rc == AKSSL_OK)
        rc = ak_backbone_bind(&self, backbone, s->backbone);
    if (rc < 0)
        return rc;
    if (s->image_size < backbone->least_size)
        rc = ak_fail(AKSSL_ERR_INVALID, "image-size %" PRId64 ": %s takes %" PRId64 " or more",
                     s->image_size, backbone->name, backbone->least_size);
    else if (backbone->check)
        rc = backbone->check(self, s->image_size);
    ak_backbone_unbind(self, backbone);
    return rc;
}

static akssl_status check_names(ak_spec *s)
{
    const ak_schedule *schedule;
    const ak_method *method;
    const ak_optim *optim;
    ak_recipe *recipe;
    akssl_status rc;
    void *self;

    rc = ak_method_find(&method, s->method);
    if (rc == AKSSL_OK && ak_classify_is(s->kind))
        method = ak_classify_method(s->kind);
    if (rc == AKSSL_OK)
        rc = check_backbone(s);
    if (rc == AKSSL_OK)
        rc = ak_optim_find(&optim, s->optimizer);
    if (rc == AKSSL_OK)
        rc = ak_schedule_find(&schedule, s->schedule);
    if (rc == AKSSL_OK)
        rc = ak_method_bind(&self, method, &s->option);
    if (rc < 0)
        return rc;
    ak_option_fini(method->options, self);
    free(self);
    rc = ak_recipe_settle(&s->augment);
    if (rc == AKSSL_OK)
        rc = ak_recipe_new(&recipe, &s->augment, s->image_size);
    if (rc < 0)
        return rc;
    ak_recipe_free(recipe);
    rc = check_rate(s);
    if (rc == AKSSL_OK)
        rc = settle_decay(s, optim);
    if (rc < 0)
        return rc;
    if (ak_norm_per_shard(s, method) && s->batch / s->shards < 2)
        return ak_fail(AKSSL_ERR_INVALID,
                       "batch %" PRId64 " leaves %" PRId64
                       " shards one image each, and batch-norm shard needs two: lower --shards",
                       s->batch, s->shards);
    if (!s->batch_norm[0])
        return ak_spec_set(s, "batch_norm", method->batch_norm);
    return AKSSL_OK;
}

// A list of evaluations, each at most once.
static akssl_status check_eval(const ak_spec *s)
{
    static const char *const known[] = { "knn", "probe", "linear" };
    bool seen[3] = { false };

    for (const char *at = s->eval; *at;) {
        size_t length = strcspn(at, ","), i = 0;

        while (i < 3 && (strlen(known[i]) != length || strncmp(at, known[i], length) != 0))
            i++;
        if (i == 3 || seen[i] || (at[length] == ',' && !at[length + 1]))
            return ak_fail(AKSSL_ERR_INVALID,
                           "eval '%.64s': give knn, probe and linear, or some of them, by commas",
                           s->eval);
        seen[i] = true;
        at += length + (at[length] == ',');
    }
    return AKSSL_OK;
}

// Linear layers and fine-tuning see crops and mirrored images, unless a recipe is given.
static akssl_status settle_classifier(ak_spec *s)
{
    if (!ak_classify_is(s->kind))
        return AKSSL_OK;
    if (s->fine_tuning_data_proportion <= 0)
        return ak_fail(
            AKSSL_ERR_INVALID,
            "fine-tuning-data-proportion 0 leaves no image to train on: give more, up to "
            "1");
    return ak_spec_pair_find(&s->augment, "recipe")
               ? AKSSL_OK
               : ak_spec_pair(&s->augment, "recipe", "crop_flip");
}

// image_size is settled, and what else a job takes from its weights.
static akssl_status settle_pixels(ak_spec *s)
{
    bool pretrain = strcmp(s->kind, "pretrain") == 0;
    akssl_status rc = AKSSL_OK;

    if (!pretrain && s->weights[0])
        rc = ak_pixels_settle(s);
    else if (!s->image_size)
        s->image_size = 32;
    if (rc == AKSSL_OK && s->image_size < 8)
        return ak_fail(AKSSL_ERR_INVALID, "image-size %" PRId64 ": give 8 to 1024", s->image_size);
    return rc;
}

akssl_status ak_check_spec(ak_spec *s)
{
    bool pretrain = strcmp(s->kind, "pretrain") == 0;
    akssl_status rc = check_numbers(s);

    if (rc == AKSSL_OK)
        rc = settle_pixels(s);
    if (rc == AKSSL_OK)
        rc = settle_classifier(s);
    if (rc == AKSSL_OK)
        rc = check_names(s);
    if (rc == AKSSL_OK)
        rc = check_eval(s);
    if (rc == AKSSL_OK)
        rc = check_state_from(s);
    if (rc < 0)
        return rc;
    if (!pretrain && !s->weights[0])
        return ak_fail(AKSSL_ERR_INVALID,
                       "kind %s needs weights: give --weights FILE or --from-job ID", s->kind);
    if (pretrain && (s->weights[0] || s->from_job))
        return ak_fail(AKSSL_ERR_INVALID,
                       "weights and from-job are for kinds linear, finetune, knn, probe and embed: "
                       "leave them out, or give --init-backbone FILE");
    return AKSSL_OK;
}

static int64_t labelled(const ak_dataset *set)
{
    int64_t count = 0;

    for (int64_t i = 0; i < ak_dataset_size(set); i++)
        count += ak_dataset_label(set, i) >= 0;
    return count;
}

static akssl_status check_labels(const ak_spec *s, const ak_dataset *train, const ak_dataset *test)
{
    int64_t count = labelled(train), classes = ak_evaluate_classes(train, test);
    int64_t held_out = ak_dataset_size(test), lacking = held_out - labelled(test);
    bool pretrain = strcmp(s->kind, "pretrain") == 0;
    const char *what = pretrain ? "evaluation" : s->kind;
    const char *remedy = !pretrain    ? "use another"
                         : s->eval[0] ? "leave --eval out"
                                      : "leave --probe out";

    if (count == 0 || lacking == held_out)
        return ak_fail(AKSSL_ERR_INVALID, "dataset '%s' has no labels: %s needs them, %s",
                       s->dataset, what, remedy);
    if (lacking)
        return ak_fail(AKSSL_ERR_INVALID,
                       "dataset '%s': %" PRId64 " of %" PRId64
                       " held-out images have no label: %s needs all of them, %s",
                       s->dataset, lacking, held_out, what, remedy);
    if (count < classes)
        return ak_fail(AKSSL_ERR_INVALID,
                       "dataset '%s' has %" PRId64 " labelled images, fewer than its %" PRId64
                       " classes: raise --limit-images",
                       s->dataset, count, classes);
    return AKSSL_OK;
}

// *train becomes the number of images that are chosen.
static akssl_status check_choice(const ak_spec *s, const ak_dataset *set, int64_t classes,
                                 int64_t *train)
{
    uint32_t *images;
    akssl_status rc = ak_classify_choose(s, set, classes, &images, train);

    if (rc < 0)
        return rc;
    free(images);
    if (*train < s->batch)
        return ak_fail(AKSSL_ERR_INVALID,
                       "%g of dataset '%s' are %" PRId64 " images, fewer than a batch of %" PRId64
                       ": lower --batch or raise --fine-tuning-data-proportion",
                       s->fine_tuning_data_proportion, s->dataset, *train, s->batch);
    return AKSSL_OK;
}

static akssl_status check_evaluation_data(const ak_spec *s, const ak_dataset *set, int64_t *train)
{
    ak_dataset *test;
    akssl_status rc = ak_data_look(&test, s, AK_SPLIT_TEST);

    if (rc < 0)
        return ak_wrap(rc, "evaluation");
    rc = check_labels(s, set, test);
    if (rc == AKSSL_OK && ak_classify_is(s->kind))
        rc = check_choice(s, set, ak_evaluate_classes(set, test), train);
    ak_dataset_close(test);
    return rc;
}

// check_weights: the run names what is missing in them; that they are weights is known before.
static akssl_status check_weights(const ak_spec *s)
{
    ak_safetensors *file;
    akssl_status rc = ak_safetensors_open(&file, s->weights);

    if (rc < 0)
        return ak_wrap(rc, "weights");
    ak_safetensors_close(file);
    return AKSSL_OK;
}

akssl_status ak_check_data(ak_spec *s, ak_train_set *train)
{
    bool pretrain = strcmp(s->kind, "pretrain") == 0;
    ak_dataset *set;
    akssl_status rc;

    if (!s->dataset[0])
        return ak_fail(
            AKSSL_ERR_INVALID,
            "no dataset: give --dataset fashion-mnist, --dataset folder:FOLDER or another");
    rc = pretrain ? AKSSL_OK : check_weights(s);
    if (rc == AKSSL_OK)
        rc = ak_data_look(&set, s, AK_SPLIT_TRAIN);
    if (rc < 0)
        return rc;
    *train = (ak_train_set){ ak_dataset_size(set), ak_dataset_decodes(set) };
    if (pretrain && train->images < s->batch)
        rc = ak_fail(AKSSL_ERR_INVALID,
                     "dataset '%s' has %" PRId64 " images, fewer than a batch of %" PRId64
                     ": lower --batch",
                     s->dataset, train->images, s->batch);
    if (rc == AKSSL_OK && (!pretrain || s->eval[0] || s->probe))
        rc = check_evaluation_data(s, set, &train->images);
    if (rc == AKSSL_OK)
        rc = ak_data_settle(s, set);
    ak_dataset_close(set);
    return rc;
}
