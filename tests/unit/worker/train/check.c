// tests/unit/worker/train/check.c -- tests which specs can run: the sentence names the field.

#include "tests/unit/worker/train/labelled.h"
#include "worker/train/estimate.h"

typedef struct row {
    const char *set[4]; // name, value, name, value
    akssl_status code;
    const char *says[2]; // parts of the sentence
} row;

// Values that the spec's own table lets through.
static const row bad[] = {
    { { "shards", "3" }, AKSSL_ERR_INVALID, { "shards 3", "power of two" } },
    { { "batch_norm", "shard", "shards", "16" },
      AKSSL_ERR_INVALID,
      { "one image each", "--shards" } },
    { { "shards", "4095" }, AKSSL_ERR_INVALID, { "shards 4095", "power of two" } },
    { { "shards", "8", "batch", "12" }, AKSSL_ERR_INVALID, { "batch 12", "shards 8" } },
    { { "shards", "16", "batch", "8" }, AKSSL_ERR_INVALID, { "batch 8", "shards 16" } },
    { { "ranks", "3" }, AKSSL_ERR_INVALID, { "ranks 3", "shards 4" } },
    { { "ranks", "8" }, AKSSL_ERR_INVALID, { "ranks 8", "shards 4" } },
    { { "precision", "fp16" }, AKSSL_ERR_INVALID, { "precision 'fp16'", "fp32" } },
    { { "precision", "bf16", "instructions", "avx2" },
      AKSSL_ERR_INVALID,
      { "AVX512_BF16", "instructions avx2" } },
    { { "method", "simclrr" }, AKSSL_ERR_NOT_FOUND, { "method 'simclrr'", "simclr" } },
    { { "backbone", "resnet19" }, AKSSL_ERR_NOT_FOUND, { "backbone 'resnet19'", "resnet18" } },
    { { "optimizer", "adamm" }, AKSSL_ERR_NOT_FOUND, { "optimizer 'adamm'", "sgd" } },
    { { "schedule", "linear" }, AKSSL_ERR_NOT_FOUND, { "schedule 'linear'", "cosine" } },
    { { "milestones", "0.8,0.6" }, AKSSL_ERR_INVALID, { "milestones '0.8,0.6'", "rising" } },
    { { "milestones", "" }, AKSSL_ERR_INVALID, { "milestones ''", "0.6,0.8" } },
    { { "warmup-epochs", "101" }, AKSSL_ERR_INVALID, { "warmup-epochs 101", "100 epochs" } },
    { { "lr-start", "1e-4" }, AKSSL_ERR_INVALID, { "lr-start 0.0001", "--warmup-epochs" } },
    { { "lr-start", "0.5", "warmup-epochs", "1" },
      AKSSL_ERR_INVALID,
      { "lr-start 0.5", "lr 0.001" } },
    { { "lr-end", "1e-6" }, AKSSL_ERR_INVALID, { "lr-end 1e-06", "--schedule cosine" } },
    { { "lr-end", "0.1", "schedule", "cosine" }, AKSSL_ERR_INVALID, { "lr-end 0.1", "lr 0.001" } },
    { { "weight-decay-end", "-0.5" }, AKSSL_ERR_INVALID, { "weight-decay-end -0.5", "-1" } },
    { { "weight-decay-end", "0.4", "epochs", "0" },
      AKSSL_ERR_INVALID,
      { "weight-decay-end 0.4", "--epochs" } },
    { { "option", "temprature=1" }, AKSSL_ERR_NOT_FOUND, { "temprature", "temperature" } },
    { { "option", "temperature=0" }, AKSSL_ERR_INVALID, { "temperature", "simclr" } },
    { { "option", "temperature=hot" }, AKSSL_ERR_INVALID, { "temperature", "hot" } },
    { { "option", "projection_dim=0" }, AKSSL_ERR_INVALID, { "projection_dim", "1" } },
    { { "option", "K=64" }, AKSSL_ERR_NOT_FOUND, { "K", "simclr" } }, // another method's
    { { "augment", "min_scal=0.2" }, AKSSL_ERR_NOT_FOUND, { "augment", "min_scal" } },
    { { "augment", "min_scale=2" }, AKSSL_ERR_INVALID, { "augment", "min_scale" } },
    { { "augment", "recipe=nothing" }, AKSSL_ERR_NOT_FOUND, { "augment", "nothing" } },
    { { "eval", "knn,knn" }, AKSSL_ERR_INVALID, { "eval 'knn,knn'", "probe" } },
    { { "eval", "lin" }, AKSSL_ERR_INVALID, { "eval 'lin'", "linear" } },
    { { "eval", "knn,linear,knn" }, AKSSL_ERR_INVALID, { "eval 'knn,linear,knn'", "probe" } },
    { { "eval", "knn," }, AKSSL_ERR_INVALID, { "eval 'knn,'", "commas" } },
    { { "eval", ",knn" }, AKSSL_ERR_INVALID, { "eval ',knn'", "commas" } },
    { { "eval", "knn,,probe" }, AKSSL_ERR_INVALID, { "eval 'knn,,probe'", "commas" } },
    { { "state-from", "7" }, AKSSL_ERR_INVALID, { "method simclr has no state", "leave it out" } },
    { { "state-from", "7", "kind", "linear" }, AKSSL_ERR_INVALID, { "state-from", "kind linear" } },
    { { "kind", "knn" }, AKSSL_ERR_INVALID, { "kind knn", "--weights" } },
    { { "kind", "probe" }, AKSSL_ERR_INVALID, { "kind probe", "--from-job" } },
    { { "kind", "linear" }, AKSSL_ERR_INVALID, { "kind linear", "--from-job" } },
    { { "kind", "embed" }, AKSSL_ERR_INVALID, { "kind embed", "--weights" } },
    { { "kind", "finetune", "fine-tuning-data-proportion", "0" },
      AKSSL_ERR_INVALID,
      { "fine-tuning-data-proportion 0", "up to 1" } },
    { { "kind", "linear", "option", "temperature=0.5" },
      AKSSL_ERR_NOT_FOUND,
      { "method linear", "temperature" } },
    { { "kind", "knn", "backbone", "vit_tiny:patch_size=3" },
      AKSSL_ERR_INVALID,
      { "image-size 16", "patch_size 3" } },
    { { "kind", "embed", "backbone", "vit_tiny:depth=0" }, AKSSL_ERR_INVALID, { "depth", "vit" } },
    { { "kind", "linear", "backbone", "resnet18:patch_size=4" },
      AKSSL_ERR_NOT_FOUND,
      { "patch_size", "resnet18" } },
    { { "weights", "w.safetensors" }, AKSSL_ERR_INVALID, { "weights", "knn, probe and embed" } },
    { { "from-job", "3" }, AKSSL_ERR_INVALID, { "from-job", "--init-backbone" } },
};

START_TEST(bad_specs)
{
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ak_spec spec = ak_small_spec("simclr");

        for (int k = 0; k < 4 && bad[i].set[k]; k += 2)
            ak_small_set(&spec, bad[i].set[k], bad[i].set[k + 1]);
        for (int k = 0; k < 2; k++)
            ak_rig_refused(ak_check_spec(&spec), bad[i].code, bad[i].says[k]);
        ak_spec_fini(&spec);
    }
}
END_TEST

START_TEST(good_specs)
{
    static const char *const good[][4] = {
        { "method", "moco-v2" }, // '-' and '_' are one
        { "method", "moco_v2", "option", "K=64,m=0.9" },
        { "backbone", "resnet18-cifar-stem", "image-size", "8" },
        { "shards", "16", "batch", "16" },
        { "ranks", "4" },
        { "ranks", "1", "shards", "1" },
        { "eval", "knn,probe" },
        { "eval", "probe" },
        { "eval", "linear,knn,probe" },
        { "image-size", "0" },
        { "schedule", "cosine", "warmup-epochs", "0.5" },
        { "optimizer", "sgd", "lr", "0" },
        { "schedule", "step", "milestones", "0.5" },
        { "warmup-epochs", "10", "epochs", "0" },
        { "warmup-epochs", "100", "lr-start", "1e-3" },
        { "schedule", "cosine", "lr-end", "1e-3" },
        { "weight-decay-end", "0" },
        { "optimizer", "lars-bolts", "clip-grad", "3" },
        { "augment", "min_scale=0.2" },
        { "option", "projection_num_layers=3,hidden_dim=64" },
    };

    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        ak_spec spec = ak_small_spec("simclr");

        for (int k = 0; k < 4 && good[i][k]; k += 2)
            ak_small_set(&spec, good[i][k], good[i][k + 1]);
        ck_assert_msg(ak_check_spec(&spec) == AKSSL_OK, "%s %s: %s", good[i][0], good[i][1],
                      ak_error_text());
        ak_spec_fini(&spec);
    }
}
END_TEST

START_TEST(batch_norm_is_the_methods_unless_given)
{
    static const char *const want[][3] = {
        { "simclr", "", "sync" },
        { "simclr", "shard", "shard" },
        { "moco_v2", "", "shard" },
        { "moco_v2", "sync", "sync" },
    };

    for (int i = 0; i < 4; i++) {
        ak_spec spec = ak_small_spec(want[i][0]);

        ak_small_set(&spec, "batch-norm", want[i][1]);
        ak_rig_ok(ak_check_spec(&spec));
        ck_assert_str_eq(spec.batch_norm, want[i][2]);
        ak_spec_fini(&spec);
    }
}
END_TEST

START_TEST(exclusion_is_the_optimisers_unless_given)
{
    static const char *const want[][3] = {
        { "adam", "", "no" },  { "adam", "yes", "yes" },    { "sgd", "", "no" },
        { "lars", "", "yes" }, { "lars_bolts", "", "yes" }, { "lars", "no", "no" },
        { "larc", "", "no" },
    };

    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        ak_spec spec = ak_small_spec("simclr");

        ak_small_set(&spec, "optimizer", want[i][0]);
        ak_small_set(&spec, "exclude-1d", want[i][1]);
        ak_rig_ok(ak_check_spec(&spec));
        ck_assert_str_eq(spec.exclude_1d, want[i][2]);
        ak_spec_fini(&spec);
    }
}
END_TEST

// The estimate builds one shard: no method may take its share of the batch for the batch.
START_TEST(one_image_a_shard_is_a_batch)
{
    for (int i = 0; ak_method_at(i); i++) {
        ak_spec spec = ak_small_spec(ak_method_at(i)->name);
        ak_str text = AK_STR_INIT;

        ak_small_set(&spec, "shards", "16");
        ak_small_set(&spec, "batch-norm", "sync");
        ak_rig_ok(ak_check_spec(&spec));
        ak_rig_ok(ak_estimate(&spec, &(ak_train_set){ 16, i % 2 }, &text));
        ck_assert_ptr_nonnull(strstr(text.text, "parameters"));
        ck_assert_int_eq(strstr(text.text, "decoded images") != NULL, i % 2);
        ak_str_fini(&text);
        ak_spec_fini(&spec);
    }
}
END_TEST

START_TEST(data_must_serve)
{
    char *folder = ak_rig_folder(), name[600];
    ak_spec spec = ak_small_spec("simclr");
    ak_train_set train;

    ak_rig_refused(ak_check_data(&spec, &train), AKSSL_ERR_INVALID, "--dataset");
    snprintf(name, sizeof name, "idx:%s", folder);
    ak_small_set(&spec, "dataset", name);
    ak_rig_refused(ak_check_data(&spec, &train), AKSSL_ERR_NOT_FOUND, folder);
    ak_rig_idx(folder, 20, 12);
    ak_rig_ok(ak_check_data(&spec, &train));
    ck_assert_int_eq(train.images, 20);
    ck_assert(!train.decoded);
    ck_assert_uint_eq(strlen(spec.data_fingerprint), 32);
    ak_rig_ok(ak_check_data(&spec, &train)); // they are still the same
    ak_small_set(&spec, "limit-images", "17");
    ak_rig_refused(ak_check_data(&spec, &train), AKSSL_ERR_STATE, "fingerprint");
    ak_small_set(&spec, "on-data-change", "ignore");
    ak_small_set(&spec, "limit-images", "15");
    ak_rig_refused(ak_check_data(&spec, &train), AKSSL_ERR_INVALID, "15 images");
    ak_small_set(&spec, "limit-images", "17");
    ak_rig_ok(ak_check_data(&spec, &train));
    ck_assert_int_eq(train.images, 17);
    ak_small_set(&spec, "eval", "knn"); // there is no held-out part
    ak_rig_refused(ak_check_data(&spec, &train), AKSSL_ERR_NOT_FOUND, "evaluation");
    ak_small_set(&spec, "dataset", "imagenet");
    ak_rig_refused(ak_check_data(&spec, &train), AKSSL_ERR_NOT_FOUND, "imagenet");
    ak_spec_fini(&spec);
    ak_rig_remove(folder);
}
END_TEST

START_TEST(classifiers_see_crops_unless_told)
{
    static const char *const rows[][3] = {
        { "linear", "", "crop_flip" },
        { "finetune", "flip=0", "crop_flip" },
        { "linear", "recipe=none", "none" },
        { "pretrain", "flip=0", NULL },
    };

    for (int i = 0; i < 4; i++) {
        ak_spec spec = ak_small_spec("simclr");
        const char *recipe;

        ak_small_set(&spec, "kind", rows[i][0]);
        if (rows[i][1][0])
            ak_small_set(&spec, "augment", rows[i][1]);
        if (rows[i][2])
            ak_small_set(&spec, "weights", "w.safetensors");
        if (rows[i][2])
            ak_small_set(&spec, "augment", "normalize=imagenet"); // else the weights are asked
        ak_rig_ok(ak_check_spec(&spec));
        recipe = ak_spec_pair_find(&spec.augment, "recipe");
        ck_assert(rows[i][2] ? recipe && strcmp(recipe, rows[i][2]) == 0 : !recipe);
        if (recipe) {
            ck_assert_str_eq(ak_spec_pair_find(&spec.augment, "normalize"), "imagenet");
            ck_assert_str_eq(ak_spec_pair_find(&spec.augment, "interpolation"), "bilinear");
        }
        ak_spec_fini(&spec);
    }
}
END_TEST

static void cut_labels(const char *folder)
{
    char path[600];

    snprintf(path, sizeof path, "%s/train-labels-idx1-ubyte", folder);
    ck_assert_int_eq(unlink(path), 0);
}

START_TEST(labels_must_serve)
{
    static const char *const kinds[] = { "linear", "finetune", "knn", "probe", "embed" };
    ak_labelled l = ak_labelled_job("linear");
    char *weights = ak_strdup(l.spec.weights);

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        ak_train_set train;

        ak_labelled_part(l.folder, "train", 64, 4);
        ak_small_set(&l.spec, "kind", kinds[i]);
        ak_small_set(&l.spec, "weights", weights);
        ak_rig_ok(ak_check_data(&l.spec, &train));
        ck_assert_int_eq(train.images, 64);
        ak_small_set(&l.spec, "data-fingerprint", "");
        ak_small_set(&l.spec, "limit-images", "3");
        ak_rig_refused(ak_check_data(&l.spec, &train), AKSSL_ERR_INVALID,
                       "3 labelled images, fewer than its 4 classes");
        ak_small_set(&l.spec, "limit-images", "0");
        cut_labels(l.folder);
        ak_rig_refused(ak_check_data(&l.spec, &train), AKSSL_ERR_INVALID, "has no labels");
        ck_assert_ptr_nonnull(strstr(ak_error_text(), kinds[i]));
        ak_small_set(&l.spec, "weights", "/nowhere.safetensors");
        ak_rig_refused(ak_check_data(&l.spec, &train), AKSSL_ERR_NOT_FOUND, "/nowhere");
    }
    ak_small_set(&l.spec, "kind", "pretrain");
    ak_small_set(&l.spec, "probe", "1");
    ak_rig_refused(ak_check_data(&l.spec, &(ak_train_set){ 0 }), AKSSL_ERR_INVALID,
                   "evaluation needs them, leave --probe out");
    free(weights);
    ak_labelled_end(&l);
}
END_TEST

AK_TEST_MAIN(AK_CASE(bad_specs), AK_CASE(good_specs),
             AK_CASE(batch_norm_is_the_methods_unless_given),
             AK_CASE(exclusion_is_the_optimisers_unless_given),
             AK_CASE(one_image_a_shard_is_a_batch), AK_CASE(data_must_serve),
             AK_CASE(classifiers_see_crops_unless_told), AK_CASE(labels_must_serve))
