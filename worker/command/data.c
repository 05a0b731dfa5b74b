// worker/command/data.c -- `akssl-worker data`: what is in a data set, and which images are bad.

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "worker/command/command.h"
#include "worker/data/dataset.h"

typedef struct data {
    char *dataset, *split, *list, *classes;
    int64_t limit_images;
    bool decode;
} data;

static const ak_option options[] = {
    AK_OPTION_STRING(data, dataset, "", NULL, "KIND or KIND:WHERE"),
    AK_OPTION_STRING(data, split, "train", "train|test", "which part of it"),
    AK_OPTION_STRING(data, list, "", NULL, "only the images that this file names"),
    AK_OPTION_STRING(data, classes, "", NULL, "only these classes: by commas, or @FILE"),
    AK_OPTION_INT(data, limit_images, 0, 0, 1000000000, "only the first N images (0: all)"),
    AK_OPTION_BOOL(data, decode, 0, "decode every image, and name the bad ones"),
    AK_OPTION_END,
};

// A name that is no UTF-8 has '?' for what JSON cannot say.
static json_t *text_of(const char *text)
{
    json_t *value = json_string(text);
    char *copy;

    if (value)
        return value;
    copy = ak_strdup(text);
    for (char *at = copy; *at; at++)
        *at = (unsigned char)*at < 0x80 ? *at : '?';
    value = json_string(copy);
    free(copy);
    return value;
}

// Images a class; those without a label are not among them.
static json_t *count_classes(const ak_dataset *set, int64_t *unlabelled)
{
    int64_t classes = ak_dataset_classes(set);
    int64_t *count = ak_alloc((size_t)classes + 1, sizeof *count);
    json_t *rows = json_array();

    for (int64_t i = 0; i < ak_dataset_size(set); i++) {
        int64_t label = ak_dataset_label(set, i);

        count[label < 0 ? classes : label]++;
    }
    for (int64_t c = 0; c < classes; c++) {
        const char *name = ak_dataset_class(set, c);
        json_t *row =
            json_pack("{s:I, s:I}", "label", (json_int_t)c, "images", (json_int_t)count[c]);

        if (name)
            json_object_set_new(row, "name", text_of(name));
        json_array_append_new(rows, row);
    }
    *unlabelled = count[classes];
    free(count);
    return rows;
}

typedef struct sides {
    int64_t least[2], most[2]; // height, width
} sides;

static void look_at(sides *s, const ak_image *image)
{
    const int64_t now[2] = { image->height, image->width };

    for (int i = 0; i < 2; i++) {
        s->least[i] = !s->least[i] || now[i] < s->least[i] ? now[i] : s->least[i];
        s->most[i] = now[i] > s->most[i] ? now[i] : s->most[i];
    }
}

// A bad image is an entry of a list, and no failure.
static akssl_status decode_all(const ak_dataset *set, json_t *root)
{
    ak_reading reading = { 0 };
    json_t *bad = json_array();
    akssl_status rc = AKSSL_OK;
    sides s = { 0 };

    for (int64_t i = 0; rc == AKSSL_OK && i < ak_dataset_size(set); i++) {
        ak_image image;

        rc = ak_dataset_read(set, i, 0, &reading, &image);
        if (rc == AKSSL_OK) {
            look_at(&s, &image);
        } else if (ak_dataset_bad(set, i)) {
            ak_str name = AK_STR_INIT;
            json_t *row = json_object();

            ak_dataset_name(set, i, &name);
            json_object_set_new(row, "image", text_of(name.text));
            json_object_set_new(row, "wrong", text_of(ak_error_text()));
            json_array_append_new(bad, row);
            ak_str_fini(&name);
            rc = AKSSL_OK;
        }
    }
    ak_reading_fini(&reading);
    json_object_set_new(root, "bad", bad);
    json_object_set_new(root, "height",
                        json_pack("[I,I]", (json_int_t)s.least[0], (json_int_t)s.most[0]));
    json_object_set_new(root, "width",
                        json_pack("[I,I]", (json_int_t)s.least[1], (json_int_t)s.most[1]));
    return rc;
}

static akssl_status print(const data *d, const ak_dataset *set)
{
    char fingerprint[AK_DIGEST_TEXT];
    int64_t unlabelled;
    json_t *root = json_object();
    akssl_status rc = ak_dataset_fingerprint(set, fingerprint);

    json_object_set_new(root, "images", json_integer(ak_dataset_size(set)));
    json_object_set_new(root, "fingerprint", json_string(fingerprint));
    json_object_set_new(root, "classes", count_classes(set, &unlabelled));
    json_object_set_new(root, "unlabelled", json_integer(unlabelled));
    if (rc == AKSSL_OK && d->decode)
        rc = decode_all(set, root);
    if (rc == AKSSL_OK && (json_dumpf(root, stdout, JSON_INDENT(1)) < 0 || puts("") < 0))
        rc = ak_fail(AKSSL_ERR_IO, "the answer cannot be written");
    json_decref(root);
    return rc;
}

static int run(void *self)
{
    const data *d = self;
    const ak_dataset_ask ask = { .name = d->dataset,
                                 .split =
                                     strcmp(d->split, "train") ? AK_SPLIT_TEST : AK_SPLIT_TRAIN,
                                 .list = d->list,
                                 .classes = d->classes,
                                 .limit = d->limit_images };
    ak_dataset *set = NULL;
    akssl_status rc = ak_dataset_open(&set, &ask);

    if (rc == AKSSL_OK)
        rc = print(d, set);
    ak_dataset_close(set);
    return ak_command_exit(rc);
}

const ak_command ak_command_data = {
    .name = "data",
    .help = "say what is in a data set, as JSON",
    .options = options,
    .self_size = sizeof(data),
    .run = run,
};
