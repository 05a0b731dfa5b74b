// worker/data/idx.c -- any data set in IDX files, the format of MNIST.
//
// IDX: two zero bytes, the element's type, the number of axes, their sizes (u32, big-endian), the
// elements.  Images are bytes with axes (n, height, width) or (n, height, width, 3); labels have
// one axis, of bytes or of 16- or 32-bit integers.

#include "worker/data/idx.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "worker/data/inflow.h"

enum {
    MAX_AXES = 4,
    MAX_SIDE = 16384,
    MAX_LABEL = 9999,
    SKIP = 1 << 16,
    TYPE_U8 = 0x08,
    TYPE_I16 = 0x0B,
    TYPE_I32 = 0x0C,
};

typedef struct idx {
    ak_inflow *flow;
    int type, axes;
    int64_t n[MAX_AXES];
} idx;

static int type_size(int type)
{
    return type == TYPE_U8 ? 1 : type == TYPE_I16 ? 2 : type == TYPE_I32 ? 4 : 0;
}

static akssl_status bad(const idx *x, const char *what)
{
    return ak_fail(AKSSL_ERR_CORRUPT, "'%s' %s", ak_inflow_path(x->flow), what);
}

static akssl_status read_header(idx *x)
{
    uint8_t head[4], sizes[4 * MAX_AXES];
    uint64_t total;
    akssl_status rc = ak_inflow_read(x->flow, head, sizeof head);

    if (rc < 0)
        return rc;
    x->type = head[2];
    x->axes = head[3];
    total = (uint64_t)type_size(x->type);
    if (head[0] || head[1] || !total || !x->axes || x->axes > MAX_AXES)
        return bad(x, "does not begin as an IDX file of integers: fetch it again");
    rc = ak_inflow_read(x->flow, sizes, (size_t)x->axes * 4);
    if (rc < 0)
        return rc;
    for (int i = 0; i < x->axes; i++) {
        const uint8_t *at = sizes + 4 * i;

        x->n[i] = (int64_t)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3];
        if (__builtin_mul_overflow(total, (uint64_t)x->n[i], &total))
            total = UINT64_MAX;
    }
    if (total > ak_inflow_most(x->flow))
        return bad(x, "is too short for the sizes in its header: it is truncated or damaged");
    if (!total)
        return bad(x, "holds nothing");
    return AKSSL_OK;
}

// Opens the first of the names that is there: "test-images-idx3-ubyte.gz" and its variants.
static akssl_status find(idx *x, const char *folder, ak_split split, const char *what,
                         const char *ranks)
{
    static const char *const parts[2][2] = { { "train", "train" }, { "t10k", "test" } };
    static const char *const ends[] = { "", ".gz" };
    const char *const *part = parts[split == AK_SPLIT_TEST];
    char path[4096];

    for (int i = 0; i < 2 * 2 * 2 * 2; i++) {
        char rank = ranks[i >> 3];
        akssl_status rc;
        int n;

        if (!rank)
            break;
        n = snprintf(path, sizeof path, "%s/%s-%s%cidx%c-ubyte%s", folder, part[i >> 2 & 1], what,
                     "-."[i >> 1 & 1], rank, ends[i & 1]);
        if (n < 0 || (size_t)n >= sizeof path)
            return ak_fail(AKSSL_ERR_INVALID, "folder name of %zu bytes", strlen(folder));
        rc = ak_inflow_open(&x->flow, path);
        if (rc == AKSSL_OK)
            return read_header(x);
        if (rc != AKSSL_ERR_NOT_FOUND)
            return rc;
    }
    return ak_fail(AKSSL_ERR_NOT_FOUND, "'%.512s/%s-%s-idx%c-ubyte' (or .gz) is missing", folder,
                   part[0], what, ranks[0]);
}

// Reads count bytes to see that they are there.
static akssl_status skip(ak_inflow *flow, uint64_t count)
{
    uint8_t *bytes = ak_alloc(SKIP, 1);
    akssl_status rc = AKSSL_OK;

    while (count && rc == AKSSL_OK) {
        size_t step = count < SKIP ? (size_t)count : SKIP;

        rc = ak_inflow_read(flow, bytes, step);
        count -= step;
    }
    free(bytes);
    return rc;
}

static akssl_status read_images(idx *x, ak_dataset *set, int64_t limit)
{
    int64_t kept = limit > 0 && limit < x->n[0] ? limit : x->n[0];
    size_t one;
    akssl_status rc;

    if (x->type != TYPE_U8 || x->axes < 3 || (x->axes == 4 && x->n[3] != 3))
        return bad(x, "is no IDX file of gray images or of images with 3 channels");
    if (x->n[1] > MAX_SIDE || x->n[2] > MAX_SIDE)
        return bad(x, "holds images over 16384 pixels wide or high");
    set->size = kept;
    set->height = x->n[1];
    set->width = x->n[2];
    set->channels = x->axes == 4 ? 3 : 1;
    one = (size_t)(set->height * set->width * set->channels);
    set->pixels = ak_try_alloc((size_t)kept, one);
    if (!set->pixels)
        return ak_wrap(AKSSL_ERR_NO_MEMORY, "'%s'", ak_inflow_path(x->flow));
    rc = ak_inflow_read(x->flow, set->pixels, (size_t)kept * one);
    if (rc == AKSSL_OK)
        rc = skip(x->flow, (uint64_t)(x->n[0] - kept) * one);
    return rc == AKSSL_OK ? ak_inflow_end(x->flow) : rc;
}

static int32_t element(const uint8_t *at, int size)
{
    if (size == 1)
        return at[0];
    if (size == 2)
        return (int16_t)(at[0] << 8 | at[1]);
    return (int32_t)((uint32_t)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3]);
}

static akssl_status read_labels(idx *x, ak_dataset *set)
{
    int size = type_size(x->type);
    uint8_t bytes[4];
    akssl_status rc;

    set->labels = ak_try_alloc((size_t)set->size, sizeof *set->labels);
    if (!set->labels)
        return ak_wrap(AKSSL_ERR_NO_MEMORY, "'%s'", ak_inflow_path(x->flow));
    for (int64_t i = 0; i < x->n[0]; i++) {
        int32_t label;

        rc = ak_inflow_read(x->flow, bytes, (size_t)size);
        if (rc < 0)
            return rc;
        label = element(bytes, size);
        if (label < 0 || label > MAX_LABEL)
            return ak_fail(AKSSL_ERR_CORRUPT,
                           "'%s': label %" PRId32 " of image %" PRId64 " is not in 0 to %d",
                           ak_inflow_path(x->flow), label, i, MAX_LABEL);
        if (i < set->size)
            set->labels[i] = label;
        if (label >= set->classes)
            set->classes = label + 1;
    }
    return ak_inflow_end(x->flow);
}

static akssl_status check_labels(const idx *images, const idx *labels)
{
    if (labels->axes != 1)
        return bad(labels, "is no IDX file of labels: it has several axes");
    if (labels->n[0] != images->n[0])
        return ak_fail(
            AKSSL_ERR_CORRUPT, "'%s' has %" PRId64 " labels for the %" PRId64 " images of '%s'",
            ak_inflow_path(labels->flow), labels->n[0], images->n[0], ak_inflow_path(images->flow));
    return AKSSL_OK;
}

akssl_status ak_idx_open(ak_dataset *set, const char *folder, ak_split split, int64_t limit)
{
    idx images = { 0 }, labels = { 0 };
    akssl_status rc = find(&images, folder, split, "images", "34");

    if (rc == AKSSL_OK)
        rc = read_images(&images, set, limit);
    if (rc < 0)
        goto out;
    rc = find(&labels, folder, split, "labels", "1");
    if (rc == AKSSL_ERR_NOT_FOUND && split == AK_SPLIT_TRAIN) {
        rc = AKSSL_OK; // pretraining needs none
        goto out;
    }
    if (rc == AKSSL_OK)
        rc = check_labels(&images, &labels);
    if (rc == AKSSL_OK)
        rc = read_labels(&labels, set);
out:
    ak_inflow_close(images.flow);
    ak_inflow_close(labels.flow);
    return rc;
}

static akssl_status open_set(ak_dataset *set, const char *argument, ak_split split, int64_t limit)
{
    if (!argument || !*argument)
        return ak_fail(AKSSL_ERR_INVALID, "give the folder of its files, as idx:/data/mnist");
    return ak_idx_open(set, argument, split, limit);
}

const ak_dataset_kind ak_dataset_idx = {
    .name = "idx",
    .title = "any set in IDX files, plain or .gz: {train,t10k}-images-idx3-ubyte, "
             "{train,t10k}-labels-idx1-ubyte",
    .argument = "FOLDER",
    .open = open_set,
};
