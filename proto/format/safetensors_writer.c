// proto/format/safetensors_writer.c -- writes a safetensors file, all of it or none.

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "proto/base/str.h"
#include "proto/format/hash.h"
#include "proto/format/safetensors.h"

enum { LENGTH_BYTES = 8, ALIGN = 64, PIECE = 4 << 20 }; // PIECE: of a write

struct ak_safetensors_writer {
    char *path, *tmp;
    int fd; // -1 when closed
    bool committed, settled, synced;
    json_t *tensors, *metadata;
    size_t declared, written; // bytes of data
    uint64_t file_size;
    ak_safetensors_buffer *buffer; // the caller's; NULL: none
    size_t most, held;             // bytes of the buffer: at most, and not yet written
    bool direct, indirect;         // past the page cache; it cannot be
    XXH3_state_t *hash;
    akssl_status failed; // the first failure
    char *why;           // its sentence, when it is one of declaring
};

akssl_status ak_safetensors_create(ak_safetensors_writer **out, const char *path)
{
    ak_safetensors_writer *w = ak_alloc(1, sizeof *w);
    ak_str tmp = AK_STR_INIT;
    akssl_status rc;

    ak_str_format(&tmp, "%s.tmp", path);
    w->path = ak_strdup(path);
    w->tmp = ak_str_take(&tmp);
    w->tensors = json_object();
    w->metadata = json_object();
    w->hash = XXH3_createState();
    w->fd = open(w->tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (w->fd < 0) {
        rc = ak_fail_errno(errno, "create '%s'", w->tmp);
        w->committed = true; // not ours to remove
    } else if (!w->tensors || !w->metadata || !w->hash) {
        rc = ak_fail(AKSSL_ERR_NO_MEMORY, "create '%s': out of memory", w->tmp);
    } else {
        XXH3_128bits_reset(w->hash);
        *out = w;
        return AKSSL_OK;
    }
    ak_safetensors_writer_free(w);
    return rc;
}

static akssl_status fail(ak_safetensors_writer *w, akssl_status rc)
{
    if (!w->failed) {
        w->failed = rc;
        w->why = ak_strdup(ak_error_text());
    }
    return rc;
}

// Says the first failure again.
static akssl_status failed(const ak_safetensors_writer *w)
{
    return ak_fail(w->failed, "%s", w->why);
}

void ak_safetensors_set_meta(ak_safetensors_writer *w, const char *key, const char *value)
{
    if (w->settled)
        fail(w, ak_fail(AKSSL_ERR_STATE, "'%s': metadata '%.64s' after data", w->path, key));
    else if (json_object_set_new(w->metadata, key, json_string(value)) < 0)
        fail(w, ak_fail(AKSSL_ERR_INVALID, "'%s': metadata '%.64s' is not UTF-8", w->path, key));
}

static akssl_status declare(ak_safetensors_writer *w, const char *name, ak_dtype dtype, int dims,
                            const int64_t *shape)
{
    size_t bytes = ak_dtype_size(dtype), end;
    json_t *list = json_array(), *entry;

    if (w->settled || dims < 0 || dims > AK_SAFETENSORS_MAX_DIMS ||
        json_object_get(w->tensors, name) || strcmp(name, "__metadata__") == 0)
        goto wrong;
    for (int i = 0; i < dims; i++) {
        if (shape[i] < 0 || __builtin_mul_overflow(bytes, (size_t)shape[i], &bytes))
            goto wrong;
        json_array_append_new(list, json_integer(shape[i]));
    }
    if (__builtin_add_overflow(w->declared, bytes, &end) || end > INT64_MAX)
        goto wrong;
    entry = json_pack("{s:s, s:o, s:[I,I]}", "dtype", ak_dtype_name(dtype), "shape", list,
                      "data_offsets", (json_int_t)w->declared, (json_int_t)end);
    if (json_object_set_new(w->tensors, name, entry) < 0)
        return ak_fail(AKSSL_ERR_INVALID, "'%s': tensor '%.128s': not a UTF-8 name", w->path, name);
    w->declared = end;
    return AKSSL_OK;
wrong:
    json_decref(list);
    return ak_fail(AKSSL_ERR_INVALID,
                   "'%s': tensor '%.128s': declared twice, after data or with a wrong shape",
                   w->path, name);
}

void ak_safetensors_declare(ak_safetensors_writer *w, const char *name, ak_dtype dtype, int dims,
                            const int64_t *shape)
{
    akssl_status rc = declare(w, name, dtype, dims, shape);

    if (rc < 0)
        fail(w, rc);
}

// go_direct has the next writes go past the page cache, or not; a file system that has no such way,
// or no longer for what is left, takes them the other way.
static void go_direct(ak_safetensors_writer *w, bool direct)
{
    int flags;

    if (w->direct == direct || (direct && w->indirect))
        return;
    flags = fcntl(w->fd, F_GETFL);
    if (flags >= 0 && fcntl(w->fd, F_SETFL, direct ? flags | O_DIRECT : flags & ~O_DIRECT) == 0)
        w->direct = direct;
    else
        w->indirect = true;
}

static akssl_status write_piece(ak_safetensors_writer *w, const uint8_t *data, size_t size)
{
    XXH3_128bits_update(w->hash, data, size);
    while (size) {
        ssize_t n = write(w->fd, data, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EINVAL && w->direct) { // what follows a short write is not aligned
            go_direct(w, false);
            w->indirect = true;
            if (!w->direct)
                continue;
        }
        if (n < 0)
            return fail(w, ak_fail_errno(errno, "write '%s'", w->tmp));
        data += n;
        size -= (size_t)n;
    }
    return AKSSL_OK;
}

static akssl_status write_all(ak_safetensors_writer *w, const uint8_t *data, size_t size)
{
    akssl_status rc = AKSSL_OK;

    for (size_t at = 0, piece; at < size && rc == AKSSL_OK; at += piece) {
        piece = size - at < PIECE ? size - at : PIECE;
        rc = write_piece(w, data + at, piece);
    }
    return rc;
}

// flush writes what the buffer holds: whole pages, and at the end of the file the rest.
static akssl_status flush(ak_safetensors_writer *w)
{
    size_t pages = w->held / AK_PAGE * AK_PAGE;
    akssl_status rc = AKSSL_OK;

    if (pages) {
        go_direct(w, true);
        rc = write_all(w, w->buffer->bytes, pages);
    }
    if (rc == AKSSL_OK && w->held > pages) {
        go_direct(w, false);
        rc = write_all(w, w->buffer->bytes + pages, w->held - pages);
    }
    w->held = 0;
    return rc;
}

static akssl_status put(ak_safetensors_writer *w, const void *data, size_t size)
{
    const uint8_t *from = data;
    akssl_status rc = AKSSL_OK;

    w->file_size += size;
    if (!w->buffer)
        return write_all(w, from, size);
    while (size && rc == AKSSL_OK) {
        size_t room = w->most - w->held, some = size < room ? size : room;

        memcpy(w->buffer->bytes + w->held, from, some);
        w->held += some;
        from += some;
        size -= some;
        if (w->held == w->most)
            rc = flush(w);
    }
    return rc;
}

akssl_status ak_safetensors_buffer_reserve(ak_safetensors_buffer *buffer, size_t size)
{
    size_t pages = size / AK_PAGE + (size % AK_PAGE > 0), room = pages * AK_PAGE;

    if (size <= buffer->room)
        return AKSSL_OK;
    ak_safetensors_buffer_fini(buffer);
    room = room < size ? SIZE_MAX : room; // more than there can be
    buffer->bytes = ak_try_pages(room);
    if (!buffer->bytes)
        return AKSSL_ERR_NO_MEMORY;
    buffer->room = room;
    return AKSSL_OK;
}

void ak_safetensors_buffer_fini(ak_safetensors_buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (ak_safetensors_buffer){ 0 };
}

void ak_safetensors_gather(ak_safetensors_writer *w, ak_safetensors_buffer *buffer, size_t most)
{
    w->buffer = buffer;
    w->most = most / AK_PAGE * AK_PAGE;
}

// settle_buffer: `most` is what the buffer has from here on.
static akssl_status settle_buffer(ak_safetensors_writer *w, size_t header)
{
    size_t size = header + w->declared, room = size < w->most ? size : w->most;
    akssl_status rc = ak_safetensors_buffer_reserve(w->buffer, room);

    if (rc < 0)
        return fail(w, ak_wrap(rc, "write '%s'", w->tmp));
    w->most = w->buffer->room < w->most ? w->buffer->room : w->most;
    return AKSSL_OK;
}

// Writes length and header, padded with spaces so that data starts at a multiple of ALIGN.
static akssl_status settle(ak_safetensors_writer *w)
{
    json_t *header = json_object();
    ak_str text = AK_STR_INIT;
    uint64_t length;
    uint8_t bytes[LENGTH_BYTES];
    char *dump;
    akssl_status rc;

    w->settled = true;
    if (json_object_size(w->metadata))
        json_object_set(header, "__metadata__", w->metadata);
    json_object_update(header, w->tensors);
    dump = json_dumps(header, JSON_COMPACT);
    json_decref(header);
    if (!dump)
        return fail(w, ak_fail(AKSSL_ERR_NO_MEMORY, "header of '%s': out of memory", w->path));
    ak_str_append(&text, dump);
    free(dump);
    while ((LENGTH_BYTES + text.length) % ALIGN)
        ak_str_append(&text, " ");
    length = text.length;
    for (int i = 0; i < LENGTH_BYTES; i++)
        bytes[i] = (uint8_t)(length >> (8 * i));
    rc = w->buffer ? settle_buffer(w, sizeof bytes + text.length) : AKSSL_OK;
    if (rc == AKSSL_OK)
        rc = put(w, bytes, sizeof bytes);
    if (rc == AKSSL_OK)
        rc = put(w, text.text, text.length);
    ak_str_fini(&text);
    return rc;
}

akssl_status ak_safetensors_write(ak_safetensors_writer *w, const void *data, size_t size)
{
    akssl_status rc;

    if (w->failed)
        return failed(w);
    if (!w->settled) {
        rc = settle(w);
        if (rc < 0)
            return rc;
    }
    if (size > w->declared - w->written)
        return fail(w, ak_fail(AKSSL_ERR_STATE, "'%s': more data than the %zu bytes declared",
                               w->path, w->declared));
    w->written += size;
    return put(w, data, size);
}

static akssl_status sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    akssl_status rc = AKSSL_OK;

    if (fd < 0 || fsync(fd) < 0)
        rc = ak_fail_errno(errno, "sync the folder of '%s'", path);
    if (fd >= 0)
        close(fd);
    free(folder);
    return rc;
}

akssl_status ak_safetensors_sync(ak_safetensors_writer *w)
{
    akssl_status rc = AKSSL_OK;

    if (w->failed)
        return failed(w);
    if (w->committed)
        return ak_fail(AKSSL_ERR_STATE, "'%s' is committed already", w->path);
    if (!w->settled)
        rc = settle(w);
    if (rc == AKSSL_OK && w->written != w->declared)
        rc = fail(w, ak_fail(AKSSL_ERR_STATE, "'%s': %zu bytes written of the %zu declared",
                             w->path, w->written, w->declared));
    if (rc == AKSSL_OK && w->held)
        rc = flush(w);
    if (rc == AKSSL_OK && !w->synced && fsync(w->fd) < 0)
        rc = fail(w, ak_fail_errno(errno, "sync '%s'", w->tmp));
    w->synced = rc == AKSSL_OK;
    return rc;
}

akssl_status ak_safetensors_commit(ak_safetensors_writer *w, uint64_t *size, char digest[33])
{
    akssl_status rc = ak_safetensors_sync(w);
    int fd = w->fd;

    if (rc < 0)
        return rc;
    w->fd = -1;
    if (close(fd) < 0)
        return fail(w, ak_fail_errno(errno, "close '%s'", w->tmp));
    if (rename(w->tmp, w->path) < 0)
        return fail(w, ak_fail_errno(errno, "rename '%s' to '%s'", w->tmp, w->path));
    w->committed = true;
    rc = sync_folder(w->path);
    if (rc < 0)
        return fail(w, rc);
    if (size)
        *size = w->file_size;
    if (digest)
        ak_hash_text(XXH3_128bits_digest(w->hash), digest);
    return AKSSL_OK;
}

void ak_safetensors_writer_free(ak_safetensors_writer *w)
{
    if (!w)
        return;
    if (w->fd >= 0)
        close(w->fd);
    if (!w->committed)
        unlink(w->tmp);
    json_decref(w->tensors);
    json_decref(w->metadata);
    XXH3_freeState(w->hash);
    free(w->why);
    free(w->path);
    free(w->tmp);
    free(w);
}
