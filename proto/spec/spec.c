// proto/spec/spec.c -- the table of a spec's keys and its pairs.

#include "proto/spec/spec.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"

static const ak_option table[] = {
#define AK_SPEC_STRING(name, initial, choices, help)                                               \
    AK_OPTION_STRING(ak_spec, name, initial, choices, help),
#define AK_SPEC_INT(name, initial, min, max, help)                                                 \
    AK_OPTION_INT(ak_spec, name, initial, min, max, help),
#define AK_SPEC_FLOAT(name, initial, min, max, help)                                               \
    AK_OPTION_FLOAT(ak_spec, name, initial, min, max, help),
#include "proto/spec/spec.def"
#undef AK_SPEC_STRING
#undef AK_SPEC_INT
#undef AK_SPEC_FLOAT
    AK_OPTION_END,
};

const ak_option *ak_spec_table(void)
{
    return table;
}

void ak_spec_init(ak_spec *spec)
{
    memset(spec, 0, sizeof *spec);
    ak_option_defaults(table, spec);
}

void ak_spec_pairs_fini(ak_spec_pairs *pairs)
{
    for (int i = 0; i < pairs->count; i++) {
        free(pairs->keys[i]);
        free(pairs->values[i]);
    }
    free(pairs->keys);
    free(pairs->values);
    memset(pairs, 0, sizeof *pairs);
}

void ak_spec_fini(ak_spec *spec)
{
    if (!spec)
        return;
    ak_option_fini(table, spec);
    ak_spec_pairs_fini(&spec->option);
    ak_spec_pairs_fini(&spec->augment);
}

const char *ak_spec_pair_find(const ak_spec_pairs *pairs, const char *key)
{
    for (int i = 0; i < pairs->count; i++)
        if (ak_option_same_name(pairs->keys[i], key))
            return pairs->values[i];
    return NULL;
}

void ak_spec_pair_remove(ak_spec_pairs *pairs, const char *key)
{
    for (int i = 0; i < pairs->count; i++) {
        if (!ak_option_same_name(pairs->keys[i], key))
            continue;
        free(pairs->keys[i]);
        free(pairs->values[i]);
        pairs->count--;
        memmove(&pairs->keys[i], &pairs->keys[i + 1],
                (size_t)(pairs->count - i) * sizeof *pairs->keys);
        memmove(&pairs->values[i], &pairs->values[i + 1],
                (size_t)(pairs->count - i) * sizeof *pairs->values);
        return;
    }
}

akssl_status ak_spec_pair(ak_spec_pairs *pairs, const char *key, const char *value)
{
    if (!key[0] || strlen(key) > AK_SPEC_MAX_TEXT || strlen(value) > AK_SPEC_MAX_TEXT)
        return ak_fail(AKSSL_ERR_INVALID, "'%.64s': give key=value, each under %d bytes", key,
                       AK_SPEC_MAX_TEXT);
    if (!ak_str_is_utf8(key) || !ak_str_is_utf8(value))
        return ak_fail(AKSSL_ERR_INVALID, "a pair is not UTF-8: give key=value as such");
    for (int i = 0; i < pairs->count; i++) {
        if (!ak_option_same_name(pairs->keys[i], key))
            continue;
        free(pairs->values[i]);
        pairs->values[i] = ak_strdup(value);
        return AKSSL_OK;
    }
    if (pairs->count == AK_SPEC_MAX_PAIRS)
        return ak_fail(AKSSL_ERR_LIMIT, "more than %d key=value pairs: remove some",
                       AK_SPEC_MAX_PAIRS);
    pairs->keys = ak_realloc(pairs->keys, (size_t)pairs->count + 1, sizeof *pairs->keys);
    pairs->values = ak_realloc(pairs->values, (size_t)pairs->count + 1, sizeof *pairs->values);
    pairs->keys[pairs->count] = ak_strdup(key);
    pairs->values[pairs->count++] = ak_strdup(value);
    return AKSSL_OK;
}

// "a=1,b=2": a comma separates only where a key= follows it, so that values may hold commas.
static akssl_status set_pairs(ak_spec_pairs *pairs, const char *name, char *text)
{
    akssl_status rc;

    while (text) {
        char *equals = strchr(text, '=');
        char *next = NULL;

        if (!equals)
            return ak_fail(AKSSL_ERR_INVALID, "%s '%.64s': give key=value", name, text);
        for (char *comma = strchr(equals, ','); comma && !next; comma = strchr(comma + 1, ','))
            if (comma[1 + strcspn(comma + 1, ",=")] == '=')
                next = comma;
        if (next)
            *next++ = '\0';
        *equals = '\0';
        rc = ak_spec_pair(pairs, text, equals + 1);
        if (rc < 0)
            return ak_wrap(rc, "%s", name);
        text = next;
    }
    return AKSSL_OK;
}

static void pairs_copy(ak_spec_pairs *to, const ak_spec_pairs *from)
{
    for (int i = 0; i < from->count; i++)
        if (ak_spec_pair(to, from->keys[i], from->values[i]) < 0)
            abort(); // from kept the bounds already
}

akssl_status ak_spec_set(ak_spec *spec, const char *name, const char *value)
{
    const ak_option *row = ak_option_find(table, name);
    ak_spec_pairs *pairs = NULL;
    ak_spec_pairs merged = { 0 };
    akssl_status rc;
    char *copy;

    if (strlen(value) > AK_SPEC_MAX_TEXT)
        return ak_fail(AKSSL_ERR_INVALID, "%.64s: a value over %d bytes", name, AK_SPEC_MAX_TEXT);
    if (!ak_str_is_utf8(value))
        return ak_fail(AKSSL_ERR_INVALID, "%.64s: the value is not UTF-8: give it as such", name);
    if (strcmp(name, "option") == 0)
        pairs = &spec->option;
    else if (strcmp(name, "augment") == 0)
        pairs = &spec->augment;
    if (!pairs) {
        rc = ak_option_set(table, spec, name, value);
        if (rc == AKSSL_OK)
            spec->given[row - table] = true;
        return rc;
    }
    copy = ak_strdup(value);
    pairs_copy(&merged, pairs);
    rc = set_pairs(&merged, name, copy);
    if (rc == 0) {
        ak_spec_pairs_fini(pairs);
        *pairs = merged;
    } else {
        ak_spec_pairs_fini(&merged);
    }
    free(copy);
    return rc;
}

akssl_status ak_spec_check_ranks(const ak_spec *spec, int64_t ranks)
{
    if (ranks && spec->shards % ranks)
        return ak_fail(AKSSL_ERR_INVALID,
                       "ranks %" PRId64 " do not divide shards %" PRId64 ": give 1, 2, 4, ...",
                       ranks, spec->shards);
    return AKSSL_OK;
}

void ak_spec_copy(ak_spec *to, const ak_spec *from)
{
    ak_spec_init(to);
    for (const ak_option *row = table; row->name; row++) {
        const char *source = (const char *)from + row->offset;
        char *target = (char *)to + row->offset;

        if (row->type == AK_OPTION_TYPE_STRING) {
            free(*(char **)target);
            *(char **)target = ak_strdup(*(char *const *)source);
        } else {
            memcpy(target, source, sizeof(int64_t));
        }
    }
    memcpy(to->given, from->given, sizeof to->given);
    pairs_copy(&to->option, &from->option);
    pairs_copy(&to->augment, &from->augment);
}
