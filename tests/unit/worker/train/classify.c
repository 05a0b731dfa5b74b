// tests/unit/worker/train/classify.c -- tests the job kinds linear and finetune, and embed, in one
// process; tests/system/eval_kinds.sh does it on ranks.

#include "tests/unit/worker/train/labelled.h"
#include "worker/train/classify.h"
#include "worker/train/session.h"

enum { TEST = 40, TRAIN = 64, CLASSES = 4 };

// Where a run ended: its figures, and its classifier's and backbone's files.
typedef struct ending {
    ak_results results;
    char classifier[AK_DIGEST_TEXT], backbone[AK_DIGEST_TEXT];
} ending;

static double figure(const ending *e, const char *name)
{
    for (int i = 0; i < e->results.count; i++)
        if (strcmp(e->results.row[i].name, name) == 0)
            return e->results.row[i].value;
    ck_abort_msg("no result %s", name);
}

static ending run(const ak_labelled *l, int64_t resume_step)
{
    char commit[600], path[600];
    ak_session session = { .spec = &l->spec,
                           .comm = l->comm,
                           .folder = l->folder,
                           .resume_step = resume_step,
                           .commit = commit };
    ak_outcome outcome = { 0 };
    ending e;

    snprintf(commit, sizeof commit, "%s/commits/step-%d", l->folder, (int)resume_step);
    ak_rig_ok(ak_session_run(&session, &outcome));
    ck_assert(!outcome.stopped);
    e.results = outcome.results;
    snprintf(path, sizeof path, "%s/export/backbone.safetensors", l->folder);
    ck_assert_str_eq(outcome.weights.text, path);
    ak_rig_ok(ak_digest_file(path, NULL, e.backbone));
    snprintf(path, sizeof path, "%s/export/classifier.safetensors", l->folder);
    ak_rig_ok(ak_digest_file(path, NULL, e.classifier));
    ak_str_fini(&outcome.weights);
    return e;
}

static ak_labelled make(const char *kind, const char *augment, const char *epochs)
{
    ak_labelled l = ak_labelled_job(kind);

    ak_small_set(&l.spec, "augment", augment);
    ak_small_set(&l.spec, "epochs", epochs);
    ak_small_set(&l.spec, "optimizer", "sgd");
    ak_small_set(&l.spec, "lr", "0.05");
    ak_rig_ok(ak_check_spec(&l.spec));
    return l;
}

// How many of the backbone's tensors in the export differ from the weights file's.
static int changed(const ak_labelled *l)
{
    ak_safetensors *before, *after;
    char path[600];
    int count = 0;

    ak_rig_ok(ak_safetensors_open(&before, l->spec.weights));
    snprintf(path, sizeof path, "%s/export/backbone.safetensors", l->folder);
    ak_rig_ok(ak_safetensors_open(&after, path));
    ck_assert_int_eq(ak_safetensors_count(before), ak_safetensors_count(after));
    for (int i = 0; i < ak_safetensors_count(before); i++) {
        const ak_safetensors_entry *a = ak_safetensors_at(before, i);
        const ak_safetensors_entry *b = ak_safetensors_find(after, a->name);

        ck_assert(b && ak_safetensors_numel(a) == ak_safetensors_numel(b));
        count += memcmp(ak_safetensors_data(before, a), ak_safetensors_data(after, b),
                        (size_t)ak_safetensors_numel(a) * (a->dtype == AK_I64 ? 8 : 4)) != 0;
    }
    ak_safetensors_close(before);
    ak_safetensors_close(after);
    return count;
}

static void check_classifier(const ak_labelled *l)
{
    const ak_safetensors_entry *w, *bias;
    ak_safetensors *file;
    char path[600];

    snprintf(path, sizeof path, "%s/export/classifier.safetensors", l->folder);
    ak_rig_ok(ak_safetensors_open(&file, path));
    w = ak_safetensors_find(file, "fc.weight");
    bias = ak_safetensors_find(file, "fc.bias");
    ck_assert(ak_safetensors_count(file) == 2 && w && bias);
    ck_assert(w->dims == 2 && w->shape[0] == CLASSES && w->shape[1] == 512);
    ck_assert(bias->dims == 1 && bias->shape[0] == CLASSES);
    ak_safetensors_close(file);
}

START_TEST(linear_learns_and_leaves_the_backbone)
{
    static const char *const augments[] = { "recipe=none",
                                            "recipe=crop_flip,min_scale=0.9,flip=0" };

    for (int i = 0; i < 2; i++) {
        ak_labelled l = make("linear", augments[i], "8");
        ending e = run(&l, 0);

        ck_assert_int_eq(changed(&l), 0);
        check_classifier(&l);
        ck_assert_msg(figure(&e, "linear.top1") > 60, "%s: %g", augments[i],
                      figure(&e, "linear.top1"));
        ck_assert(figure(&e, "linear.train_top1") > 60);
        ck_assert(figure(&e, "linear.train_loss") < log(CLASSES));
        ck_assert(figure(&e, "linear.top4") == 100); // of four classes, not top5
        ak_labelled_end(&l);
    }
}
END_TEST

// Features from the cache are those of each step's forward, of whole images and of ones that are
// twice as large as what the network takes, which a decoder might reduce too far.
START_TEST(cache_changes_nothing)
{
    static const char *const sizes[] = { "16", "8" };

    for (int i = 0; i < 2; i++) {
        ak_labelled a = make("linear", "recipe=none", "3");
        ak_labelled b = make("linear", "recipe=none,flip=0", "3"); // could be chance: no cache
        ending x, y;

        ak_small_set(&a.spec, "image-size", sizes[i]);
        ak_small_set(&b.spec, "image-size", sizes[i]);
        x = run(&a, 0);
        y = run(&b, 0);
        ck_assert(figure(&x, "linear.top1") == figure(&y, "linear.top1"));
        ck_assert(fabs(figure(&x, "linear.train_loss") - figure(&y, "linear.train_loss")) < 1e-4);
        ak_labelled_end(&a);
        ak_labelled_end(&b);
    }
}
END_TEST

START_TEST(finetune_trains_everything)
{
    ak_labelled l = make("finetune", "recipe=none", "14");
    ending e = run(&l, 0);

    // 20 convolutions; weight, bias, mean, variance, count of 20 batch norms
    ck_assert_int_eq(changed(&l), 20 + 20 * 5);
    check_classifier(&l);
    ck_assert_msg(figure(&e, "finetune.top1") > 80, "%g", figure(&e, "finetune.top1"));
    ck_assert(figure(&e, "finetune.train_top1") > 80);
    ak_labelled_end(&l);
}
END_TEST

START_TEST(a_resumed_run_is_the_run_that_never_stopped)
{
    static const char *const kinds[] = { "linear", "finetune" };

    for (int i = 0; i < 2; i++) {
        ak_labelled l = make(kinds[i], "recipe=crop_flip", "3");
        ending whole = run(&l, 0), resumed = run(&l, 8); // two of three epochs

        ck_assert_str_eq(whole.classifier, resumed.classifier);
        ck_assert_str_eq(whole.backbone, resumed.backbone);
        ck_assert_int_eq(whole.results.count, resumed.results.count);
        for (int k = 0; k < whole.results.count; k++)
            ck_assert(whole.results.row[k].value == resumed.results.row[k].value);
        ak_labelled_end(&l);
    }
}
END_TEST

// Half of the images: half of the steps of an epoch, and another layer.
START_TEST(share_of_the_labels)
{
    ak_labelled l = make("linear", "recipe=none", "1");
    ending all = run(&l, 0), half;
    ak_train_set train;
    char path[600];

    ak_small_set(&l.spec, "fine-tuning-data-proportion", "0.5");
    ak_rig_ok(ak_check_data(&l.spec, &train));
    ck_assert_int_eq(train.images, TRAIN / 2);
    half = run(&l, 0);
    ck_assert_str_ne(all.classifier, half.classifier);
    for (int step = 2; step <= 4; step += 2) { // 16 images a step
        snprintf(path, sizeof path, "%s/commits/step-%d", l.folder, step);
        ck_assert_int_eq(access(path, F_OK), 0);
    }
    ak_small_set(&l.spec, "fine-tuning-data-proportion", "0.1");
    ak_rig_refused(ak_check_data(&l.spec, &train), AKSSL_ERR_INVALID, "fewer than a batch of 16");
    ak_labelled_end(&l);
}
END_TEST

START_TEST(embed_writes_both_parts)
{
    static const struct {
        const char *name;
        size_t bytes; // behind a header of two blocks of 64
    } files[] = {
        { "train_features", TRAIN * 512 * sizeof(float) },
        { "test_features", TEST * 512 * sizeof(float) },
        { "train_labels", TRAIN * sizeof(int64_t) },
        { "test_labels", TEST * sizeof(int64_t) },
    };
    ak_labelled l = ak_labelled_job("embed");
    ak_session session = { .spec = &l.spec, .comm = l.comm, .folder = l.folder };
    ak_outcome outcome = { 0 };

    ak_rig_ok(ak_check_spec(&l.spec));
    ak_rig_ok(ak_session_run(&session, &outcome));
    ck_assert_int_eq(outcome.results.count, 3);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[600];
        FILE *f;

        snprintf(path, sizeof path, "%s/export/%s.npy", l.folder, files[i].name);
        f = fopen(path, "rb");
        ck_assert_ptr_nonnull(f);
        ck_assert_int_eq(fseek(f, 0, SEEK_END), 0);
        ck_assert_int_eq(ftell(f), (long)(128 + files[i].bytes));
        if (i == 2) { // image i is of class i % 4
            int64_t labels[TRAIN];

            ck_assert_int_eq(fseek(f, 128, SEEK_SET), 0);
            ck_assert_uint_eq(fread(labels, sizeof *labels, TRAIN, f), TRAIN);
            for (int k = 0; k < TRAIN; k++)
                ck_assert_int_eq(labels[k], k % CLASSES);
        }
        fclose(f);
    }
    ak_labelled_end(&l);
}
END_TEST

AK_TEST_MAIN(AK_CASE(linear_learns_and_leaves_the_backbone), AK_CASE(cache_changes_nothing),
             AK_CASE(finetune_trains_everything),
             AK_CASE(a_resumed_run_is_the_run_that_never_stopped), AK_CASE(share_of_the_labels),
             AK_CASE(embed_writes_both_parts))
