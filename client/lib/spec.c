// client/lib/spec.c -- akssl_job_spec: the table of proto/spec as the library's user sees it.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/lib/lib.h"
#include "proto/base/error.h"

// The keys of pairs are not in the table, which binds one field a row.
static const akssl_key pair_keys[] = {
    { .name = "option",
      .type = AKSSL_KEY_PAIRS,
      .help = "option of the method, backbone, optimiser or data set; may be repeated" },
    { .name = "augment",
      .type = AKSSL_KEY_PAIRS,
      .help = "parameter of the augmentation; may be repeated" },
};

enum { PAIR_KEYS = sizeof pair_keys / sizeof *pair_keys };

static void describe(const ak_option *row, akssl_key *key)
{
    ak_spec initial;

    memset(key, 0, sizeof *key);
    snprintf(key->name, sizeof key->name, "%s", row->name);
    for (char *c = key->name; *c; c++)
        if (*c == '_')
            *c = '-';
    key->type = (akssl_key_type)row->type;
    key->min = row->min;
    key->max = row->max;
    key->choices = row->choices;
    key->help = row->help;
    ak_spec_init(&initial);
    ak_option_text(row, &initial, key->initial, sizeof key->initial);
    ak_spec_fini(&initial);
}

_Static_assert((int)AKSSL_KEY_INT == AK_OPTION_TYPE_INT &&
                   (int)AKSSL_KEY_FLOAT == AK_OPTION_TYPE_FLOAT &&
                   (int)AKSSL_KEY_BOOL == AK_OPTION_TYPE_BOOL &&
                   (int)AKSSL_KEY_TEXT == AK_OPTION_TYPE_STRING,
               "describe() takes one for the other");

int akssl_job_spec_key(size_t index, akssl_key *key)
{
    const ak_option *table = ak_spec_table();
    size_t rows = 0;

    while (table[rows].name)
        rows++;
    if (index < rows) {
        describe(&table[index], key);
        return 1;
    }
    if (index - rows >= PAIR_KEYS)
        return 0;
    *key = pair_keys[index - rows];
    return 1;
}

akssl_job_spec *akssl_job_spec_new(void)
{
    akssl_job_spec *spec = calloc(1, sizeof *spec);

    if (spec)
        ak_spec_init(&spec->spec);
    return spec;
}

akssl_job_spec *akssl_job_spec_copy(const akssl_job_spec *spec)
{
    akssl_job_spec *copy = calloc(1, sizeof *copy);

    if (copy)
        ak_spec_copy(&copy->spec, &spec->spec);
    return copy;
}

void akssl_job_spec_free(akssl_job_spec *spec)
{
    if (!spec)
        return;
    ak_spec_fini(&spec->spec);
    ak_str_fini(&spec->scratch);
    free(spec);
}

akssl_status akssl_job_spec_set(akssl_job_spec *spec, const char *name, const char *value)
{
    return ak_spec_set(&spec->spec, name, value);
}

static const ak_spec_pairs *pairs_of(const akssl_job_spec *spec, const char *name)
{
    if (strcmp(name, "option") == 0)
        return &spec->spec.option;
    if (strcmp(name, "augment") == 0)
        return &spec->spec.augment;
    return NULL;
}

const char *akssl_job_spec_get(akssl_job_spec *spec, const char *name)
{
    const ak_spec_pairs *pairs = pairs_of(spec, name);
    const ak_option *row = ak_option_find(ak_spec_table(), name);
    char text[AK_SPEC_MAX_TEXT + 1];

    if (!pairs && !row)
        return NULL;
    ak_str_clear(&spec->scratch);
    ak_str_append(&spec->scratch, "");
    if (row) {
        ak_option_text(row, &spec->spec, text, sizeof text);
        ak_str_append(&spec->scratch, text);
    } else {
        for (int i = 0; i < pairs->count; i++)
            ak_str_format(&spec->scratch, "%s%s=%s", i ? "," : "", pairs->keys[i],
                          pairs->values[i]);
    }
    return spec->scratch.text;
}

int akssl_job_spec_pair(const akssl_job_spec *spec, const char *name, size_t index,
                        const char **key, const char **value)
{
    const ak_spec_pairs *pairs = pairs_of(spec, name);

    if (!pairs || index >= (size_t)pairs->count)
        return 0;
    *key = pairs->keys[index];
    *value = pairs->values[index];
    return 1;
}

akssl_status akssl_job_spec_load_yaml(akssl_job_spec *spec, const char *path)
{
    return ak_spec_read_file(&spec->spec, path);
}

const char *akssl_job_spec_yaml(akssl_job_spec *spec)
{
    ak_str_clear(&spec->scratch);
    if (ak_spec_write_yaml(&spec->spec, &spec->scratch) < 0)
        return NULL;
    return spec->scratch.text;
}

akssl_job_spec *ak_job_spec_decode(const Akssl__V1__JobSpec *message)
{
    akssl_job_spec *spec = message ? akssl_job_spec_new() : NULL;

    if (spec && ak_rpc_spec_decode(&spec->spec, message) < 0) {
        akssl_job_spec_free(spec);
        spec = NULL;
    }
    return spec;
}
