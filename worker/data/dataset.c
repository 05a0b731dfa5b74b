// worker/data/dataset.c -- the table of data sets, and what all of them share.

#include "worker/data/dataset.h"

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "worker/data/bad.h"
#include "worker/data/kept.h"
#include "worker/data/kind.h"
#include "worker/data/select.h"
#include "worker/image/shrink.h"

#define AK_DATASET(name) extern const ak_dataset_kind ak_dataset_##name;
#include "worker/data/datasets.def"
#undef AK_DATASET

static const ak_dataset_kind *const kinds[] = {
#define AK_DATASET(name) &ak_dataset_##name,
#include "worker/data/datasets.def"
#undef AK_DATASET
};

enum { KINDS = sizeof kinds / sizeof *kinds, IMAGES_MOST = 1 << 30 };

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

static akssl_status open_kind(ak_dataset *set, const ak_dataset_ask *ask)
{
    const char *colon = strchr(ask->name, ':');
    size_t length = colon ? (size_t)(colon - ask->name) : strlen(ask->name);
    const ak_dataset_kind *kind = find(ask->name, length);
    bool chosen = (ask->list && ask->list[0]) || (ask->classes && ask->classes[0]);
    akssl_status rc;

    if (!*ask->name)
        return ak_fail(AKSSL_ERR_INVALID, "no data set given: name one, as fashion-mnist");
    if (!kind)
        return unknown(ask->name);
    if (colon && !kind->argument)
        return ak_fail(AKSSL_ERR_INVALID, "data set '%.128s' takes nothing behind a colon",
                       ask->name);
    rc = kind->open(set, colon ? colon + 1 : NULL, ask->split, chosen ? 0 : ask->limit);
    if (rc == AKSSL_OK && set->size > IMAGES_MOST)
        rc = ak_fail(AKSSL_ERR_LIMIT, "%" PRId64 " images are too many: at most %d", set->size,
                     IMAGES_MOST);
    if (rc == AKSSL_OK)
        rc = ak_select(set, ask);
    return rc < 0 ? ak_wrap(rc, "data set '%.128s'", ask->name) : rc;
}

akssl_status ak_dataset_open(ak_dataset **out, const ak_dataset_ask *ask)
{
    ak_dataset *set = ak_alloc(1, sizeof *set);
    akssl_status rc;

    set->look = ask->look;
    rc = open_kind(set, ask);

    if (rc == AKSSL_OK && set->source)
        rc = ak_bad_new(&set->bad, set->size);
    if (rc < 0) {
        ak_dataset_close(set);
        return rc;
    }
    set->skip_bad = ask->skip_bad;
    *out = set;
    return AKSSL_OK;
}

void ak_dataset_close(ak_dataset *set)
{
    if (!set)
        return;
    if (set->source && set->source->close)
        set->source->close(set->self);
    for (int64_t i = 0; set->class_names && i < set->classes; i++)
        free(set->class_names[i]);
    free(set->class_names);
    free(set->pixels);
    free(set->labels);
    free(set->chosen);
    ak_bad_free(set->bad);
    ak_kept_free(set->kept);
    free(set);
}

int64_t ak_dataset_size(const ak_dataset *set)
{
    return set->size;
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

const char *ak_dataset_class(const ak_dataset *set, int64_t label)
{
    return set->class_names && label >= 0 && label < set->classes ? set->class_names[label] : NULL;
}

static int64_t stored_index(const ak_dataset *set, int64_t index)
{
    assert(index >= 0 && index < set->size);
    return set->chosen ? set->chosen[index] : index;
}

void ak_dataset_name(const ak_dataset *set, int64_t index, ak_str *text)
{
    int64_t at = stored_index(set, index);

    if (set->source && set->source->name)
        set->source->name(set->self, at, text);
    else
        ak_str_format(text, "%" PRId64, at);
}

// ---- reading

// Whoever reads another image no longer needs the last one.
static void forget(ak_reading *reading)
{
    if (reading->held)
        ak_kept_rele(reading->set->kept, reading->held);
    reading->held = NULL;
    reading->set = NULL;
}

void ak_reading_fini(ak_reading *reading)
{
    forget(reading);
    ak_image_room_fini(&reading->room);
    free(reading->stored);
    *reading = (ak_reading){ 0 };
}

akssl_status ak_stored_reserve(ak_stored *stored, size_t size, uint8_t **bytes)
{
    ak_reading *r = stored->reading;

    if (size > r->stored_room || !r->stored) {
        uint8_t *more = malloc(size ? size : 1);

        if (!more)
            return ak_fail(AKSSL_ERR_NO_MEMORY, "no memory for an image's %zu bytes", size);
        free(r->stored);
        r->stored = more;
        r->stored_room = size;
    }
    stored->bytes = *bytes = r->stored;
    stored->size = size;
    return AKSSL_OK;
}

static bool by_its_bytes(akssl_status rc)
{
    return rc == AKSSL_ERR_CORRUPT || rc == AKSSL_ERR_LIMIT || rc == AKSSL_ERR_UNSUPPORTED;
}

static akssl_status read_one(const ak_dataset *set, int64_t index, int64_t least,
                             ak_reading *reading, ak_image *out)
{
    ak_kept *kept = least == set->kept_least ? set->kept : NULL;
    ak_stored stored = { .reading = reading };
    int64_t at = stored_index(set, index);
    akssl_status rc;

    reading->held = kept ? ak_kept_hold(kept, index, out) : NULL;
    if (reading->held) {
        reading->set = set; // whose it is
        return AKSSL_OK;
    }
    rc = set->source->load(set->self, at, &stored);
    if (rc < 0)
        return rc;
    if (set->source->picture) {
        rc = set->source->picture(set->self, at, &stored, &reading->room, out);
        return rc < 0 ? rc : ak_shrink(&reading->room, least, out);
    }
    rc = ak_decode(stored.bytes, stored.size, least, &reading->room, out);
    if (rc == AKSSL_OK && kept)
        ak_kept_offer(kept, index, out, stored.size, false);
    return rc;
}

static akssl_status wrap_name(const ak_dataset *set, int64_t index, akssl_status rc)
{
    ak_str name = AK_STR_INIT;

    ak_dataset_name(set, index, &name);
    rc = ak_wrap(rc, "image '%.256s'", name.text);
    ak_str_fini(&name);
    return rc;
}

// The sentence of a bad image is the thread's last.
static void note_bad(const ak_dataset *set, int64_t index, akssl_status rc)
{
    (void)wrap_name(set, index, rc);
    ak_bad_add(set->bad, index, ak_error_text());
}

// The next image of the same label, round the end, that is not bad.  What is known to be bad only
// saves the attempt: the outcome does not depend on it.
static akssl_status stand_in(const ak_dataset *set, int64_t index, int64_t least,
                             ak_reading *reading, ak_image *out)
{
    int64_t label = ak_dataset_label(set, index);

    for (int64_t k = 1; k < set->size; k++) {
        int64_t other = (index + k) % set->size;
        akssl_status rc;

        if (ak_dataset_label(set, other) != label || ak_bad_is(set->bad, other))
            continue;
        rc = read_one(set, other, least, reading, out);
        if (!by_its_bytes(rc))
            return rc < 0 ? wrap_name(set, other, rc) : rc;
        note_bad(set, other, rc);
    }
    return ak_fail(AKSSL_ERR_CORRUPT,
                   "every image of label %" PRId64 " is bad: the last of them: %.512s", label,
                   ak_error_text());
}

static akssl_status read_new(const ak_dataset *set, int64_t index, int64_t least,
                             ak_reading *reading, ak_image *out)
{
    bool known = ak_bad_is(set->bad, index);
    akssl_status rc = known ? AKSSL_ERR_CORRUPT : read_one(set, index, least, reading, out);

    if (!by_its_bytes(rc))
        return rc < 0 ? wrap_name(set, index, rc) : rc;
    if (!known)
        note_bad(set, index, rc);
    if (set->skip_bad)
        return stand_in(set, index, least, reading, out);
    return ak_fail(rc, "%.800s: repair or remove it, or give --on-bad-image skip", ak_error_text());
}

akssl_status ak_dataset_read(const ak_dataset *set, int64_t index, int64_t least,
                             ak_reading *reading, ak_image *out)
{
    akssl_status rc;

    if (set->pixels) {
        size_t one = (size_t)(set->height * set->width * set->channels);

        *out = (ak_image){ set->pixels + (size_t)stored_index(set, index) * one, set->height,
                           set->width, set->channels };
        return ak_shrink(&reading->room, least, out);
    }
    if (reading->set == set && reading->index == index && reading->least == least) {
        *out = reading->image;
        return AKSSL_OK;
    }
    forget(reading);
    rc = read_new(set, index, least, reading, &reading->image);
    if (rc < 0)
        return rc;
    reading->set = set;
    reading->index = index;
    reading->least = least;
    *out = reading->image;
    return AKSSL_OK;
}

bool ak_dataset_decodes(const ak_dataset *set)
{
    return set->source && !set->source->picture;
}

void ak_dataset_keep(ak_dataset *set, int64_t least, size_t bytes)
{
    assert(!set->kept);
    if (!ak_dataset_decodes(set))
        return;
    set->kept = ak_kept_new(set->size, bytes);
    set->kept_least = least;
}

ak_kept_key ak_dataset_kept(const ak_dataset *set)
{
    return set->kept ? ak_kept_key_of(set->kept) : (ak_kept_key){ 0 };
}

bool ak_dataset_keep_with(ak_dataset *set, int64_t least, size_t bytes, const ak_kept_key *key)
{
    assert(!set->kept && ak_dataset_decodes(set));
    set->kept = key->process ? ak_kept_join(set->size, bytes, key) : NULL;
    set->kept_least = least;
    return set->kept;
}

void ak_dataset_keep_nothing(ak_dataset *set)
{
    ak_kept_free(set->kept);
    set->kept = NULL;
}

bool ak_dataset_keeps(const ak_dataset *set)
{
    return set->kept;
}

void ak_dataset_ahead(const ak_dataset *set, int64_t index, ak_reading *reading)
{
    ak_stored stored = { .reading = reading };
    ak_image image;

    assert(set->kept);
    if (ak_bad_is(set->bad, index) || ak_kept_want(set->kept, index))
        return;
    if (set->source->load(set->self, stored_index(set, index), &stored) == AKSSL_OK &&
        ak_decode(stored.bytes, stored.size, set->kept_least, &reading->room, &image) == AKSSL_OK)
        ak_kept_offer(set->kept, index, &image, stored.size, true);
}

bool ak_dataset_bad(const ak_dataset *set, int64_t index)
{
    return set->bad && ak_bad_is(set->bad, index);
}

bool ak_dataset_next_bad(const ak_dataset *set, ak_str *sentence)
{
    return set->bad && ak_bad_next(set->bad, sentence);
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
