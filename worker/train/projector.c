// worker/train/projector.c -- embeddings of images for TensorBoard's projector.

#include "worker/train/projector.h"

#include <inttypes.h>
#include <stdio.h>

#include "proto/base/str.h"
#include "worker/format/draft.h"

enum { NUMBER = 32 };

static void put_tensors(const ak_projection *p, ak_str *out)
{
    char number[NUMBER];

    for (int64_t i = 0; i < p->count * p->width; i++) {
        int length = snprintf(number, sizeof number, "%.5g%c", (double)p->features[i],
                              (i + 1) % p->width ? '\t' : '\n');

        ak_str_append_n(out, number, (size_t)length);
    }
}

// A class's name must not break the table: control characters, such as tabs, become blanks.
static void put_class(const char *name, ak_str *out)
{
    if (!name || !ak_str_is_utf8(name))
        return;
    for (; *name; name++)
        ak_str_append_n(out, (unsigned char)*name < ' ' ? " " : name, 1);
}

static void put_metadata(const ak_projection *p, ak_str *out)
{
    ak_str_append(out, "label\tclass\timage\n");
    for (int64_t i = 0; i < p->count; i++) {
        int64_t label = ak_dataset_label(p->set, p->images[i]);

        ak_str_format(out, "%" PRId64 "\t", label);
        put_class(label < 0 ? NULL : ak_dataset_class(p->set, label), out);
        ak_str_format(out, "\t%" PRIu32 "\n", p->images[i]);
    }
}

static void put_config(const ak_projection *p, ak_str *out)
{
    ak_str_format(out,
                  "embeddings {\n"
                  "  tensor_name: \"%s\"\n"
                  "  tensor_shape: %" PRId64 "\n"
                  "  tensor_shape: %" PRId64 "\n"
                  "  tensor_path: \"tensors.tsv\"\n"
                  "  metadata_path: \"metadata.tsv\"\n"
                  "  sprite {\n"
                  "    image_path: \"%s\"\n"
                  "    single_image_dim: %" PRId64 "\n"
                  "    single_image_dim: %" PRId64 "\n"
                  "  }\n"
                  "}\n",
                  p->name, p->count, p->width, p->sprite, p->side, p->side);
}

static akssl_status write_file(const ak_projection *p, const char *folder, const char *name,
                               void (*put)(const ak_projection *p, ak_str *out))
{
    ak_str path = AK_STR_INIT, text = AK_STR_INIT;
    akssl_status rc;

    ak_str_format(&path, "%s/%s", folder, name);
    put(p, &text);
    rc = ak_draft_put(path.text, text.text, text.length);
    ak_str_fini(&text);
    ak_str_fini(&path);
    return rc;
}

akssl_status ak_projector_write(const ak_projection *p, const char *folder)
{
    akssl_status rc = write_file(p, folder, "tensors.tsv", put_tensors);

    if (rc == AKSSL_OK)
        rc = write_file(p, folder, "metadata.tsv", put_metadata);
    if (rc == AKSSL_OK)
        rc = write_file(p, folder, "projector_config.pbtxt", put_config);
    return rc;
}
