// worker/data/stl10.c -- STL-10 (Coates et al. 2011), the binary version: 5000 + 8000 labelled and
// 100000 unlabelled images of 96 x 96.
//
// X files: images as red, green and blue plane, each column by column; y files: a byte an image,
// from 1.  The training part is train_X and, if it is there, unlabeled_X behind it, whose images
// have no labels.  Pixels are read when they are asked for: all of them would be 2.9 GB.

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/alloc.h"
#include "proto/base/confine.h"
#include "proto/base/error.h"
#include "worker/data/inflow.h"
#include "worker/data/kind.h"
#include "worker/data/records.h"
#include "worker/image/decoder.h"

enum { SIDE = 96, PLANE = SIDE * SIDE, IMAGE = 3 * PLANE, CLASSES = 10, PARTS = 2, PATH = 4096 };

typedef struct part {
    int fd;
    char path[PATH];
    int64_t count;
} part;

typedef struct stl10 {
    part parts[PARTS]; // labelled, unlabelled
} stl10;

static akssl_status load(const void *self, int64_t index, ak_stored *out)
{
    const stl10 *s = self;
    const part *p = &s->parts[index >= s->parts[0].count];
    int64_t at = p == s->parts ? index : index - s->parts[0].count;
    uint8_t *bytes;
    akssl_status rc = ak_stored_reserve(out, IMAGE, &bytes);

    for (int64_t done = 0; rc == AKSSL_OK && done < IMAGE;) {
        ssize_t got = pread(p->fd, bytes + done, (size_t)(IMAGE - done), at * IMAGE + done);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            rc = ak_fail_errno(errno, "read '%s'", p->path);
        else if (got == 0)
            rc = ak_fail(AKSSL_ERR_STATE, "'%s' has become shorter", p->path);
        else
            done += got;
    }
    return rc;
}

static akssl_status picture(const void *self, int64_t index, const ak_stored *stored,
                            ak_image_room *room, ak_image *out)
{
    akssl_status rc = ak_image_reserve(room, SIDE, SIDE, 3, out);

    (void)self;
    (void)index;
    for (int y = 0; rc == AKSSL_OK && y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            for (int c = 0; c < 3; c++)
                room->pixels[3 * (y * SIDE + x) + c] = stored->bytes[c * PLANE + x * SIDE + y];
    return rc;
}

static int64_t size_of(const void *self, int64_t index)
{
    (void)self;
    (void)index;
    return IMAGE;
}

static void close_set(void *self)
{
    stl10 *s = self;

    for (int i = 0; i < PARTS; i++)
        if (s->parts[i].fd >= 0)
            close(s->parts[i].fd);
    free(s);
}

static const ak_source source = {
    .load = load, .picture = picture, .size = size_of, .close = close_set
};

static akssl_status open_part(part *p, const char *folder, const char *name)
{
    struct stat st;
    akssl_status rc;

    snprintf(p->path, sizeof p->path, "%.2048s/%s_X.bin", folder, name);
    rc = ak_confine_open(&p->fd, p->path);
    if (rc < 0)
        return rc;
    if (fstat(p->fd, &st) < 0)
        return ak_fail_errno(errno, "stat '%s'", p->path);
    if (!S_ISREG(st.st_mode) || !st.st_size || st.st_size % IMAGE)
        return ak_fail(AKSSL_ERR_CORRUPT,
                       "'%s' is no whole number of images of %d bytes: fetch it again (the binary "
                       "version)",
                       p->path, IMAGE);
    p->count = st.st_size / IMAGE;
    return AKSSL_OK;
}

static akssl_status read_labels(ak_dataset *set, const char *folder, const char *name,
                                int64_t labelled)
{
    char path[PATH];
    ak_inflow *flow;
    akssl_status rc;

    snprintf(path, sizeof path, "%.2048s/%s_y.bin", folder, name);
    rc = ak_inflow_open(&flow, path);
    if (rc < 0)
        return rc;
    for (int64_t i = 0; rc == AKSSL_OK && i < set->size; i++) {
        uint8_t label = 0;

        if (i < labelled)
            rc = ak_inflow_read(flow, &label, 1);
        if (rc == AKSSL_OK && i < labelled && (label < 1 || label > CLASSES))
            rc = ak_fail(AKSSL_ERR_CORRUPT, "'%s': label %d of image %" PRId64 " is not in 1 to %d",
                         path, label, i, CLASSES);
        set->labels[i] = (int64_t)label - 1;
    }
    if (rc == AKSSL_OK)
        rc = ak_inflow_end(flow);
    ak_inflow_close(flow);
    return rc;
}

static akssl_status open_parts(stl10 *s, const char *folder, ak_split split)
{
    const char *name = split == AK_SPLIT_TRAIN ? "train" : "test";
    akssl_status rc = open_part(&s->parts[0], folder, name);

    if (rc == AKSSL_OK && split == AK_SPLIT_TRAIN) {
        rc = open_part(&s->parts[1], folder, "unlabeled");
        rc = rc == AKSSL_ERR_NOT_FOUND ? AKSSL_OK : rc;
    }
    return rc;
}

static akssl_status open_set(ak_dataset *set, const char *argument, ak_split split, int64_t limit)
{
    char inside[PATH], names[PATH];
    const char *folder = argument;
    stl10 *s;
    akssl_status rc;

    if (!argument || !*argument)
        return ak_fail(AKSSL_ERR_INVALID,
                       "give the folder of train_X.bin and the others, as stl10:/data/stl10");
    snprintf(inside, sizeof inside, "%.1024s/stl10_binary", argument);
    if (access(inside, F_OK) == 0)
        folder = inside;
    set->self = s = ak_alloc(1, sizeof *s);
    set->source = &source;
    s->parts[0].fd = s->parts[1].fd = -1;
    rc = open_parts(s, folder, split);
    if (rc < 0)
        return rc;
    set->size = s->parts[0].count + s->parts[1].count;
    set->classes = CLASSES;
    set->labels = ak_try_alloc((size_t)set->size, sizeof *set->labels);
    if (!set->labels)
        return ak_wrap(AKSSL_ERR_NO_MEMORY, "'%s'", folder);
    rc = read_labels(set, folder, split == AK_SPLIT_TRAIN ? "train" : "test", s->parts[0].count);
    if (rc == AKSSL_OK && limit > 0 && limit < set->size)
        set->size = limit;
    snprintf(names, sizeof names, "%.2048s/class_names.txt", folder);
    set->class_names = ak_class_names(names, set->classes);
    return rc;
}

const ak_dataset_kind ak_dataset_stl10 = {
    .name = "stl10",
    .title = "STL-10, the binary version: train, unlabeled and test as *_X.bin, labels as *_y.bin",
    .argument = "FOLDER",
    .open = open_set,
};
