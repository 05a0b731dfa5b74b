// worker/data/folder.c -- images in folders, a folder a class: torchvision's ImageFolder.
//
//     FOLDER/[train|val/]CLASS/[.../]NAME.{jpg,jpeg,png,webp}
//
// Classes are the sorted folder names; images come class by class, in ImageFolder's order: by the
// folder they lie in, then by name, byte by byte.  Without class folders the images that lie in the
// folder itself have no labels.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "worker/data/files.h"
#include "worker/data/kind.h"
#include "worker/data/listing.h"

enum { DEPTH = 16, PATH = 4096, LABELS = 1000000 };

static bool is_image(const char *name)
{
    static const char *const ends[] = { ".jpg", ".jpeg", ".png", ".webp" };
    const char *dot = strrchr(name, '.');

    for (size_t i = 0; dot && i < sizeof ends / sizeof *ends; i++)
        if (strcasecmp(dot, ends[i]) == 0)
            return true;
    return false;
}

// A folder on the way down, to notice a link that leads back up.
typedef struct way {
    const struct way *above;
    uint64_t device, number;
    int depth;
} way;

static bool been_there(const way *w, const ak_entry *e)
{
    for (; w; w = w->above)
        if (w->device == e->device && w->number == e->number)
            return true;
    return false;
}

static akssl_status add_image(ak_files *files, const char *inside, const ak_entry *e, int64_t label)
{
    ak_str name = AK_STR_INIT;
    ak_file file = { .path = 0, .offset = -1, .size = e->size };

    if (inside[0])
        ak_str_format(&name, "%s/", inside);
    ak_str_append(&name, e->name);
    file.name = ak_str_take(&name);
    return ak_files_add(files, file, label);
}

// Adds the images below root/inside; those in the folder itself first, as a walk from the top does.
static akssl_status walk(ak_files *files, const char *inside, int64_t label, const way *here)
{
    char path[PATH], below[PATH];
    ak_listing l = { 0 };
    akssl_status rc;

    snprintf(path, sizeof path, "%.*s/%.*s", PATH / 2, files->paths[0], PATH / 2 - 2, inside);
    rc = ak_listing_read(&l, path);
    for (int64_t i = 0; rc == AKSSL_OK && i < l.count; i++)
        if (!l.entry[i].folder && is_image(l.entry[i].name))
            rc = add_image(files, inside, &l.entry[i], label);
    for (int64_t i = 0; rc == AKSSL_OK && i < l.count; i++) {
        const ak_entry *e = &l.entry[i];
        way next = { here, e->device, e->number, here->depth + 1 };

        if (!e->folder || been_there(here, e))
            continue;
        if (next.depth > DEPTH || strlen(inside) + strlen(e->name) + 2 > PATH / 2)
            rc = ak_fail(AKSSL_ERR_LIMIT, "'%.512s' holds folders over %d deep", path, DEPTH);
        snprintf(below, sizeof below, "%.*s/%.*s", PATH / 2, inside, PATH / 2 - 2, e->name);
        if (rc == AKSSL_OK)
            rc = walk(files, below, label, &next);
    }
    ak_listing_fini(&l);
    return rc;
}

// ---- classes

// The classes of both parts are those of the training part, so that a class that the held-out part
// lacks moves no label.
static akssl_status list_classes(const char *folder, char ***names, int64_t *count)
{
    ak_listing l = { 0 };
    akssl_status rc = ak_listing_read(&l, folder);
    char **out;

    if (rc < 0)
        return rc;
    out = ak_alloc((size_t)l.count + 1, sizeof *out);
    *count = 0;
    for (int64_t i = 0; i < l.count; i++)
        if (l.entry[i].folder)
            out[(*count)++] = ak_strdup(l.entry[i].name);
    ak_listing_fini(&l);
    *names = out;
    return AKSSL_OK;
}

static int64_t class_of(const ak_dataset *set, const char *name)
{
    for (int64_t c = 0; c < set->classes; c++)
        if (strcmp(set->class_names[c], name) == 0)
            return c;
    return -1;
}

static akssl_status add_class(ak_dataset *set, ak_files *files, const ak_entry *e, const way *top)
{
    int64_t label = class_of(set, e->name), before = files->count;
    way here = { top, e->device, e->number, 1 };
    akssl_status rc;

    if (label < 0)
        return ak_fail(AKSSL_ERR_CORRUPT,
                       "'%.512s' has a class '%.128s' that the training images "
                       "do not have",
                       files->paths[0], e->name);
    rc = walk(files, e->name, label, &here);
    if (rc == AKSSL_OK && files->count == before)
        rc =
            ak_fail(AKSSL_ERR_NOT_FOUND, "'%.512s/%.128s' holds no .jpg, .jpeg, .png or .webp file",
                    files->paths[0], e->name);
    return rc;
}

static akssl_status add_all(ak_dataset *set, ak_files *files, const ak_listing *top)
{
    const way root = { 0 };
    akssl_status rc = AKSSL_OK;

    for (int64_t i = 0; rc == AKSSL_OK && i < top->count; i++)
        if (top->entry[i].folder)
            rc = add_class(set, files, &top->entry[i], &root);
        else if (!set->classes && is_image(top->entry[i].name))
            rc = add_image(files, "", &top->entry[i], -1);
    if (rc == AKSSL_OK && !files->count)
        rc = ak_fail(AKSSL_ERR_NOT_FOUND, "'%.512s' holds no .jpg, .jpeg, .png or .webp file",
                     files->paths[0]);
    return rc;
}

static akssl_status fill(ak_dataset *set, const char *folder, const char *classes, int64_t limit)
{
    ak_files files = { 0 };
    ak_listing top = { 0 };
    akssl_status rc = list_classes(classes, &set->class_names, &set->classes);

    if (rc == AKSSL_OK && set->classes > LABELS)
        rc = ak_fail(AKSSL_ERR_LIMIT, "'%.512s' has over %d class folders", classes, LABELS);
    if (rc == AKSSL_OK)
        rc = ak_listing_read(&top, folder);
    ak_files_path(&files, folder);
    if (rc == AKSSL_OK)
        rc = add_all(set, &files, &top);
    if (rc == AKSSL_OK)
        ak_files_give(&files, set, limit);
    ak_files_fini(&files);
    ak_listing_fini(&top);
    return rc;
}

// ---- parts

static akssl_status join(char out[PATH], const char *folder, const char *name)
{
    int n = snprintf(out, PATH, "%s/%s", folder, name);

    return n < 0 || n >= PATH / 2
               ? ak_fail(AKSSL_ERR_INVALID, "folder name of %zu bytes", strlen(folder))
               : AKSSL_OK;
}

static const char *const held_out[] = { "val", "validation", "valid", "test" };

enum { HELD_OUT = sizeof held_out / sizeof *held_out };

static const char *find_held_out(const ak_listing *l)
{
    for (int i = 0; i < HELD_OUT; i++)
        if (ak_listing_has(l, held_out[i]))
            return held_out[i];
    return NULL;
}

static bool is_part(const char *name)
{
    for (int i = 0; i < HELD_OUT; i++)
        if (strcmp(name, held_out[i]) == 0)
            return true;
    return strcmp(name, "train") == 0;
}

// What a folder holds itself.  One that may not be read (lost+found) holds nothing.
static akssl_status look_into(const char *folder, const char *name, bool *folders, bool *images)
{
    char path[PATH];
    ak_listing l = { 0 };
    akssl_status rc = join(path, folder, name);

    if (rc == AKSSL_OK)
        rc = ak_listing_read(&l, path);
    *folders = *images = false;
    for (int64_t i = 0; i < l.count; i++) {
        *folders = *folders || l.entry[i].folder;
        *images = *images || (!l.entry[i].folder && is_image(l.entry[i].name));
    }
    ak_listing_fini(&l);
    return rc == AKSSL_ERR_PERMISSION ? AKSSL_OK : rc;
}

// The first folder beside train that could be a class, NULL if there is none.
static akssl_status find_class(const char *folder, const ak_listing *l, const char **found)
{
    akssl_status rc = AKSSL_OK;

    *found = NULL;
    for (int64_t i = 0; rc == AKSSL_OK && !*found && i < l->count; i++) {
        bool folders, images;

        if (!l->entry[i].folder || is_part(l->entry[i].name))
            continue;
        rc = look_into(folder, l->entry[i].name, &folders, &images);
        if (rc == AKSSL_OK && (folders || images))
            *found = l->entry[i].name;
    }
    return rc;
}

// Whether a folder that holds train has it as a part, and not as a class.
static akssl_status train_is_part(const char *folder, const ak_listing *l, bool *parted)
{
    bool held = find_held_out(l), folders, images;
    const char *class;
    akssl_status rc = find_class(folder, l, &class);

    *parted = true;
    if (rc < 0 || !class)
        return rc;
    rc = look_into(folder, "train", &folders, &images);
    if (rc < 0)
        return rc;
    *parted = folders;
    return folders == held ? AKSSL_OK
                           : ak_fail(AKSSL_ERR_INVALID,
                                     "'%.512s' holds 'train' and '%.128s', which are classes or "
                                     "are not: give folder:%.512s/train if that is all to train "
                                     "on, else give the class 'train' another name",
                                     folder, class, folder);
}

// FOLDER/train if that is a part, else FOLDER itself; FOLDER/val or the like.
static akssl_status find_part(const char *folder, ak_split split, char part[PATH])
{
    ak_listing l = { 0 };
    bool parted = false, train;
    const char *name;
    akssl_status rc = ak_listing_read(&l, folder);

    train = ak_listing_has(&l, "train");
    if (rc == AKSSL_OK && train)
        rc = train_is_part(folder, &l, &parted);
    name = parted ? find_held_out(&l) : NULL;
    ak_listing_fini(&l);
    if (rc < 0)
        return rc;
    if (split == AK_SPLIT_TRAIN)
        return join(part, folder, parted ? "train" : ".");
    if (!name && train && !parted)
        return ak_fail(AKSSL_ERR_NOT_FOUND,
                       "there is no held-out part, 'train' being a class of '%.512s': give "
                       "folder:FOLDER,test=FOLDER",
                       folder);
    if (!name)
        return ak_fail(AKSSL_ERR_NOT_FOUND,
                       "there is no held-out part: put it beside '%.512s/train' as val or test, or "
                       "give folder:FOLDER,test=FOLDER",
                       folder);
    return join(part, folder, name);
}

static akssl_status open_set(ak_dataset *set, const char *argument, ak_split split, int64_t limit)
{
    char folder[PATH], train[PATH], part[PATH];
    bool named;
    akssl_status rc;

    if (!argument || !*argument)
        return ak_fail(AKSSL_ERR_INVALID, "give a folder of class folders, as folder:/data/images");
    rc = ak_dataset_place(argument, AK_SPLIT_TRAIN, folder, &named);
    if (rc == AKSSL_OK)
        rc = find_part(folder, AK_SPLIT_TRAIN, train);
    if (rc < 0 || split == AK_SPLIT_TRAIN)
        return rc < 0 ? rc : fill(set, train, train, limit);
    if (named)
        rc = ak_dataset_place(argument, split, part, &named);
    else
        rc = find_part(folder, split, part);
    return rc == AKSSL_OK ? fill(set, part, train, limit) : rc;
}

const ak_dataset_kind ak_dataset_folder = {
    .name = "folder",
    .title =
        "JPEG, PNG and WebP files, a folder a class (ImageFolder), in FOLDER or in its train and "
        "val or test; without class folders unlabelled",
    .argument = "FOLDER[,test=FOLDER]",
    .open = open_set,
};
