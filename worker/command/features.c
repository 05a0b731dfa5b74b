// worker/command/features.c -- `akssl-worker features`: what a trained backbone makes of a data
// set's images, as safetensors; without a daemon, alone or under mpirun.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/error.h"
#include "proto/format/safetensors.h"
#include "worker/command/command.h"
#include "worker/train/check.h"
#include "worker/train/evaluate.h"

typedef struct features {
    char *weights, *backbone, *dataset, *split, *out, *normalize, *interpolation, *on_bad_image;
    int64_t image_size, limit_images, shards;
    double crop_pct;
} features;

static const ak_option options[] = {
    AK_OPTION_STRING(features, weights, "", NULL,
                     "an exported backbone or a commit's model, safetensors"),
    AK_OPTION_STRING(features, backbone, "resnet18", NULL, "the network that they are of"),
    AK_OPTION_STRING(features, dataset, "fashion-mnist", NULL, "images: KIND or KIND:WHERE"),
    AK_OPTION_STRING(features, split, "test", "train|test", "which part of it"),
    AK_OPTION_STRING(features, out, "", NULL,
                     "safetensors to write: features [N, width], labels [N]"),
    AK_OPTION_INT(features, image_size, 0, 0, 1024,
                  "side of what the network takes of an image (0: as the weights say)"),
    AK_OPTION_STRING(features, normalize, "", "|imagenet|cifar10|cifar100|stl10|none",
                     "whose mean and standard deviation are taken out (default: as the weights "
                     "say)"),
    AK_OPTION_STRING(features, interpolation, "", "|bilinear|bicubic",
                     "how images are resized (default: as the weights say, or bilinear)"),
    AK_OPTION_FLOAT(features, crop_pct, 0, 0, 1,
                    "share of the shorter side that is seen of a photograph (0: as the weights "
                    "say, or 0.875)"),
    AK_OPTION_INT(features, limit_images, 0, 0, 1000000000, "use only the first N images (0: all)"),
    AK_OPTION_STRING(features, on_bad_image, "skip", "skip|fail",
                     "an image that cannot be decoded: name it and let the next of its class stand "
                     "in, or fail"),
    AK_OPTION_INT(features, shards, 8, 1, 4096, "parts that share the images, a power of two"),
    AK_OPTION_END,
};

static akssl_status make_spec(const features *f, ak_spec *spec)
{
    char crop_pct[64];
    akssl_status rc;

    if (!f->weights[0] || !f->out[0])
        return ak_fail(AKSSL_ERR_INVALID, "features needs --weights FILE and --out FILE");
    rc = ak_spec_set(spec, "kind", "knn");
    if (rc == AKSSL_OK)
        rc = ak_spec_set(spec, "weights", f->weights);
    if (rc == AKSSL_OK)
        rc = ak_spec_set(spec, "backbone", f->backbone);
    if (rc == AKSSL_OK && f->normalize[0])
        rc = ak_spec_pair(&spec->augment, "normalize", f->normalize);
    if (rc == AKSSL_OK && f->interpolation[0])
        rc = ak_spec_pair(&spec->augment, "interpolation", f->interpolation);
    if (rc == AKSSL_OK && f->crop_pct > 0) {
        ak_option_text(ak_option_find(options, "crop_pct"), f, crop_pct, sizeof crop_pct);
        rc = ak_spec_pair(&spec->augment, "crop_pct", crop_pct);
    }
    spec->image_size = f->image_size;
    spec->shards = f->shards;
    spec->batch = f->shards > 1 ? f->shards : 2; // not used, but checked
    return rc == AKSSL_OK ? ak_check_spec(spec) : rc;
}

static akssl_status write(const features *f, const ak_dataset *set, const float *values,
                          int64_t width)
{
    int64_t size = ak_dataset_size(set), shape[2] = { size, width };
    ak_safetensors_writer *w;
    akssl_status rc = ak_safetensors_create(&w, f->out);

    if (rc < 0)
        return rc;
    ak_safetensors_declare(w, "features", AK_F32, 2, shape);
    ak_safetensors_declare(w, "labels", AK_I64, 1, shape);
    rc = ak_safetensors_write(w, values, (size_t)(size * width) * sizeof *values);
    for (int64_t i = 0; rc == AKSSL_OK && i < size; i++) {
        int64_t label = ak_dataset_label(set, i);

        rc = ak_safetensors_write(w, &label, sizeof label);
    }
    if (rc == AKSSL_OK)
        rc = ak_safetensors_commit(w, NULL, NULL);
    ak_safetensors_writer_free(w);
    return rc;
}

static akssl_status compute(const features *f, const ak_spec *spec, ak_comm *comm)
{
    const ak_dataset_ask ask = { .name = f->dataset,
                                 .split =
                                     strcmp(f->split, "train") ? AK_SPLIT_TEST : AK_SPLIT_TRAIN,
                                 .limit = f->limit_images,
                                 .skip_bad = strcmp(f->on_bad_image, "skip") == 0 };
    float *values = NULL;
    ak_dataset *set;
    int64_t width;
    akssl_status rc = ak_dataset_open(&set, &ask);

    if (rc < 0)
        return rc;
    rc = ak_evaluate_features(spec, comm, set, &values, &width);
    if (rc == AKSSL_OK && ak_comm_rank(comm) == 0)
        rc = write(f, set, values, width);
    free(values);
    ak_dataset_close(set);
    return rc;
}

static int run(void *self)
{
    const features *f = self;
    ak_comm *comm = NULL;
    akssl_status rc;
    ak_spec spec;

    ak_spec_init(&spec);
    rc = make_spec(f, &spec);
    if (rc == AKSSL_OK)
        rc = ak_comm_open(&comm);
    if (rc == AKSSL_OK)
        rc = compute(f, &spec, comm);
    ak_spec_fini(&spec);
    return ak_command_end(rc, comm);
}

const ak_command ak_command_features = {
    .name = "features",
    .help = "write a backbone's features of a data set",
    .options = options,
    .self_size = sizeof(features),
    .run = run,
};
