// worker/data/packed.c -- a packed data set (pack.h), mapped: its pixels are in memory once a node.
//
//     packed:FILE               made by `akssl-worker pack`
//     packed:FILE,from=SET      made from SET by whoever needs it first, then used by all
//
// The file is never written in place, so a mapping stays whole while a new file takes its name.

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "proto/base/alloc.h"
#include "proto/base/confine.h"
#include "proto/base/error.h"
#include "worker/data/bad.h"
#include "worker/data/kind.h"
#include "worker/data/pack.h"

enum { PATH = 4096, WAIT_S = 3600, POLL_MS = 200 };

typedef struct packed {
    const uint8_t *map;
    size_t size;
    const ak_pack_row *rows;
    const char *names;
    uint64_t index_offset;
    char path[PATH];
} packed;

// ---- the source

static akssl_status load(const void *self, int64_t index, ak_stored *out)
{
    const packed *p = self;
    const ak_pack_row *row = &p->rows[index];
    size_t size = (size_t)row->height * row->width * row->channels;

    out->bytes = p->map + row->offset;
    out->size = size;
    if (ak_digest_short(out->bytes, size) != row->digest)
        return ak_fail(AKSSL_ERR_IO, "'%.512s' is damaged: pack it again", p->path);
    return AKSSL_OK;
}

static akssl_status picture(const void *self, int64_t index, const ak_stored *stored,
                            ak_image_room *room, ak_image *out)
{
    const ak_pack_row *row = &((const packed *)self)->rows[index];

    (void)room;
    *out = (ak_image){ stored->bytes, row->height, row->width, (int)row->channels };
    return AKSSL_OK;
}

static int64_t size_of(const void *self, int64_t index)
{
    const ak_pack_row *row = &((const packed *)self)->rows[index];

    return (int64_t)row->height * row->width * row->channels;
}

static void name_of(const void *self, int64_t index, ak_str *text)
{
    const packed *p = self;

    ak_str_append(text, p->names + p->rows[index].name);
}

static void close_set(void *self)
{
    packed *p = self;

    if (p->map)
        munmap((void *)p->map, p->size);
    free(p);
}

static const ak_source source = {
    .load = load, .picture = picture, .size = size_of, .name = name_of, .close = close_set
};

// ---- opening

static akssl_status damaged(const packed *p, const char *what)
{
    return ak_fail(AKSSL_ERR_CORRUPT, "'%.512s' %s: pack it again", p->path, what);
}

static akssl_status check_head(const packed *p, ak_pack_head *head)
{
    if (p->size < sizeof *head || memcmp(p->map, AK_PACK_MAGIC, sizeof head->magic) != 0)
        return damaged(p, "is no packed data set");
    memcpy(head, p->map, sizeof *head);
    if (head->version != AK_PACK_VERSION || head->parts != AK_PACK_PARTS)
        return damaged(p, "was packed by another version");
    if (head->head_digest != ak_digest_short(head, offsetof(ak_pack_head, head_digest)) ||
        head->file_size != p->size || head->index_offset < sizeof *head ||
        head->index_offset > p->size || head->index_offset % AK_PACK_ALIGN)
        return damaged(p, "is truncated or damaged");
    if (ak_digest_short(p->map + head->index_offset, p->size - head->index_offset) !=
        head->index_digest)
        return damaged(p, "has a damaged index");
    return AKSSL_OK;
}

// Takes `count` things of `size` bytes, padded to 8, off what is left of the index; NULL: they are
// not there.
static const void *take(const uint8_t **at, const uint8_t *end, uint64_t count, size_t size)
{
    const uint8_t *taken = *at;
    uint64_t bytes;

    if (__builtin_mul_overflow(count, (uint64_t)size, &bytes) || bytes > UINT64_MAX - 7)
        return NULL;
    bytes = (bytes + 7) / 8 * 8;
    if (bytes > (uint64_t)(end - taken))
        return NULL;
    *at = taken + bytes;
    return taken;
}

static bool row_fits(const packed *p, const ak_pack_row *row, const ak_pack_part *part)
{
    uint64_t size;

    if (!row->height || !row->width || row->height > AK_IMAGE_SIDE || row->width > AK_IMAGE_SIDE ||
        (row->channels != 1 && row->channels != 3))
        return false;
    size = (uint64_t)row->height * row->width * row->channels;
    return row->offset >= sizeof(ak_pack_head) && row->offset <= p->index_offset &&
           size <= p->index_offset - row->offset && row->name < part->names_size &&
           row->label >= -1 && (row->label < 0 || (uint64_t)row->label < part->classes);
}

// The digest says that the index is as it was written, not that a friend wrote it.
static bool part_fits(const packed *p, const ak_pack_part *part, const ak_pack_row *rows,
                      const char *names, const char *class_names)
{
    uint64_t ends = 0;

    if (part->classes > INT32_MAX || part->count > INT32_MAX ||
        (part->names_size && names[part->names_size - 1]) ||
        (part->class_names_size && class_names[part->class_names_size - 1]))
        return false;
    for (uint64_t i = 0; i < part->class_names_size; i++)
        ends += !class_names[i];
    if (part->class_names_size && ends != part->classes)
        return false;
    for (uint64_t i = 0; i < part->count; i++)
        if (!row_fits(p, &rows[i], part))
            return false;
    return true;
}

static akssl_status fill_labels(ak_dataset *set, const ak_pack_part *part, const packed *p)
{
    if (!part->labelled)
        return AKSSL_OK;
    set->labels = ak_try_alloc((size_t)set->size, sizeof *set->labels);
    if (!set->labels)
        return AKSSL_ERR_NO_MEMORY;
    for (int64_t i = 0; i < set->size; i++)
        set->labels[i] = p->rows[i].label;
    return AKSSL_OK;
}

static akssl_status fill_set(ak_dataset *set, packed *p, const ak_pack_part *part,
                             const char *class_names)
{
    set->size = (int64_t)part->count;
    set->classes = (int64_t)part->classes;
    if (!part->count)
        return ak_fail(AKSSL_ERR_NOT_FOUND,
                       "'%.512s' has no held-out part: the set that it was "
                       "packed from had none",
                       p->path);
    if (part->class_names_size) {
        set->class_names = ak_try_alloc((size_t)part->classes, sizeof *set->class_names);
        if (!set->class_names)
            return AKSSL_ERR_NO_MEMORY;
        for (int64_t c = 0; c < set->classes; c++, class_names += strlen(class_names) + 1)
            set->class_names[c] = ak_strdup(class_names);
    }
    return fill_labels(set, part, p);
}

static akssl_status read_index(ak_dataset *set, packed *p, ak_split split, const char **from)
{
    const uint8_t *at = p->map + p->index_offset, *end = p->map + p->size;

    for (int i = 0; i < AK_PACK_PARTS; i++) {
        const ak_pack_part *part = take(&at, end, 1, sizeof *part);
        const ak_pack_row *rows = part ? take(&at, end, part->count, sizeof *rows) : NULL;
        const char *names = rows ? take(&at, end, part->names_size, 1) : NULL;
        const char *classes = names ? take(&at, end, part->class_names_size, 1) : NULL;
        akssl_status rc;

        if (!classes || !part_fits(p, part, rows, names, classes))
            return damaged(p, "has an index that makes no sense");
        if (i != (int)split - AK_SPLIT_TRAIN)
            continue;
        p->rows = rows;
        p->names = names;
        rc = fill_set(set, p, part, classes);
        if (rc < 0)
            return rc;
    }
    if (at == end || end[-1])
        return damaged(p, "has an index that makes no sense");
    *from = (const char *)at;
    return AKSSL_OK;
}

static akssl_status map_file(packed *p)
{
    struct stat st;
    int fd;
    akssl_status rc = ak_confine_open(&fd, p->path);

    if (rc < 0)
        return rc;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size == 0) {
        rc = damaged(p, "is no packed data set");
    } else {
        void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);

        if (map == MAP_FAILED)
            rc = ak_fail_errno(errno, "map '%.512s'", p->path);
        else
            p->map = map;
        p->size = (size_t)st.st_size;
    }
    close(fd);
    return rc;
}

static akssl_status open_file(ak_dataset *set, packed *p, ak_split split, const char *source_name)
{
    ak_pack_head head;
    const char *from = NULL;
    akssl_status rc = map_file(p);

    if (rc == AKSSL_OK)
        rc = check_head(p, &head);
    if (rc < 0)
        return rc;
    p->index_offset = head.index_offset;
    rc = read_index(set, p, split, &from);
    if (rc == AKSSL_OK && source_name && strcmp(from, source_name) != 0)
        rc = ak_fail(AKSSL_ERR_STATE,
                     "'%.512s' was packed from '%.256s', not from '%.256s': name another file",
                     p->path, from, source_name);
    return rc;
}

// ---- making it

static void sleep_ms(int ms)
{
    nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000L }, NULL);
}

// Of several who want to pack into a folder one does; the folder is what they lock.
static akssl_status lock_folder(const char *path, int *fd)
{
    char folder[PATH];
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) + 1 : 0;

    memcpy(folder, path, length);
    memcpy(folder + length, ".", 2);
    *fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*fd < 0)
        return ak_fail_errno(errno, "folder of '%.512s'", path);
    for (int64_t waited = 0; flock(*fd, LOCK_EX | LOCK_NB) < 0; waited += POLL_MS) {
        int error = errno;

        if ((error == EWOULDBLOCK || error == EINTR) && waited < WAIT_S * 1000) {
            sleep_ms(POLL_MS);
            continue;
        }
        close(*fd);
        if (error == EWOULDBLOCK)
            return ak_fail(AKSSL_ERR_DEADLINE,
                           "'%.512s' is not there, and another process has been packing beside it "
                           "for %d s: wait for that, then try again",
                           path, WAIT_S);
        return ak_fail_errno(error, "lock the folder of '%.512s'", path);
    }
    return AKSSL_OK;
}

static akssl_status make(const char *path, const char *source_name)
{
    ak_pack_ask ask = { .train = { .name = source_name, .skip_bad = true } };
    ak_pack_count count;
    akssl_status rc;
    int lock;

    if (access(path, F_OK) == 0)
        return AKSSL_OK;
    if (getenv(AK_CONFINE_ROOTS)) // jobs write to their own folder alone
        return ak_fail(AKSSL_ERR_PERMISSION,
                       "'%.512s' is not there, and under --data-root a job may not make it: run "
                       "akssl-worker pack --dataset %.256s --out FILE",
                       path, source_name);
    rc = lock_folder(path, &lock);
    if (rc < 0)
        return rc;
    if (access(path, F_OK) < 0) // nobody made it in the meantime
        rc = ak_pack_write(path, &ask, &count);
    close(lock);
    return rc;
}

static akssl_status split_argument(const char *argument, char path[PATH], const char **source_name)
{
    static const char mark[] = ",from=";
    const char *from = argument ? strstr(argument, mark) : NULL;
    size_t length = from ? (size_t)(from - argument) : argument ? strlen(argument) : 0;

    if (!length)
        return ak_fail(AKSSL_ERR_INVALID,
                       "give the file that akssl-worker pack made, as packed:/data/set.akpacked");
    if (length > PATH - 64)
        return ak_fail(AKSSL_ERR_INVALID, "file name of %zu bytes", length);
    memcpy(path, argument, length);
    path[length] = '\0';
    *source_name = from ? from + sizeof mark - 1 : NULL;
    if (*source_name && strncmp(*source_name, "packed", 6) == 0)
        return ak_fail(AKSSL_ERR_INVALID, "a packed set is packed from one that is not");
    return AKSSL_OK;
}

// Who only looks does not wait for a file to be made: the images are those of its source.
static akssl_status open_source(ak_dataset *set, const char *source_name, ak_split split,
                                int64_t limit)
{
    ak_dataset *inner;
    akssl_status rc = ak_dataset_open(
        &inner, &(ak_dataset_ask){ .name = source_name, .split = split, .limit = limit });

    if (rc < 0)
        return rc;
    ak_bad_free(inner->bad);
    *set = *inner;
    set->bad = NULL;
    set->passing = true;
    free(inner);
    return AKSSL_OK;
}

static akssl_status open_set(ak_dataset *set, const char *argument, ak_split split, int64_t limit)
{
    const char *source_name = NULL;
    char path[PATH];
    packed *p;
    akssl_status rc = split_argument(argument, path, &source_name);

    if (rc == AKSSL_OK && source_name && set->look && access(path, F_OK) < 0 &&
        !getenv(AK_CONFINE_ROOTS))
        return open_source(set, source_name, split, limit);
    if (rc == AKSSL_OK && source_name)
        rc = make(path, source_name);
    if (rc < 0)
        return rc;
    set->self = p = ak_alloc(1, sizeof *p);
    set->source = &source;
    memcpy(p->path, path, sizeof path);
    rc = open_file(set, p, split, source_name);
    if (rc == AKSSL_OK && limit > 0 && limit < set->size)
        set->size = limit;
    return rc;
}

const ak_dataset_kind ak_dataset_packed = {
    .name = "packed",
    .title = "a set that `akssl-worker pack` decoded, mapped by all ranks; or packed from SET on "
             "first use",
    .argument = "FILE[,from=SET]",
    .open = open_set,
};
