// tests/unit/worker/train/commit.c -- tests that a run that resumes is the run that never stopped.

#include "tests/unit/worker/train/small.h"
#include "worker/train/commit.h"

static const ak_results none = { 0 };

static char *commit_folder(const char *folder, int64_t step)
{
    char path[600];

    snprintf(path, sizeof path, "%s/commits/step-%d", folder, (int)step);
    return ak_strdup(path);
}

// Of one method; tests/contract does the same with all.
START_TEST(a_resumed_run_is_the_run_that_never_stopped)
{
    char *folder = ak_rig_folder(), *commit;
    ak_spec spec = ak_small_spec("simclr");
    ak_results results = { 0 }, read = { 0 };
    ak_commit_file files[AK_COMMIT_FILES];
    ak_comm *comm = NULL;
    ak_trainer *a, *b;

    ak_rig_ok(ak_comm_open(&comm));
    a = ak_small_trainer(&spec, comm);
    for (int i = 0; i < 2; i++)
        (void)ak_small_step(a, 1e-3);
    ak_results_put(&results, "before.", "knn.top1", 12.5);
    ak_results_put(&results, "before.", "probe.top1", 1.0 / 3);
    ak_rig_ok(ak_small_commit(a, &results, folder, files));
    commit = commit_folder(folder, 2);
    b = ak_small_trainer(&spec, comm);
    ak_rig_ok(ak_commit_read(b, &read, commit, 2));
    ck_assert(b->step == 2 && read.count == 2);
    ck_assert_str_eq(read.row[0].name, "before.knn.top1");
    ck_assert(read.row[0].value == 12.5 && read.row[1].value == 1.0 / 3);
    ak_small_same(a, b);
    for (int i = 0; i < 2; i++) {
        double want = ak_small_step(a, 1e-3), got = ak_small_step(b, 1e-3);

        ck_assert_msg(want == got, "loss %.17g, resumed %.17g", want, got);
    }
    ak_small_same(a, b);
    ak_trainer_free(a);
    ak_trainer_free(b);
    ak_comm_close(comm);
    ak_spec_fini(&spec);
    free(commit);
    ak_rig_remove(folder);
}
END_TEST

// What is held is let go at its step, and Adam counts from there, also behind a commit.
START_TEST(a_resumed_run_lets_go_at_the_same_step)
{
    static const char *const name = "projection_head.layers.4.weight";
    char *folder = ak_rig_folder(), *commit;
    ak_spec spec = ak_small_spec("simclr");
    ak_results read = { 0 };
    ak_commit_file files[AK_COMMIT_FILES];
    ak_comm *comm = NULL;
    ak_trainer *a, *b;
    const ak_param *p;
    float before;

    ak_small_set(&spec, "clip-grad", "0.01");
    ak_small_set(&spec, "clip-mode", "global");
    ak_rig_ok(ak_comm_open(&comm));
    a = ak_small_trainer(&spec, comm);
    b = ak_small_trainer(&spec, comm);
    p = ak_model_find(&b->model, name);
    before = p->value[0];
    ak_model_find(&a->model, name)->held = ak_model_find(&b->model, name)->held = 2;
    (void)ak_small_step(a, 1e-3);
    ak_rig_ok(ak_small_commit(a, &none, folder, files));
    commit = commit_folder(folder, 1);
    ak_rig_ok(ak_commit_read(b, &read, commit, 1));
    for (int step = 1; step < 4; step++) {
        (void)ak_small_step(a, 1e-3);
        (void)ak_small_step(b, 1e-3);
        ck_assert((p->value[0] == before) == (step < 2));
    }
    ak_small_same(a, b);
    ak_trainer_free(a);
    ak_trainer_free(b);
    ak_comm_close(comm);
    ak_spec_fini(&spec);
    free(commit);
    ak_rig_remove(folder);
}
END_TEST

// ---- one committed trainer for the cases below

typedef struct committed {
    char *folder, *commit;
    ak_spec spec;
    ak_comm *comm;
    ak_trainer *trainer;
    ak_commit_file files[AK_COMMIT_FILES];
} committed;

static committed make(void)
{
    committed c = { .folder = ak_rig_folder(), .spec = ak_small_spec("simclr") };

    ak_rig_ok(ak_comm_open(&c.comm));
    c.trainer = ak_small_trainer(&c.spec, c.comm);
    c.trainer->step = 7;
    ak_rig_fill(c.trainer->slots[0], c.trainer->model.trained_size, 1, 1);
    ak_rig_fill(c.trainer->slots[1], c.trainer->model.trained_size, 2, 1);
    ak_rig_ok(ak_small_commit(c.trainer, &none, c.folder, c.files));
    c.commit = commit_folder(c.folder, 7);
    return c;
}

static void end(committed *c)
{
    ak_trainer_free(c->trainer);
    ak_comm_close(c->comm);
    ak_spec_fini(&c->spec);
    free(c->commit);
    ak_rig_remove(c->folder);
}

static akssl_status read_back(const committed *c)
{
    ak_results results = { 0 };

    return ak_commit_read(c->trainer, &results, c->commit, 7);
}

// Replaces text in a file's header by other text of the same length.
static void edit(const committed *c, const char *file, const char *from, const char *to)
{
    static char header[1 << 20];
    char path[700], *at;
    FILE *f;
    size_t n;

    ck_assert_uint_eq(strlen(from), strlen(to));
    snprintf(path, sizeof path, "%s/%s", c->commit, file);
    f = fopen(path, "r+b");
    ck_assert_ptr_nonnull(f);
    n = fread(header, 1, sizeof header, f);
    at = memmem(header, n, from, strlen(from));
    ck_assert_msg(at != NULL, "%s does not hold %s", file, from);
    ck_assert_int_eq(fseek(f, at - header, SEEK_SET), 0);
    ck_assert_uint_eq(fwrite(to, 1, strlen(to), f), strlen(to));
    ck_assert_int_eq(fclose(f), 0);
}

static void altered_is_refused(const committed *c, const char *file, const char *from,
                               const char *to, akssl_status code, const char *says)
{
    edit(c, file, from, to);
    ak_rig_refused(read_back(c), code, says);
    ck_assert_msg(strstr(ak_error_text(), c->commit) != NULL, "%s", ak_error_text());
    edit(c, file, to, from);
}

START_TEST(a_missing_or_changed_tensor_is_refused)
{
    committed c = make();

    altered_is_refused(&c, "model.safetensors", "\"backbone.conv1.weight\"",
                       "\"backbone.conv1.weighT\"", AKSSL_ERR_NOT_FOUND,
                       "'backbone.conv1.weight' is missing");
    altered_is_refused(&c, "model.safetensors", "\"backbone.bn1.running_var\"",
                       "\"backbone.bn1.running_vaR\"", AKSSL_ERR_NOT_FOUND,
                       "'backbone.bn1.running_var' is missing");
    altered_is_refused(&c, "model.safetensors", "\"backbone.bn1.num_batches_tracked\"",
                       "\"backbone.bn1.num_batches_trackeD\"", AKSSL_ERR_NOT_FOUND,
                       "'backbone.bn1.num_batches_tracked' is missing");
    altered_is_refused(&c, "model.safetensors", "\"step\":\"", "\"stap\":\"", AKSSL_ERR_CORRUPT,
                       "the files are of step");
    altered_is_refused(&c, "model.safetensors", "[16,3,3,3]", "[3,16,3,3]", AKSSL_ERR_INVALID,
                       "'backbone.conv1.weight' has another shape");
    altered_is_refused(&c, "optimizer.safetensors", "\"exp_avg.backbone.conv1.weight\"",
                       "\"exp_avg.backbone.conv1.weighT\"", AKSSL_ERR_CORRUPT,
                       "'exp_avg.backbone.conv1.weight' is missing");
    altered_is_refused(&c, "optimizer.safetensors",
                       "\"exp_avg_sq.projection_head.layers.4.bias\":{\"dtype\":\"F32\"",
                       "\"exp_avg_sq.projection_head.layers.4.bias\":{\"dtype\":\"I32\"",
                       AKSSL_ERR_CORRUPT, "'exp_avg_sq.projection_head.layers.4.bias'");
    ak_rig_ok(read_back(&c));
    end(&c);
}
END_TEST

// A rank of several takes its slice, wherever that cuts the parameters.
START_TEST(a_slice_is_taken_from_the_whole)
{
    committed c = make();
    const ak_slices *whole = c.trainer->slices;
    float *all[2], *own[2];
    ak_slices slices;

    ak_slices_init(&slices, c.trainer->model.trained_size, 2, 4, 4 * 1024 * 5, 1024);
    ck_assert_int_gt(slices.buckets, 3);
    c.trainer->slices = &slices;
    for (int slot = 0; slot < 2; slot++) {
        all[slot] = c.trainer->slots[slot];
        own[slot] = c.trainer->slots[slot] =
            ak_alloc((size_t)ak_slices_own(&slices), sizeof(float));
    }
    ak_rig_ok(read_back(&c));
    for (int slot = 0; slot < 2; slot++) {
        for (int b = 0; b < slices.buckets; b++) {
            ak_stretch s = ak_slices_stretch(&slices, b);

            ak_rig_same("slot", own[slot] + s.at, all[slot] + s.from, s.to - s.from);
        }
        c.trainer->slots[slot] = all[slot];
        free(own[slot]);
    }
    c.trainer->slices = whole;
    ak_slices_fini(&slices);
    end(&c);
}
END_TEST

START_TEST(another_method_or_optimiser_is_refused)
{
    committed c = make();
    ak_spec other = ak_small_spec("moco_v2");
    ak_results results = { 0 };
    ak_trainer *t = ak_small_trainer(&other, c.comm);

    ak_rig_refused(ak_commit_read(t, &results, c.commit, 7), AKSSL_ERR_NOT_FOUND, "resume from");
    ak_trainer_free(t);
    ak_spec_fini(&other);
    other = ak_small_spec("simclr");
    ak_small_set(&other, "optimizer", "sgd");
    t = ak_small_trainer(&other, c.comm);
    ak_rig_refused(ak_commit_read(t, &results, c.commit, 7), AKSSL_ERR_CORRUPT, "momentum_buffer");
    ak_trainer_free(t);
    ak_spec_fini(&other);
    end(&c);
}
END_TEST

START_TEST(a_cut_or_absent_file_is_refused)
{
    static const char *const names[] = { "optimizer.safetensors", "model.safetensors" };
    committed c = make();

    for (int i = 0; i < 2; i++) {
        char path[700];

        snprintf(path, sizeof path, "%s/%s", c.commit, names[i]);
        ck_assert_int_eq(truncate(path, 100000), 0);
        ak_rig_refused(read_back(&c), AKSSL_ERR_CORRUPT, names[i]);
        ck_assert_int_eq(unlink(path), 0);
        ak_rig_refused(read_back(&c), AKSSL_ERR_NOT_FOUND, names[i]);
    }
    end(&c);
}
END_TEST

START_TEST(files_are_named_sized_and_digested)
{
    committed c = make();

    for (int i = 0; i < AK_COMMIT_FILES; i++) {
        char path[700], digest[AK_DIGEST_TEXT];
        uint64_t size = 0;

        snprintf(path, sizeof path, "%s/%s", c.commit, c.files[i].name);
        ak_rig_ok(ak_digest_file(path, &size, digest));
        ck_assert_str_eq(digest, c.files[i].digest);
        ck_assert_uint_eq(size, c.files[i].size);
        snprintf(path, sizeof path, "%s/%s.tmp", c.commit, c.files[i].name);
        ck_assert_int_lt(access(path, F_OK), 0);
    }
    ak_rig_ok(ak_small_commit(c.trainer, &none, c.folder, c.files)); // again: replaced
    ak_rig_ok(read_back(&c));
    end(&c);
}
END_TEST

START_TEST(a_folder_that_is_none_is_told)
{
    committed c = make();
    char path[600];

    snprintf(path, sizeof path, "%s/absent", c.folder);
    ak_rig_refused(ak_small_commit(c.trainer, &none, path, c.files), AKSSL_ERR_NOT_FOUND, path);
    end(&c);
}
END_TEST

START_TEST(the_export_is_the_backbone)
{
    committed c = make();
    ak_str path = AK_STR_INIT;
    ak_safetensors *file = NULL;
    const ak_param *p = ak_model_find(&c.trainer->model, "backbone.layer3.0.conv2.weight");
    float *values = ak_alloc((size_t)p->numel, sizeof *values);

    ak_small_set(&c.spec, "dataset", "fashion-mnist");
    ak_rig_ok(ak_export_backbone(c.trainer, &c.spec, c.folder, &path));
    ak_rig_ok(ak_safetensors_open(&file, path.text));
    ck_assert_int_eq(ak_safetensors_count(file), 126);
    ak_rig_ok(ak_safetensors_read_f32(file, "layer3.0.conv2.weight", values, p->numel));
    ak_rig_same("weights", values, p->value, p->numel);
    ck_assert_str_eq(ak_safetensors_meta(file, "format"), "pt");
    ck_assert_str_eq(ak_safetensors_meta(file, "backbone"), "resnet20");
    ck_assert_str_eq(ak_safetensors_meta(file, "method"), "simclr");
    ck_assert_str_eq(ak_safetensors_meta(file, "image_size"), "16");
    ck_assert_str_eq(ak_safetensors_meta(file, "step"), "7");
    ak_safetensors_close(file);
    ak_str_fini(&path);
    free(values);
    end(&c);
}
END_TEST

AK_TEST_MAIN(AK_CASE(a_resumed_run_is_the_run_that_never_stopped),
             AK_CASE(a_resumed_run_lets_go_at_the_same_step),
             AK_CASE(a_missing_or_changed_tensor_is_refused),
             AK_CASE(a_slice_is_taken_from_the_whole),
             AK_CASE(another_method_or_optimiser_is_refused),
             AK_CASE(a_cut_or_absent_file_is_refused), AK_CASE(files_are_named_sized_and_digested),
             AK_CASE(a_folder_that_is_none_is_told), AK_CASE(the_export_is_the_backbone))
