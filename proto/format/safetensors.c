// proto/format/safetensors.c -- a strict reader of the safetensors format.

#include "proto/format/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/alloc.h"
#include "proto/base/confine.h"
#include "proto/base/error.h"

enum { LENGTH_BYTES = 8, MAX_HEADER = 100000000 };

struct ak_safetensors {
    char *path;
    const uint8_t *map; // NULL until there
    size_t map_size;
    size_t most; // of a file that is read into memory; 0: it is mapped
    const uint8_t *data;
    size_t data_size;
    json_t *header;                // names and metadata point into it
    ak_safetensors_entry *entries; // by offset
    int *by_name;                  // indices of entries, by name
    int count;
};

static const struct {
    const char *name;
    size_t size;
} dtypes[] = {
    [AK_F32] = { "F32", 4 },   [AK_I64] = { "I64", 8 }, [AK_U8] = { "U8", 1 },
    [AK_I32] = { "I32", 4 },   [AK_F64] = { "F64", 8 }, [AK_F16] = { "F16", 2 },
    [AK_BF16] = { "BF16", 2 }, [AK_I8] = { "I8", 1 },   [AK_I16] = { "I16", 2 },
    [AK_BOOL] = { "BOOL", 1 },
};

const char *ak_dtype_name(ak_dtype dtype)
{
    return dtypes[dtype].name;
}

size_t ak_dtype_size(ak_dtype dtype)
{
    return dtypes[dtype].size;
}

static ak_dtype dtype_of(const char *name)
{
    for (int i = AK_F32; i <= AK_BOOL; i++)
        if (name && strcmp(dtypes[i].name, name) == 0)
            return (ak_dtype)i;
    return 0;
}

// read_all fills map, of map_size bytes, with the file.
static akssl_status read_all(const ak_safetensors *f, uint8_t *map, int fd)
{
    size_t at = 0;

    while (at < f->map_size) {
        ssize_t got = read(fd, map + at, f->map_size - at);

        if (got < 0 && errno != EINTR)
            return ak_fail_errno(errno, "read '%s'", f->path);
        if (got == 0)
            return ak_fail(AKSSL_ERR_CORRUPT, "'%s' is being cut", f->path);
        at += got > 0 ? (size_t)got : 0;
    }
    return AKSSL_OK;
}

static akssl_status take_file(ak_safetensors *f, int fd)
{
    void *map;

    if (f->most && f->map_size > f->most)
        return ak_fail(AKSSL_ERR_CORRUPT, "'%s' has %zu bytes: at most %zu are taken", f->path,
                       f->map_size, f->most);
    if (f->most) {
        f->map = map = ak_try_alloc(f->map_size, 1);
        return map ? read_all(f, map, fd) : ak_wrap(AKSSL_ERR_NO_MEMORY, "read '%s'", f->path);
    }
    map = mmap(NULL, f->map_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED)
        return ak_fail_errno(errno, "map '%s'", f->path);
    f->map = map;
    return AKSSL_OK;
}

static akssl_status open_file(ak_safetensors *f)
{
    struct stat st;
    int fd;
    akssl_status rc = ak_confine_open(&fd, f->path);

    if (rc < 0)
        return rc;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return ak_fail(AKSSL_ERR_IO, "'%s' is not a plain file", f->path);
    }
    if (st.st_size < LENGTH_BYTES + 2) {
        close(fd);
        return ak_fail(AKSSL_ERR_CORRUPT, "'%s' is not safetensors: only %lld bytes", f->path,
                       (long long)st.st_size);
    }
    f->map_size = (size_t)st.st_size;
    rc = take_file(f, fd);
    close(fd);
    return rc;
}

static akssl_status parse_header(ak_safetensors *f)
{
    const char *text = (const char *)f->map + LENGTH_BYTES;
    uint64_t length = 0, rest = f->map_size - LENGTH_BYTES;
    json_error_t error;

    for (int i = 0; i < LENGTH_BYTES; i++)
        length |= (uint64_t)f->map[i] << (8 * i);
    if (length > MAX_HEADER || length > rest)
        return ak_fail(AKSSL_ERR_CORRUPT,
                       "'%s' is not safetensors, or truncated: a header of %" PRIu64
                       " bytes in a file of %zu",
                       f->path, length, f->map_size);
    if (!length || text[0] != '{')
        return ak_fail(AKSSL_ERR_CORRUPT, "'%s' is not safetensors: its header is no JSON object",
                       f->path);
    f->header = json_loadb(text, (size_t)length, JSON_REJECT_DUPLICATES, &error);
    if (!f->header)
        return ak_fail(AKSSL_ERR_CORRUPT, "'%s': header, byte %d: %.160s", f->path, error.position,
                       error.text);
    f->data = f->map + LENGTH_BYTES + length;
    f->data_size = (size_t)(rest - length);
    return AKSSL_OK;
}

static akssl_status check_metadata(const ak_safetensors *f, json_t *metadata)
{
    const char *key;
    json_t *value;

    if (!json_is_object(metadata))
        return ak_fail(AKSSL_ERR_CORRUPT, "'%s': __metadata__ is no JSON object", f->path);
    json_object_foreach(metadata, key, value)
    {
        if (!json_is_string(value))
            return ak_fail(AKSSL_ERR_CORRUPT, "'%s': __metadata__ '%.64s' is no string", f->path,
                           key);
    }
    return AKSSL_OK;
}

static akssl_status bad_entry(const ak_safetensors *f, const char *name, const char *what)
{
    return ak_fail(AKSSL_ERR_CORRUPT, "'%s': tensor '%.128s': %s", f->path, name, what);
}

// Fills shape and dims; *bytes is what the shape asks for.
static akssl_status read_shape(const ak_safetensors *f, json_t *shape, ak_safetensors_entry *e,
                               size_t *bytes)
{
    json_t *value;
    size_t i;

    if (!json_is_array(shape) || json_array_size(shape) > AK_SAFETENSORS_MAX_DIMS)
        return bad_entry(f, e->name, "shape is no list of at most 8 numbers");
    e->dims = (int)json_array_size(shape);
    *bytes = ak_dtype_size(e->dtype);
    json_array_foreach(shape, i, value)
    {
        json_int_t n = json_integer_value(value);

        if (!json_is_integer(value) || n < 0)
            return bad_entry(f, e->name, "shape holds something other than a count");
        e->shape[i] = n;
        if (__builtin_mul_overflow(*bytes, (size_t)n, bytes))
            return bad_entry(f, e->name, "shape is too large");
    }
    return AKSSL_OK;
}

static akssl_status read_entry(const ak_safetensors *f, json_t *value, ak_safetensors_entry *e)
{
    json_t *offsets = json_object_get(value, "data_offsets");
    json_t *first = json_array_get(offsets, 0), *last = json_array_get(offsets, 1);
    size_t bytes = 0;
    akssl_status rc;

    if (!json_is_object(value) || json_object_size(value) != 3)
        return bad_entry(f, e->name, "not an object of dtype, shape and data_offsets");
    e->dtype = dtype_of(json_string_value(json_object_get(value, "dtype")));
    if (!e->dtype)
        return bad_entry(f, e->name, "unknown dtype");
    rc = read_shape(f, json_object_get(value, "shape"), e, &bytes);
    if (rc < 0)
        return rc;
    if (json_array_size(offsets) != 2 || !json_is_integer(first) || !json_is_integer(last) ||
        json_integer_value(first) < 0 || json_integer_value(first) > json_integer_value(last))
        return bad_entry(f, e->name, "data_offsets are not two positions in order");
    if ((uint64_t)json_integer_value(last) > f->data_size)
        return bad_entry(f, e->name, "data beyond the end of the file: it is truncated");
    e->offset = (size_t)json_integer_value(first);
    e->size = (size_t)json_integer_value(last) - e->offset;
    if (e->size != bytes)
        return bad_entry(f, e->name, "data_offsets do not fit dtype and shape");
    return AKSSL_OK;
}

static int by_offset(const void *a, const void *b)
{
    const ak_safetensors_entry *x = a, *y = b;

    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    if (x->size != y->size)
        return x->size < y->size ? -1 : 1;
    return strcmp(x->name, y->name); // several without data at one place
}

static akssl_status check_cover(const ak_safetensors *f)
{
    size_t end = 0;

    for (int i = 0; i < f->count; i++) {
        const ak_safetensors_entry *e = &f->entries[i];

        if (e->offset != end)
            return bad_entry(f, e->name,
                             e->offset < end ? "overlaps the tensor before it"
                                             : "a hole before its data");
        end += e->size;
    }
    if (end != f->data_size)
        return ak_fail(AKSSL_ERR_CORRUPT, "'%s': %zu bytes behind the last tensor", f->path,
                       f->data_size - end);
    return AKSSL_OK;
}

static int by_name(const void *a, const void *b, void *entries)
{
    const ak_safetensors_entry *e = entries;

    return strcmp(e[*(const int *)a].name, e[*(const int *)b].name);
}

static akssl_status index_entries(ak_safetensors *f)
{
    size_t room = json_object_size(f->header);
    const char *name;
    json_t *value;
    akssl_status rc;

    f->entries = ak_try_alloc(room, sizeof *f->entries);
    f->by_name = ak_try_alloc(room, sizeof *f->by_name);
    if (!f->entries || !f->by_name)
        return ak_wrap(AKSSL_ERR_NO_MEMORY, "'%s'", f->path);
    json_object_foreach(f->header, name, value)
    {
        if (strcmp(name, "__metadata__") == 0) {
            rc = check_metadata(f, value);
        } else {
            f->entries[f->count].name = name;
            rc = read_entry(f, value, &f->entries[f->count++]);
        }
        if (rc < 0)
            return rc;
    }
    qsort(f->entries, (size_t)f->count, sizeof *f->entries, by_offset);
    for (int i = 0; i < f->count; i++)
        f->by_name[i] = i;
    qsort_r(f->by_name, (size_t)f->count, sizeof *f->by_name, by_name, f->entries);
    return check_cover(f);
}

static akssl_status begin(ak_safetensors **out, const char *path, size_t most)
{
    ak_safetensors *f = ak_alloc(1, sizeof *f);
    akssl_status rc;

    f->path = ak_strdup(path);
    f->most = most;
    rc = open_file(f);
    if (rc == AKSSL_OK)
        rc = parse_header(f);
    if (rc == AKSSL_OK)
        rc = index_entries(f);
    if (rc < 0) {
        ak_safetensors_close(f);
        return rc;
    }
    *out = f;
    return AKSSL_OK;
}

akssl_status ak_safetensors_open(ak_safetensors **out, const char *path)
{
    return begin(out, path, 0);
}

akssl_status ak_safetensors_load(ak_safetensors **out, const char *path, size_t most)
{
    return begin(out, path, most);
}

void ak_safetensors_close(ak_safetensors *f)
{
    if (!f)
        return;
    if (f->most)
        free((void *)f->map);
    else if (f->map)
        munmap((void *)f->map, f->map_size);
    json_decref(f->header);
    free(f->entries);
    free(f->by_name);
    free(f->path);
    free(f);
}

int ak_safetensors_count(const ak_safetensors *f)
{
    return f->count;
}

const ak_safetensors_entry *ak_safetensors_at(const ak_safetensors *f, int index)
{
    return index >= 0 && index < f->count ? &f->entries[index] : NULL;
}

const ak_safetensors_entry *ak_safetensors_find(const ak_safetensors *f, const char *name)
{
    int low = 0, high = f->count;

    while (low < high) {
        int middle = low + (high - low) / 2;
        const ak_safetensors_entry *e = &f->entries[f->by_name[middle]];
        int order = strcmp(name, e->name);

        if (order == 0)
            return e;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const void *ak_safetensors_data(const ak_safetensors *f, const ak_safetensors_entry *e)
{
    return f->data + e->offset;
}

const char *ak_safetensors_meta(const ak_safetensors *f, const char *key)
{
    return json_string_value(json_object_get(json_object_get(f->header, "__metadata__"), key));
}

int64_t ak_safetensors_numel(const ak_safetensors_entry *e)
{
    return (int64_t)(e->size / ak_dtype_size(e->dtype));
}

akssl_status ak_safetensors_read_f32(const ak_safetensors *f, const char *name, float *values,
                                     int64_t numel)
{
    const ak_safetensors_entry *e = ak_safetensors_find(f, name);

    if (!e)
        return ak_fail(AKSSL_ERR_NOT_FOUND, "'%s' has no tensor '%.128s'", f->path, name);
    if (e->dtype != AK_F32)
        return ak_fail(AKSSL_ERR_INVALID, "'%s': tensor '%.128s' is %s, not F32", f->path, name,
                       ak_dtype_name(e->dtype));
    if (ak_safetensors_numel(e) != numel)
        return ak_fail(AKSSL_ERR_INVALID,
                       "'%s': tensor '%.128s' has %" PRId64 " elements instead of %" PRId64,
                       f->path, name, ak_safetensors_numel(e), numel);
    if (e->size)
        memcpy(values, f->data + e->offset, e->size);
    return AKSSL_OK;
}
