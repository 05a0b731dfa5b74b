// worker/data/tar.c -- images and labels in tar shards: WebDataset.
//
// Members that follow one another and share their name up to its first dot are a sample:
// 0001.jpg 0001.cls 0001.json.  Its image is the first member whose name ends in .jpg, .jpeg, .png
// or .webp; its label is what .cls holds, else "label" or "cls" of the object in .json, else the
// number in .txt (other text there is a caption).  A label is a number from 0, or a class's name:
// then classes are numbered in the order of their names' bytes.
//
// Images have one global order, that of the shards as named, so that a shard is nobody's: each rank
// reads the pieces of files that its images are in.

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "worker/data/archive.h"
#include "worker/data/files.h"
#include "worker/data/kind.h"
#include "worker/data/shards.h"

enum { PATH = 4096, TEXT = 1 << 20, LABEL_MOST = 999999, NAME = 256, EXTENSIONS = 32 };

// Where a label was found: what counts more has the larger number.
enum { NONE, FROM_TXT, FROM_JSON, FROM_CLS };

typedef struct sample {
    char key[PATH], extensions[EXTENSIONS][16];
    int extension_count, from;
    ak_file image;  // name NULL: none yet
    int64_t number; // -1: by name
    char name[NAME];
} sample;

typedef struct part {
    ak_files files;
    char **names; // [files.count]: a label that is a name, else NULL
    int64_t named, numbered;
    bool glance;      // no further than the first shard with labels
    const char *path; // of the shard at hand
    sample at;
} part;

static void part_fini(part *p)
{
    for (int64_t i = 0; p->names && i < p->files.count; i++)
        free(p->names[i]);
    free(p->names);
    free(p->at.image.name);
    ak_files_fini(&p->files);
}

// ---- labels

static akssl_status wrong_label(const part *p, const ak_member *m, const char *what)
{
    return ak_fail(AKSSL_ERR_CORRUPT, "'%.512s': label '%.256s' %s", p->path, m->name, what);
}

static akssl_status take_number(part *p, const ak_member *m, int64_t number, int from)
{
    if (number < 0 || number > LABEL_MOST)
        return wrong_label(p, m, "is not in 0 to 999999");
    p->at.number = number;
    p->at.from = from;
    return AKSSL_OK;
}

static akssl_status take_text(part *p, const ak_member *m, char *text, int from)
{
    char *end = text + strlen(text), *digits;
    int64_t number;

    while (end > text && strchr(" \t\r\n", end[-1]))
        *--end = '\0';
    text += strspn(text, " \t\r\n");
    errno = 0;
    number = strtoll(text, &digits, 10);
    if (digits != text && !*digits)
        return take_number(p, m, errno ? -1 : number, from);
    if (from == FROM_TXT)
        return AKSSL_OK;
    if (!*text || strlen(text) >= NAME)
        return wrong_label(p, m, "is neither a number nor the name of a class");
    strcpy(p->at.name, text);
    p->at.number = -1;
    p->at.from = from;
    return AKSSL_OK;
}

static akssl_status take_json(part *p, const ak_member *m, const char *text)
{
    json_error_t error;
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    json_t *label = json_object_get(root, "label");
    akssl_status rc = AKSSL_OK;

    label = label ? label : json_object_get(root, "cls");
    if (!root) {
        rc = wrong_label(p, m, "is no JSON");
    } else if (json_is_integer(label)) {
        rc = take_number(p, m, json_integer_value(label), FROM_JSON);
    } else if (json_is_string(label)) {
        char *copy = ak_strdup(json_string_value(label));

        rc = take_text(p, m, copy, FROM_JSON);
        free(copy);
    }
    json_decref(root);
    return rc;
}

static akssl_status read_label(part *p, int fd, const ak_member *m, int from)
{
    char *text;
    akssl_status rc = AKSSL_OK;

    if (from < p->at.from)
        return AKSSL_OK;
    if (m->size > TEXT)
        return from == FROM_CLS ? wrong_label(p, m, "is over a megabyte long") : AKSSL_OK;
    text = ak_alloc((size_t)m->size + 1, 1);
    if (pread(fd, text, (size_t)m->size, m->offset) != m->size)
        rc = ak_fail(AKSSL_ERR_IO, "'%.512s' cannot be read", p->path);
    else if (strlen(text) != (size_t)m->size)
        rc = from == FROM_TXT ? AKSSL_OK : wrong_label(p, m, "is no text");
    else if (from == FROM_JSON)
        rc = take_json(p, m, text);
    else
        rc = take_text(p, m, text, from);
    free(text);
    return rc;
}

// ---- samples

static akssl_status end_sample(part *p)
{
    sample *s = &p->at;
    bool labelled = s->from != NONE;
    akssl_status rc;

    if (!s->image.name) { // nothing to train on
        *s = (sample){ .number = -1 };
        return AKSSL_OK;
    }
    rc = ak_files_add(&p->files, s->image, labelled ? s->number : -1);
    s->image.name = NULL;
    if (rc < 0)
        return rc;
    p->names = ak_realloc(p->names, (size_t)p->files.room, sizeof *p->names);
    p->names[p->files.count - 1] = labelled && s->number < 0 ? ak_strdup(s->name) : NULL;
    p->named += labelled && s->number < 0;
    p->numbered += labelled && s->number >= 0;
    *s = (sample){ .number = -1 };
    return AKSSL_OK;
}

// A sample with two members of one kind is two samples of one name.
static akssl_status note_extension(part *p, const ak_member *m, const char *extension)
{
    sample *s = &p->at;

    if (strlen(extension) >= sizeof s->extensions[0])
        return AKSSL_OK;
    for (int i = 0; i < s->extension_count; i++)
        if (strcasecmp(s->extensions[i], extension) == 0)
            return ak_fail(AKSSL_ERR_CORRUPT, "'%.512s': '%.256s' is there twice", p->path,
                           m->name);
    if (s->extension_count < EXTENSIONS)
        strcpy(s->extensions[s->extension_count++], extension);
    return AKSSL_OK;
}

static bool is_image(const char *extension)
{
    static const char *const ends[] = { "jpg", "jpeg", "png", "webp" };
    const char *dot = strrchr(extension, '.'), *last = dot ? dot + 1 : extension;

    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (strcasecmp(last, ends[i]) == 0)
            return true;
    return false;
}

static akssl_status take_member(void *ctx, int fd, const ak_member *m)
{
    part *p = ctx;
    const char *slash = strrchr(m->name, '/'), *base = slash ? slash + 1 : m->name;
    const char *dot = strchr(base, '.');
    akssl_status rc = AKSSL_OK;

    if (!dot || dot == base) // no kind, or hidden
        return AKSSL_OK;
    if (strncmp(p->at.key, m->name, (size_t)(dot - m->name)) != 0 ||
        p->at.key[dot - m->name] != '\0') {
        rc = end_sample(p);
        snprintf(p->at.key, sizeof p->at.key, "%.*s", (int)(dot - m->name), m->name);
    }
    if (rc == AKSSL_OK)
        rc = note_extension(p, m, dot + 1);
    if (rc < 0)
        return rc;
    if (!p->at.image.name && is_image(dot + 1))
        p->at.image =
            (ak_file){ ak_strdup(m->name), (uint32_t)p->files.path_count - 1, m->offset, m->size };
    else if (strcasecmp(dot, ".cls") == 0)
        return read_label(p, fd, m, FROM_CLS);
    else if (strcasecmp(dot, ".json") == 0)
        return read_label(p, fd, m, FROM_JSON);
    else if (strcasecmp(dot, ".txt") == 0)
        return read_label(p, fd, m, FROM_TXT);
    return AKSSL_OK;
}

static akssl_status read_shards(part *p, const ak_shards *shards, const char *place)
{
    akssl_status rc = AKSSL_OK;

    p->at = (sample){ .number = -1 };
    for (int64_t i = 0; rc == AKSSL_OK && i < shards->count; i++) {
        if (p->glance && p->named + p->numbered)
            break;
        p->path = shards->path[i];
        ak_files_path(&p->files, p->path);
        rc = ak_archive_list(p->path, take_member, p);
        if (rc == AKSSL_OK)
            rc = end_sample(p); // no sample spans two shards
    }
    if (rc == AKSSL_OK && !p->files.count)
        rc = ak_fail(AKSSL_ERR_NOT_FOUND,
                     "'%.512s' holds no .jpg, .jpeg, .png or .webp file in a .tar", place);
    if (rc == AKSSL_OK && p->named && p->numbered)
        rc = ak_fail(AKSSL_ERR_CORRUPT, "'%.512s': some labels are numbers, others are names",
                     place);
    return rc;
}

// ---- places

static akssl_status find_shards(ak_shards *shards, const char *place, ak_split split)
{
    struct stat st;

    return stat(place, &st) == 0 && S_ISDIR(st.st_mode) ? ak_shards_list(shards, place, split)
                                                        : ak_shards_expand(shards, place);
}

static akssl_status read_part(part *p, const char *argument, ak_split split)
{
    char place[PATH];
    ak_shards shards = { 0 };
    struct stat st;
    bool named;
    akssl_status rc = ak_dataset_place(argument, split, place, &named);

    if (rc == AKSSL_OK && split == AK_SPLIT_TEST && !named &&
        (stat(place, &st) < 0 || !S_ISDIR(st.st_mode)))
        rc = ak_fail(AKSSL_ERR_NOT_FOUND, "there is no held-out part: give it as "
                                          "tar:SHARDS,test=SHARDS");
    if (rc == AKSSL_OK)
        rc = find_shards(&shards, place, split);
    if (rc == AKSSL_OK)
        rc = read_shards(p, &shards, place);
    ak_shards_fini(&shards);
    return rc;
}

// ---- classes

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

// The classes are the training part's names, each once.
static void list_classes(ak_dataset *set, const part *train)
{
    char **sorted = ak_alloc((size_t)train->named, sizeof *sorted);
    int64_t count = 0;

    for (int64_t i = 0; i < train->files.count; i++)
        if (train->names[i])
            sorted[count++] = train->names[i];
    qsort(sorted, (size_t)count, sizeof *sorted, by_text);
    for (int64_t i = 0; i < count; i++)
        if (!i || strcmp(sorted[i], sorted[i - 1]) != 0)
            sorted[set->classes++] = sorted[i];
    for (int64_t c = 0; c < set->classes; c++)
        sorted[c] = ak_strdup(sorted[c]);
    set->class_names = sorted;
}

static akssl_status name_labels(ak_dataset *set, part *p)
{
    for (int64_t i = 0; i < p->files.count; i++) {
        char **found = p->names[i] ? bsearch(&p->names[i], set->class_names, (size_t)set->classes,
                                             sizeof *set->class_names, by_text)
                                   : NULL;

        if (p->names[i] && !found)
            return ak_fail(AKSSL_ERR_CORRUPT,
                           "image '%.256s' has the class '%.128s', which no training image has",
                           p->files.file[i].name, p->names[i]);
        p->files.labels[i] = found ? found - set->class_names : -1;
    }
    return AKSSL_OK;
}

// Held-out labels that are numbers are compared as they are.
static akssl_status check_numbers(const part *p, const char *argument)
{
    part train = { .glance = true };
    akssl_status rc;

    if (!p->numbered)
        return AKSSL_OK;
    rc = read_part(&train, argument, AK_SPLIT_TRAIN);
    if (rc == AKSSL_ERR_NOT_FOUND)
        rc = AKSSL_OK; // nothing to compare them with
    if (rc == AKSSL_OK && train.named)
        rc = ak_fail(AKSSL_ERR_CORRUPT, "labels of the held-out part are numbers, those of the "
                                        "training part are names");
    part_fini(&train);
    return rc;
}

static akssl_status settle_labels(ak_dataset *set, part *p, const char *argument, ak_split split)
{
    part train = { 0 };
    akssl_status rc = AKSSL_OK;

    for (int64_t i = 0; !p->named && i < p->files.count; i++)
        if (p->files.labels[i] >= set->classes)
            set->classes = p->files.labels[i] + 1;
    if (!p->named)
        return split == AK_SPLIT_TEST ? check_numbers(p, argument) : AKSSL_OK;
    if (split == AK_SPLIT_TEST)
        rc = read_part(&train, argument, AK_SPLIT_TRAIN);
    if (rc == AKSSL_OK && split == AK_SPLIT_TEST && !train.named)
        rc = ak_fail(AKSSL_ERR_CORRUPT, "labels of the held-out part are names, those of the "
                                        "training part are not");
    if (rc == AKSSL_OK) {
        list_classes(set, split == AK_SPLIT_TEST ? &train : p);
        rc = name_labels(set, p);
    }
    part_fini(&train);
    return rc;
}

static akssl_status open_set(ak_dataset *set, const char *argument, ak_split split, int64_t limit)
{
    part p = { 0 };
    akssl_status rc;

    if (!argument || !*argument)
        return ak_fail(AKSSL_ERR_INVALID, "give shards, as tar:/data/train-{000..009}.tar");
    rc = read_part(&p, argument, split);
    if (rc == AKSSL_OK)
        rc = settle_labels(set, &p, argument, split);
    for (int64_t i = 0; p.names && i < p.files.count; i++)
        free(p.names[i]);
    free(p.names);
    p.names = NULL;
    if (rc == AKSSL_OK)
        ak_files_give(&p.files, set, limit);
    part_fini(&p);
    return rc;
}

const ak_dataset_kind ak_dataset_tar = {
    .name = "tar",
    .title = "images and labels in tar shards (WebDataset), as train-{000..009}.tar or a folder of "
             "train*.tar and val*.tar",
    .argument = "SHARDS[,test=SHARDS]",
    .open = open_set,
};
