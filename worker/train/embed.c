// worker/train/embed.c -- features of both parts of a data set, some images at a time.

#include "worker/train/embed.h"

#include <stdlib.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "worker/train/agree.h"
#include "worker/train/data.h"
#include "worker/train/features.h"
#include "worker/format/folder.h"
#include "worker/train/frozen.h"
#include "worker/format/npy_file.h"

enum { IMAGES = 16384 }; // whose features are in memory at once

typedef struct embed {
    const ak_session *session;
    ak_outcome *outcome;
    ak_frozen frozen;
    ak_recipe *recipe;
} embed;

// agree is for what reads images too.
static akssl_status agree(const embed *e, akssl_status rc)
{
    akssl_status first;

    rc = ak_agree_first(e->session->comm, rc, &first);
    e->outcome->unwritten |= ak_data_is_elsewhere(first);
    return rc;
}

static akssl_status create(const embed *e, const char *name, ak_npy_type type, int dims,
                           const int64_t *shape, ak_npy **out)
{
    ak_str path = AK_STR_INIT;
    akssl_status rc;

    ak_str_format(&path, "%s/export", e->session->folder);
    rc = ak_folder_make(path.text);
    if (rc == AKSSL_OK)
        rc = ak_folder_sync(e->session->folder);
    ak_str_format(&path, "/%s.npy", name);
    if (rc == AKSSL_OK)
        rc = ak_npy_create(out, path.text, type, dims, shape);
    ak_str_fini(&path);
    return rc;
}

static akssl_status write_labels(const embed *e, const ak_dataset *set, const char *name)
{
    const int64_t size = ak_dataset_size(set);
    ak_npy *npy = NULL;
    akssl_status rc = create(e, name, AK_NPY_I64, 1, &size, &npy);

    for (int64_t i = 0; i < size && rc == AKSSL_OK; i++) {
        int64_t label = ak_dataset_label(set, i);

        rc = ak_npy_write(npy, &label, 1);
    }
    if (rc == AKSSL_OK)
        rc = ak_npy_commit(npy);
    ak_npy_free(npy);
    return rc;
}

// npy: NULL on ranks above 0, which compute their share all the same.
static akssl_status write_rows(embed *e, const ak_dataset *set, ak_npy *npy, uint32_t *images)
{
    int64_t size = ak_dataset_size(set), width = e->frozen.encoder.backbone->width;
    akssl_status rc = AKSSL_OK;

    for (int64_t first = 0; first < size && rc == AKSSL_OK; first += IMAGES) {
        int64_t count = size - first < IMAGES ? size - first : IMAGES;
        float *features = NULL;

        for (int64_t i = 0; i < count; i++)
            images[i] = (uint32_t)(first + i);
        rc = ak_features(&e->frozen.world, &e->frozen.encoder, e->recipe,
                         e->session->spec->image_size, set, images, count, false, &features);
        if (rc == AKSSL_OK && npy)
            rc = ak_outcome_wrote(e->outcome, ak_npy_write(npy, features, count * width));
        rc = agree(e, rc);
        free(features);
    }
    return rc;
}

static akssl_status write_part(embed *e, const ak_dataset *set, const char *features,
                               const char *labels)
{
    const int64_t shape[2] = { ak_dataset_size(set), e->frozen.encoder.backbone->width };
    uint32_t *images = ak_alloc(IMAGES, sizeof *images);
    bool root = ak_comm_rank(e->session->comm) == 0;
    ak_npy *npy = NULL;
    akssl_status rc = root ? create(e, features, AK_NPY_F32, 2, shape, &npy) : AKSSL_OK;

    rc = agree(e, ak_outcome_wrote(e->outcome, rc));
    if (rc == AKSSL_OK)
        rc = write_rows(e, set, npy, images);
    if (rc == AKSSL_OK && root)
        rc = ak_outcome_wrote(e->outcome, ak_npy_commit(npy));
    if (rc == AKSSL_OK && root)
        rc = ak_outcome_wrote(e->outcome, write_labels(e, set, labels));
    ak_npy_free(npy);
    free(images);
    return agree(e, rc);
}

static akssl_status run(embed *e, ak_results *results)
{
    const ak_spec *spec = e->session->spec;
    ak_dataset *train = NULL, *test = NULL;
    akssl_status rc = ak_data_open(&train, spec, AK_SPLIT_TRAIN);

    if (rc == AKSSL_OK)
        rc = ak_data_open(&test, spec, AK_SPLIT_TEST);
    if (rc == AKSSL_OK)
        rc = ak_recipe_new(&e->recipe, &spec->augment, spec->image_size);
    if (rc == AKSSL_OK)
        rc = ak_frozen_open(&e->frozen, spec, e->session->comm);
    rc = agree(e, rc);
    if (rc == AKSSL_OK)
        rc = write_part(e, train, "train_features", "train_labels");
    if (rc == AKSSL_OK)
        rc = write_part(e, test, "test_features", "test_labels");
    if (rc == AKSSL_OK) {
        ak_results_put(results, "embed.", "train_images", (double)ak_dataset_size(train));
        ak_results_put(results, "embed.", "test_images", (double)ak_dataset_size(test));
        ak_results_put(results, "embed.", "width", (double)e->frozen.encoder.backbone->width);
    }
    ak_dataset_close(train);
    ak_dataset_close(test);
    return rc;
}

akssl_status ak_embed_run(const ak_session *session, ak_outcome *outcome)
{
    embed e = { .session = session, .outcome = outcome };
    akssl_status rc = run(&e, &outcome->results);

    ak_frozen_close(&e.frozen);
    ak_recipe_free(e.recipe);
    return rc < 0 ? ak_wrap(rc, "embed") : rc;
}
