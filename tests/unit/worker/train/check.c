// tests/unit/worker/train/check.c -- tests which specs can run: the sentence names the field.

#include "tests/unit/worker/train/small.h"

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
    { { "method", "simclrr" }, AKSSL_ERR_NOT_FOUND, { "method 'simclrr'", "simclr" } },
    { { "backbone", "resnet19" }, AKSSL_ERR_NOT_FOUND, { "backbone 'resnet19'", "resnet18" } },
    { { "optimizer", "adamm" }, AKSSL_ERR_NOT_FOUND, { "optimizer 'adamm'", "sgd" } },
    { { "schedule", "linear" }, AKSSL_ERR_NOT_FOUND, { "schedule 'linear'", "cosine" } },
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
    { { "kind", "knn" }, AKSSL_ERR_INVALID, { "kind knn", "--weights" } },
    { { "kind", "probe" }, AKSSL_ERR_INVALID, { "kind probe", "--from-job" } },
    { { "weights", "w.safetensors" }, AKSSL_ERR_INVALID, { "weights", "knn and probe" } },
    { { "from-job", "3" }, AKSSL_ERR_INVALID, { "from-job", "knn and probe" } },
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
        { "kind", "knn", "weights", "w.safetensors" },
        { "kind", "probe", "weights", "w.safetensors" },
        { "schedule", "cosine", "warmup-epochs", "0.5" },
        { "optimizer", "sgd", "lr", "0" },
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

START_TEST(data_must_serve)
{
    char *folder = ak_rig_folder(), name[600];
    ak_spec spec = ak_small_spec("simclr");
    int64_t images = 0;

    ak_rig_refused(ak_check_data(&spec, &images), AKSSL_ERR_INVALID, "--dataset");
    snprintf(name, sizeof name, "idx:%s", folder);
    ak_small_set(&spec, "dataset", name);
    ak_rig_refused(ak_check_data(&spec, &images), AKSSL_ERR_NOT_FOUND, folder);
    ak_rig_idx(folder, 20, 12);
    ak_rig_ok(ak_check_data(&spec, &images));
    ck_assert_int_eq(images, 20);
    ak_small_set(&spec, "limit-images", "15");
    ak_rig_refused(ak_check_data(&spec, &images), AKSSL_ERR_INVALID, "15 images");
    ak_small_set(&spec, "limit-images", "17");
    ak_rig_ok(ak_check_data(&spec, &images));
    ck_assert_int_eq(images, 17);
    ak_small_set(&spec, "eval", "knn"); // there is no held-out part
    ak_rig_refused(ak_check_data(&spec, &images), AKSSL_ERR_NOT_FOUND, "evaluation");
    ak_small_set(&spec, "dataset", "imagenet");
    ak_rig_refused(ak_check_data(&spec, &images), AKSSL_ERR_NOT_FOUND, "imagenet");
    ak_spec_fini(&spec);
    ak_rig_remove(folder);
}
END_TEST

AK_TEST_MAIN(AK_CASE(bad_specs), AK_CASE(good_specs),
             AK_CASE(batch_norm_is_the_methods_unless_given), AK_CASE(data_must_serve))
