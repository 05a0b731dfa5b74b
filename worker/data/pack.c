// worker/data/pack.c -- writes a packed data set.

#include "worker/data/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "worker/image/resample.h"

typedef struct packing {
    const ak_pack_ask *ask;
    const char *path;
    FILE *file;
    uint64_t at;
    ak_str index;
    ak_reading reading;
    ak_resample_room resample;
    uint8_t *small; // a reduced image
    float *planes;
    size_t small_room;
} packing;

static akssl_status put(packing *p, const void *bytes, size_t size)
{
    p->at += size;
    return fwrite(bytes, 1, size, p->file) == size
               ? AKSSL_OK
               : ak_fail_errno(errno, "write '%.512s'", p->path);
}

static akssl_status pad(packing *p, uint64_t to)
{
    static const uint8_t zeros[AK_PACK_ALIGN];

    return put(p, zeros, (size_t)((to - p->at % to) % to));
}

static void pad_index(packing *p)
{
    ak_str_append_n(&p->index, "\0\0\0\0\0\0\0", (8 - p->index.length % 8) % 8);
}

// ---- an image

// A reduced copy whose shorter side is `side`, as an augmentation would resize it.
static akssl_status reduce(packing *p, ak_image *image, int64_t side)
{
    int64_t least = image->height < image->width ? image->height : image->width;
    int64_t height = (image->height * side + least / 2) / least;
    int64_t width = (image->width * side + least / 2) / least, n = height * width;
    const ak_box whole = { 0, 0, image->height, image->width };
    float *plane[3];

    if ((size_t)n > p->small_room) {
        free(p->small);
        free(p->planes);
        p->small_room = (size_t)n;
        p->small = ak_try_alloc((size_t)n, 3);
        p->planes = ak_try_alloc((size_t)n, 3 * sizeof *p->planes);
        if (!p->small || !p->planes)
            return AKSSL_ERR_NO_MEMORY;
    }
    for (int c = 0; c < 3; c++)
        plane[c] = p->planes + c * n;
    ak_resample(image, whole, AK_BILINEAR, &p->resample, plane, height, width);
    for (int64_t i = 0; i < n; i++)
        for (int c = 0; c < image->channels; c++)
            p->small[i * image->channels + c] = (uint8_t)lrintf(255 * plane[c][i]);
    *image = (ak_image){ p->small, height, width, image->channels };
    return AKSSL_OK;
}

static akssl_status put_image(packing *p, const ak_image *image, ak_pack_row *row)
{
    size_t size = (size_t)(image->height * image->width * image->channels);
    akssl_status rc = pad(p, AK_PACK_ALIGN);

    row->offset = p->at;
    row->digest = ak_digest_short(image->pixels, size);
    row->height = (uint32_t)image->height;
    row->width = (uint32_t)image->width;
    row->channels = (uint32_t)image->channels;
    return rc == AKSSL_OK ? put(p, image->pixels, size) : rc;
}

// A decoder may reduce to twice the side: what is left is averaged.
static akssl_status pack_image(packing *p, const ak_dataset *set, int64_t index, ak_pack_row *row)
{
    int64_t side = p->ask->side;
    ak_image image;
    akssl_status rc = ak_dataset_read(set, index, 2 * side, &p->reading, &image);

    if (rc == AKSSL_OK && side && image.height > side && image.width > side)
        rc = reduce(p, &image, side);
    return rc == AKSSL_OK ? put_image(p, &image, row) : rc;
}

// ---- a part

static bool leave_out(const packing *p, akssl_status rc, ak_pack_count *count)
{
    bool bad = rc == AKSSL_ERR_CORRUPT || rc == AKSSL_ERR_LIMIT || rc == AKSSL_ERR_UNSUPPORTED;

    if (!bad || !p->ask->train.skip_bad)
        return false;
    if (p->ask->told)
        p->ask->told(p->ask->ctx, ak_error_text());
    count->bad++;
    return true;
}

static akssl_status pack_images(packing *p, const ak_dataset *set, ak_pack_row *rows, ak_str *names,
                                int64_t *kept, ak_pack_count *count)
{
    akssl_status rc = AKSSL_OK;

    for (int64_t i = 0; rc == AKSSL_OK && i < ak_dataset_size(set); i++) {
        ak_pack_row *row = &rows[*kept];

        rc = pack_image(p, set, i, row);
        if (rc < 0 && leave_out(p, rc, count)) {
            rc = AKSSL_OK;
            continue;
        }
        row->label = (int32_t)ak_dataset_label(set, i);
        row->name = names->length;
        ak_dataset_name(set, i, names);
        ak_str_append_n(names, "", 1);
        ++*kept;
    }
    return rc;
}

static void index_part(packing *p, const ak_dataset *set, const ak_pack_row *rows, int64_t kept,
                       const ak_str *names)
{
    ak_pack_part part = { .count = (uint64_t)kept,
                          .classes = (uint64_t)ak_dataset_classes(set),
                          .names_size = names->length };
    ak_str classes = AK_STR_INIT;

    for (int64_t c = 0; c < ak_dataset_classes(set) && ak_dataset_class(set, c); c++) {
        ak_str_append(&classes, ak_dataset_class(set, c));
        ak_str_append_n(&classes, "", 1);
    }
    for (int64_t i = 0; i < kept && !part.labelled; i++)
        part.labelled = rows[i].label >= 0;
    part.class_names_size = classes.length;
    ak_str_append_n(&p->index, &part, sizeof part);
    ak_str_append_n(&p->index, rows, (size_t)kept * sizeof *rows);
    ak_str_append_n(&p->index, names->text, names->length);
    pad_index(p);
    if (classes.length)
        ak_str_append_n(&p->index, classes.text, classes.length);
    pad_index(p);
    ak_str_fini(&classes);
}

static akssl_status pack_part(packing *p, const ak_dataset *set, int64_t *kept,
                              ak_pack_count *count)
{
    ak_pack_row *rows = ak_try_alloc((size_t)ak_dataset_size(set), sizeof *rows);
    ak_str names = AK_STR_INIT;
    akssl_status rc = rows ? AKSSL_OK : AKSSL_ERR_NO_MEMORY;

    *kept = 0;
    if (rc == AKSSL_OK)
        rc = pack_images(p, set, rows, &names, kept, count);
    if (rc == AKSSL_OK && !*kept)
        rc = ak_fail(AKSSL_ERR_CORRUPT, "every image is bad: the last of them: %.800s",
                     ak_error_text());
    if (rc == AKSSL_OK)
        index_part(p, set, rows, *kept, &names);
    ak_str_fini(&names);
    free(rows);
    return rc;
}

// is_asked_for: the held-out part must be there where somebody has said what to take of it.
static bool is_asked_for(const ak_dataset_ask *test)
{
    return (test->list && test->list[0]) || (test->classes && test->classes[0]);
}

static akssl_status pack_split(packing *p, ak_split split, ak_pack_count *count)
{
    ak_dataset_ask ask = p->ask->train;
    static const ak_pack_part none;
    ak_dataset *set;
    akssl_status rc;

    ask.split = split;
    ask.skip_bad = false; // a bad image is left out, which no other then stands for
    if (split == AK_SPLIT_TEST) {
        ask.list = p->ask->test_list;
        ask.limit = 0;
    }
    rc = ak_dataset_open(&set, &ask);
    if (rc == AKSSL_ERR_NOT_FOUND && split == AK_SPLIT_TEST &&
        !is_asked_for(&ask)) { // there is none
        ak_str_append_n(&p->index, &none, sizeof none);
        return AKSSL_OK;
    }
    if (rc < 0)
        return rc;
    rc = pack_part(p, set, &count->images[split - AK_SPLIT_TRAIN], count);
    ak_dataset_close(set);
    p->reading.set = NULL; // another set may come to lie where this one was
    return rc;
}

// ---- the file

static akssl_status write_all(packing *p, ak_pack_count *count)
{
    ak_pack_head head = { .version = AK_PACK_VERSION, .parts = AK_PACK_PARTS };
    akssl_status rc = put(p, &head, sizeof head);

    if (rc == AKSSL_OK)
        rc = pack_split(p, AK_SPLIT_TRAIN, count);
    if (rc == AKSSL_OK)
        rc = pack_split(p, AK_SPLIT_TEST, count);
    if (rc == AKSSL_OK)
        rc = pad(p, AK_PACK_ALIGN);
    if (rc < 0)
        return rc;
    ak_str_append_n(&p->index, p->ask->train.name, strlen(p->ask->train.name) + 1);
    memcpy(head.magic, AK_PACK_MAGIC, sizeof head.magic);
    head.index_offset = p->at;
    head.index_digest = ak_digest_short(p->index.text, p->index.length);
    rc = put(p, p->index.text, p->index.length);
    count->bytes = head.file_size = p->at;
    head.head_digest = ak_digest_short(&head, offsetof(ak_pack_head, head_digest));
    if (rc == AKSSL_OK &&
        (fseek(p->file, 0, SEEK_SET) || fwrite(&head, sizeof head, 1, p->file) != 1 ||
         fflush(p->file) || fsync(fileno(p->file)) < 0))
        rc = ak_fail_errno(errno, "write '%.512s'", p->path);
    return rc;
}

static akssl_status write_file(packing *p, const char *part, ak_pack_count *count)
{
    akssl_status rc;

    p->file = fopen(part, "wb");
    if (!p->file)
        return ak_fail_errno(errno, "create '%.512s'", part);
    rc = write_all(p, count);
    if (fclose(p->file) != 0 && rc == AKSSL_OK)
        rc = ak_fail_errno(errno, "write '%.512s'", p->path);
    if (rc == AKSSL_OK && rename(part, p->path) < 0)
        rc = ak_fail_errno(errno, "rename '%.512s'", part);
    if (rc < 0)
        (void)unlink(part);
    return rc;
}

akssl_status ak_pack_write(const char *path, const ak_pack_ask *ask, ak_pack_count *count)
{
    packing p = { .ask = ask, .path = path };
    ak_str part = AK_STR_INIT;
    akssl_status rc;

    *count = (ak_pack_count){ 0 };
    ak_str_format(&part, "%s.%ld.part", path, (long)getpid());
    rc = write_file(&p, part.text, count);
    ak_str_fini(&part);
    ak_str_fini(&p.index);
    ak_reading_fini(&p.reading);
    ak_resample_room_fini(&p.resample);
    free(p.small);
    free(p.planes);
    return rc < 0 ? ak_wrap(rc, "pack '%.128s'", ask->train.name) : rc;
}
