// tests/unit/worker/train/labelled.h -- a small labelled data set and a backbone's weights.

#ifndef AK_TESTS_WORKER_LABELLED_H
#define AK_TESTS_WORKER_LABELLED_H

#include "tests/unit/worker/train/small.h"
#include "worker/train/commit.h"

enum { AK_LABELLED_SIDE = 16 };

static inline FILE *ak_labelled_file(const char *folder, const char *name,
                                     const unsigned char *head, size_t bytes)
{
    char path[600];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(head, 1, bytes, f), bytes);
    return f;
}

// Writes one part ("train", "t10k") of an IDX set: image i is of class i % classes, which shows as
// a bright block on noise.
static inline void ak_labelled_part(const char *folder, const char *part, int n, int classes)
{
    const unsigned char high = (unsigned char)(n >> 8), low = (unsigned char)n;
    const unsigned char images[16] = {
        0, 0, 8, 3, 0, 0, high, low, 0, 0, 0, AK_LABELLED_SIDE, 0, 0, 0, AK_LABELLED_SIDE
    };
    const unsigned char labels[8] = { 0, 0, 8, 1, 0, 0, high, low };
    ak_rng rng = ak_rng_at(3, AK_RNG_BENCH, (uint32_t)n, 0, 0);
    char name[64];
    FILE *f;

    snprintf(name, sizeof name, "%s-images-idx3-ubyte", part);
    f = ak_labelled_file(folder, name, images, sizeof images);
    for (int i = 0; i < n; i++)
        for (int y = 0; y < AK_LABELLED_SIDE; y++)
            for (int x = 0; x < AK_LABELLED_SIDE; x++)
                fputc((int)ak_rng_below(&rng, 96) +
                          (4 * (y / 4) + x / 4 == 5 * (i % classes) ? 150 : 0),
                      f);
    ck_assert_int_eq(fclose(f), 0);
    snprintf(name, sizeof name, "%s-labels-idx1-ubyte", part);
    f = ak_labelled_file(folder, name, labels, sizeof labels);
    for (int i = 0; i < n; i++)
        fputc(i % classes, f);
    ck_assert_int_eq(fclose(f), 0);
}

// A job on such a set with 64 + 40 images of 4 classes, from weights that a trainer has drawn and
// moved, so that no running statistic is its initial value.
typedef struct ak_labelled {
    char *folder;
    ak_spec spec;
    ak_comm *comm;
} ak_labelled;

static inline ak_labelled ak_labelled_job(const char *kind)
{
    ak_labelled l = { .folder = ak_rig_folder(), .spec = ak_small_spec("simclr") };
    ak_str weights = AK_STR_INIT;
    char name[600];
    ak_trainer *t;

    ak_labelled_part(l.folder, "train", 64, 4);
    ak_labelled_part(l.folder, "t10k", 40, 4);
    snprintf(name, sizeof name, "idx:%s", l.folder);
    ak_small_set(&l.spec, "backbone", "resnet18"); // enough features to learn from in few steps
    ak_small_set(&l.spec, "dataset", name);
    ak_rig_ok(ak_comm_open(&l.comm));
    t = ak_small_trainer(&l.spec, l.comm);
    (void)ak_small_step(t, 1e-3);
    ak_rig_ok(ak_export_backbone(t, &l.spec, l.folder, &weights));
    ak_trainer_free(t);
    snprintf(name, sizeof name, "%s/weights.safetensors", l.folder);
    ck_assert_int_eq(rename(weights.text, name), 0);
    ak_str_fini(&weights);
    ak_small_set(&l.spec, "kind", kind);
    ak_small_set(&l.spec, "weights", name);
    return l;
}

static inline void ak_labelled_end(ak_labelled *l)
{
    ak_comm_close(l->comm);
    ak_spec_fini(&l->spec);
    ak_rig_remove(l->folder);
}

#endif
