// worker/data/dataset.c -- the table of data sets, and what all of them share.

#include "worker/data/dataset.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "worker/data/kind.h"

#define AK_DATASET(name) extern const ak_dataset_kind ak_dataset_##name;
#include "worker/data/datasets.def"
#undef AK_DATASET

static const ak_dataset_kind *const kinds[] = {
#define AK_DATASET(name) &ak_dataset_##name,
#include "worker/data/datasets.def"
#undef AK_DATASET
};

enum { KINDS = sizeof kinds / sizeof *kinds };

static bool same_name(const char *row, const char *name, size_t length)
{
    if (strlen(row) != length)
        return false;
    for (size_t i = 0; i < length; i++)
        if (row[i] != (name[i] == '-' ? '_' : name[i]))
            return false;
    return true;
}

static const ak_dataset_kind *find(const char *name, size_t length)
{
    for (int i = 0; i < KINDS; i++)
        if (same_name(kinds[i]->name, name, length))
            return kinds[i];
    return NULL;
}

static void name_json(ak_str *text, const char *name)
{
    char *shown = ak_strdup(name);

    for (char *at = shown; *at; at++)
        *at = *at == '_' ? '-' : *at;
    ak_str_json(text, shown);
    free(shown);
}

static akssl_status unknown(const char *name)
{
    ak_str known = AK_STR_INIT;

    for (int i = 0; i < KINDS; i++) {
        ak_str_append(&known, i ? ", " : "");
        ak_str_append(&known, kinds[i]->name);
        if (kinds[i]->argument)
            ak_str_format(&known, kinds[i]->argument[0] == '[' ? "%s" : ":%s", kinds[i]->argument);
    }
    for (char *at = known.text; *at; at++)
        *at = *at == '_' ? '-' : *at;
    (void)ak_fail(AKSSL_ERR_NOT_FOUND, "no data set '%.128s': there are %s", name, known.text);
    ak_str_fini(&known);
    return AKSSL_ERR_NOT_FOUND;
}

akssl_status ak_dataset_open(ak_dataset **out, const char *name, ak_split split, int64_t limit)
{
    const char *colon = strchr(name, ':');
    size_t length = colon ? (size_t)(colon - name) : strlen(name);
    const ak_dataset_kind *kind = find(name, length);
    ak_dataset *set;
    akssl_status rc;

    if (!*name)
        return ak_fail(AKSSL_ERR_INVALID, "no data set given: name one, as fashion-mnist");
    if (!kind)
        return unknown(name);
    if (colon && !kind->argument)
        return ak_fail(AKSSL_ERR_INVALID, "data set '%.128s' takes nothing behind a colon", name);
    set = ak_alloc(1, sizeof *set);
    rc = kind->open(set, colon ? colon + 1 : NULL, split, limit);
    if (rc < 0) {
        ak_dataset_close(set);
        return ak_wrap(rc, "data set '%.128s'", name);
    }
    *out = set;
    return AKSSL_OK;
}

void ak_dataset_close(ak_dataset *set)
{
    if (!set)
        return;
    free(set->pixels);
    free(set->labels);
    free(set);
}

int64_t ak_dataset_size(const ak_dataset *set)
{
    return set->size;
}

ak_image ak_dataset_image(const ak_dataset *set, int64_t index)
{
    assert(index >= 0 && index < set->size);
    return (ak_image){
        .pixels = set->pixels + index * set->height * set->width * set->channels,
        .height = set->height,
        .width = set->width,
        .channels = set->channels,
    };
}

int64_t ak_dataset_label(const ak_dataset *set, int64_t index)
{
    assert(index >= 0 && index < set->size);
    return set->labels ? set->labels[index] : -1;
}

int64_t ak_dataset_classes(const ak_dataset *set)
{
    return set->classes;
}

void ak_datasets_json(ak_str *text)
{
    ak_str_append(text, "[");
    for (int i = 0; i < KINDS; i++) {
        ak_str_format(text, "%s{\"name\": ", i ? ", " : "");
        name_json(text, kinds[i]->name);
        ak_str_append(text, ", \"argument\": ");
        ak_str_json(text, kinds[i]->argument);
        ak_str_append(text, ", \"title\": ");
        ak_str_json(text, kinds[i]->title);
        ak_str_append(text, "}");
    }
    ak_str_append(text, "]");
}
