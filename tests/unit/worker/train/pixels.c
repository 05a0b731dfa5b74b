// tests/unit/worker/train/pixels.c -- tests that an export says how its images were prepared, and
// that jobs on it do likewise.

#include "tests/unit/worker/train/small.h"
#include "worker/train/commit.h"

static void meta_is(const ak_safetensors *file, const char *key, const char *want)
{
    ck_assert_ptr_nonnull(ak_safetensors_meta(file, key));
    ck_assert_str_eq(ak_safetensors_meta(file, key), want);
}

// An export of a run with these pairs, on images of 24; free the path.
static char *export(const char *folder, const char *augment)
{
    ak_spec spec = ak_small_spec("simclr");
    ak_str path = AK_STR_INIT;
    ak_comm *comm;
    ak_trainer *t;

    ak_small_set(&spec, "image-size", "24");
    ak_small_set(&spec, "augment", augment);
    ak_rig_ok(ak_check_spec(&spec));
    ak_rig_ok(ak_comm_open(&comm));
    t = ak_small_trainer(&spec, comm);
    ak_rig_ok(ak_export_backbone(t, &spec, folder, &path));
    ak_trainer_free(t);
    ak_comm_close(comm);
    ak_spec_fini(&spec);
    return ak_str_take(&path);
}

static ak_spec knn_on(const char *path)
{
    ak_spec spec = ak_small_spec("simclr");

    ak_small_set(&spec, "kind", "knn");
    ak_small_set(&spec, "image-size", "0");
    ak_small_set(&spec, "weights", path);
    return spec;
}

static const struct {
    const char *augment, *normalize, *interpolation, *mean, *std, *crop_pct;
} runs[] = {
    { "flip=0", "imagenet", "bilinear", "0.485,0.456,0.406", "0.229,0.224,0.225", "0.875" },
    { "recipe=cifar_symmetric", "cifar10", "bicubic", "0.4914,0.4822,0.4465", "0.247,0.2435,0.2616",
      "0.875" },
    { "recipe=dino,normalize=stl10,crop_pct=0.9", "stl10", "bicubic", "0.4914,0.4823,0.4466",
      "0.247,0.243,0.261", "0.9" },
    { "normalize=none,crop_pct=1", "none", "bilinear", "0,0,0", "1,1,1", "1" },
};

static void says_what_it_did(int i)
{
    char *folder = ak_rig_folder(), *path = export(folder, runs[i].augment);
    ak_safetensors *file = NULL;

    ak_rig_ok(ak_safetensors_open(&file, path));
    meta_is(file, "image_size", "24");
    meta_is(file, "normalize", runs[i].normalize);
    meta_is(file, "interpolation", runs[i].interpolation);
    meta_is(file, "normalize_mean", runs[i].mean);
    meta_is(file, "normalize_std", runs[i].std);
    meta_is(file, "crop_pct", runs[i].crop_pct);
    ak_safetensors_close(file);
    free(path);
    ak_rig_remove(folder);
}

static void job_does_likewise(int i)
{
    char *folder = ak_rig_folder(), *path = export(folder, runs[i].augment);
    ak_spec spec = knn_on(path);

    ak_rig_ok(ak_check_spec(&spec));
    ck_assert_int_eq(spec.image_size, 24);
    ck_assert_str_eq(ak_spec_pair_find(&spec.augment, "normalize"), runs[i].normalize);
    ck_assert_str_eq(ak_spec_pair_find(&spec.augment, "interpolation"), runs[i].interpolation);
    ck_assert_str_eq(ak_spec_pair_find(&spec.augment, "crop_pct"), runs[i].crop_pct);
    ak_spec_fini(&spec);
    free(path);
    ak_rig_remove(folder);
}

START_TEST(an_export_says_what_the_run_did)
{
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++)
        says_what_it_did((int)i);
}
END_TEST

START_TEST(a_job_on_it_does_likewise)
{
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++)
        job_does_likewise((int)i);
}
END_TEST

START_TEST(flags_override)
{
    char *folder = ak_rig_folder(), *path = export(folder, runs[1].augment);
    ak_spec spec = knn_on(path);

    ak_small_set(&spec, "augment", "normalize=none");
    ak_rig_ok(ak_check_spec(&spec));
    ck_assert_str_eq(ak_spec_pair_find(&spec.augment, "normalize"), "none");
    ck_assert_int_eq(spec.image_size, 24);
    ak_spec_fini(&spec);
    spec = knn_on(path);
    ak_small_set(&spec, "image-size", "40");
    ak_small_set(&spec, "augment", "interpolation=bilinear");
    ak_rig_ok(ak_check_spec(&spec));
    ck_assert_int_eq(spec.image_size, 40);
    ck_assert_str_eq(ak_spec_pair_find(&spec.augment, "normalize"), "cifar10");
    ck_assert_str_eq(ak_spec_pair_find(&spec.augment, "interpolation"), "bilinear");
    ak_spec_fini(&spec);
    spec = knn_on(path);
    ak_small_set(&spec, "image-size", "40");
    ak_small_set(&spec, "augment", "normalize=imagenet");
    ak_rig_ok(ak_check_spec(&spec));
    ck_assert_str_eq(ak_spec_pair_find(&spec.augment, "interpolation"), "bicubic"); // as the run
    ak_spec_fini(&spec);
    spec = knn_on(path);
    ak_small_set(&spec, "image-size", "40");
    ak_small_set(&spec, "augment", "normalize=imagenet,interpolation=bilinear");
    ak_rig_ok(ak_check_spec(&spec));
    ck_assert_str_eq(ak_spec_pair_find(&spec.augment, "crop_pct"), "0.875"); // as the run
    ak_spec_fini(&spec);
    spec = knn_on(path);
    ak_small_set(&spec, "augment", "crop_pct=1");
    ak_rig_ok(ak_check_spec(&spec));
    ck_assert_str_eq(ak_spec_pair_find(&spec.augment, "crop_pct"), "1");
    ak_spec_fini(&spec);
    free(path);
    ak_rig_remove(folder);
}
END_TEST

// A file of another program, which says these two things of itself (NULL: does not).
static char *foreign(const char *folder, const char *size, const char *normalize)
{
    ak_safetensors_writer *w = NULL;
    ak_str path = AK_STR_INIT;

    ak_str_format(&path, "%s/foreign.safetensors", folder);
    ak_rig_ok(ak_safetensors_create(&w, path.text));
    if (size)
        ak_safetensors_set_meta(w, "image_size", size);
    if (normalize)
        ak_safetensors_set_meta(w, "normalize", normalize);
    ak_rig_ok(ak_safetensors_commit(w, NULL, NULL));
    ak_safetensors_writer_free(w);
    return ak_str_take(&path);
}

START_TEST(what_nobody_says_is_asked_for)
{
    static const struct {
        const char *size, *normalize, *says;
    } files[] = {
        { NULL, "imagenet", "give --image-size" }, { "24", NULL, "--augment normalize=NAME" },
        { "big", "imagenet", "image_size" },       { "5000", "imagenet", "image_size" },
        { "4", "imagenet", "image-size 4" },       { "24", "imagnet", "imagnet" },
    };
    char *folder = ak_rig_folder();

    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char *path = foreign(folder, files[i].size, files[i].normalize);
        ak_spec spec = knn_on(path);

        ak_rig_refused(ak_check_spec(&spec), AKSSL_ERR_INVALID, files[i].says);
        ak_small_set(&spec, "image-size", "24");
        ak_small_set(&spec, "augment", "normalize=cifar100");
        ak_rig_ok(ak_check_spec(&spec));
        ak_spec_fini(&spec);
        free(path);
    }
    ak_rig_remove(folder);
}
END_TEST

START_TEST(a_file_that_is_none_is_named)
{
    ak_spec spec = knn_on("/nowhere.safetensors");

    ak_rig_refused(ak_check_spec(&spec), AKSSL_ERR_NOT_FOUND, "/nowhere.safetensors");
    ak_spec_fini(&spec);
}
END_TEST

AK_TEST_MAIN(AK_CASE(an_export_says_what_the_run_did), AK_CASE(a_job_on_it_does_likewise),
             AK_CASE(flags_override), AK_CASE(what_nobody_says_is_asked_for),
             AK_CASE(a_file_that_is_none_is_named))
