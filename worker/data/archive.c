// worker/data/archive.c -- a strict reader of tar files.
//
//     (header block, data, padded to blocks of 512)*, a block of zeros
//
// A header of type 'x' (pax) or 'L' (GNU) has as its data the name, or the size, of the next file.

#include "worker/data/archive.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/alloc.h"
#include "proto/base/confine.h"
#include "proto/base/error.h"

enum { BLOCK = 512, NAME = 4096, EXTRA = 1 << 20 };

// Where the fields of a header are.
enum { F_NAME = 0, F_SIZE = 124, F_SUM = 148, F_TYPE = 156, F_MAGIC = 257, F_PREFIX = 345 };
enum { L_NAME = 100, L_SIZE = 12, L_SUM = 8, L_PREFIX = 155 };

typedef struct archive {
    const char *path;
    int fd;
    int64_t at, end;
    char name[NAME]; // of the next file, from an extra header; "": none
    int64_t size;    // likewise; -1: none
} archive;

static akssl_status bad(const archive *a, const char *what)
{
    return ak_fail(AKSSL_ERR_CORRUPT, "'%.512s': at byte %" PRId64 ": %s", a->path, a->at, what);
}

static akssl_status read_at(const archive *a, int64_t at, void *bytes, int64_t size)
{
    char *to = bytes;

    if (size > a->end - at)
        return bad(a, "it is truncated: fetch it again");
    while (size) {
        ssize_t got = pread(a->fd, to, (size_t)size, at);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ak_fail_errno(errno, "read '%.512s'", a->path);
        if (got == 0)
            return bad(a, "it has become shorter");
        to += got;
        at += got;
        size -= got;
    }
    return AKSSL_OK;
}

// Octal digits, with blanks around; or, when the first bit is set, a big-endian number.
static bool read_number(const uint8_t *field, int length, int64_t *out)
{
    int64_t value = 0;
    int i = 0;

    if (field[0] & 0x80) {
        value = field[0] & 0x3f;
        for (i = 1; i < length; i++) {
            if (value >> 54)
                return false;
            value = value << 8 | field[i];
        }
        *out = value;
        return !(field[0] & 0x40);
    }
    while (i < length && field[i] == ' ')
        i++;
    for (; i < length && field[i] >= '0' && field[i] <= '7'; i++)
        value = value << 3 | (field[i] - '0');
    for (; i < length; i++)
        if (field[i] != ' ' && field[i] != '\0')
            return false;
    *out = value;
    return true;
}

static bool is_zero(const uint8_t *block)
{
    for (int i = 0; i < BLOCK; i++)
        if (block[i])
            return false;
    return true;
}

static bool sum_is_right(const uint8_t *block)
{
    int64_t said, sum = 0;

    for (int i = 0; i < BLOCK; i++)
        sum += i >= F_SUM && i < F_SUM + L_SUM ? ' ' : block[i];
    return read_number(block + F_SUM, L_SUM, &said) && said == sum;
}

// ---- extra headers

static akssl_status take_path(archive *a, const char *text, size_t length)
{
    if (!length || length >= NAME || memchr(text, '\0', length))
        return bad(a, "a file's name is empty, too long or has a NUL in it");
    memcpy(a->name, text, length);
    a->name[length] = '\0';
    return AKSSL_OK;
}

static akssl_status take_pair(archive *a, const char *key, const char *value, size_t length)
{
    char *end;

    if (strncmp(key, "GNU.sparse", 10) == 0)
        return bad(a, "a sparse file: pack it without --sparse");
    if (strcmp(key, "path") == 0)
        return take_path(a, value, length);
    if (strcmp(key, "size") != 0)
        return AKSSL_OK;
    errno = 0;
    a->size = strtoll(value, &end, 10);
    return errno || end != value + length || end == value || a->size < 0
               ? bad(a, "a size that is no number")
               : AKSSL_OK;
}

// Records "LENGTH KEY=VALUE\n", the length being that of the whole record.  The text ends with a
// NUL behind its size.
static akssl_status read_pax(archive *a, char *text, int64_t size)
{
    for (char *at = text, *stop = text + size; at < stop;) {
        char *key, *equals, *last;
        long length = strtol(at, &key, 10);
        akssl_status rc;

        if (key == at || *key != ' ' || length <= key + 1 - at || length > stop - at)
            return bad(a, "a pax header that is damaged");
        last = at + length - 1;
        equals = memchr(key, '=', (size_t)(last - key));
        if (*last != '\n' || !equals)
            return bad(a, "a pax header that is damaged");
        *equals = *last = '\0';
        rc = take_pair(a, key + 1, equals + 1, (size_t)(last - equals - 1));
        if (rc < 0)
            return rc;
        at = last + 1;
    }
    return AKSSL_OK;
}

static akssl_status read_extra(archive *a, char type, int64_t size)
{
    char *text;
    akssl_status rc;

    if (size > EXTRA)
        return bad(a, "an extra header of more than a megabyte");
    text = ak_alloc((size_t)size + 1, 1);
    rc = read_at(a, a->at + BLOCK, text, size);
    if (rc == AKSSL_OK && type == 'x')
        rc = read_pax(a, text, size);
    else if (rc == AKSSL_OK && type == 'L')
        rc = take_path(a, text, strlen(text));
    free(text);
    return rc;
}

// ---- files

// The name in the header, unless an extra header gave one.
static akssl_status settle_name(archive *a, const uint8_t *block)
{
    const char *name = (const char *)block + F_NAME, *prefix = (const char *)block + F_PREFIX;
    size_t length = strnlen(name, L_NAME), before = strnlen(prefix, L_PREFIX);
    char whole[L_PREFIX + 1 + L_NAME];

    if (a->name[0])
        return AKSSL_OK;
    if (memcmp(block + F_MAGIC, "ustar\0", 6) != 0 || !before)
        return take_path(a, name, length);
    memcpy(whole, prefix, before);
    whole[before] = '/';
    memcpy(whole + before + 1, name, length);
    return take_path(a, whole, before + 1 + length);
}

static akssl_status give(archive *a, const uint8_t *block, int64_t size, ak_member_take take,
                         void *ctx)
{
    ak_member member = { a->name, a->at + BLOCK, size };
    akssl_status rc = settle_name(a, block);

    if (rc == AKSSL_OK && size > a->end - a->at - BLOCK)
        rc = bad(a, "it is truncated: fetch it again");
    if (rc == AKSSL_OK)
        rc = take(ctx, a->fd, &member);
    a->name[0] = '\0';
    a->size = -1;
    return rc;
}

// Reads one header and what belongs to it; *done at the end mark.
static akssl_status next(archive *a, ak_member_take take, void *ctx, bool *done)
{
    uint8_t block[BLOCK];
    int64_t size;
    char type;
    akssl_status rc = read_at(a, a->at, block, BLOCK);

    if (rc < 0)
        return rc;
    *done = is_zero(block);
    if (*done)
        return AKSSL_OK;
    if (!sum_is_right(block) || !read_number(block + F_SIZE, L_SIZE, &size))
        return bad(a, a->at ? "a header that is damaged: fetch the archive again"
                            : "no tar file: one that is compressed must be unpacked first");
    type = (char)block[F_TYPE];
    if (type == 'x' || type == 'L') {
        rc = read_extra(a, type, size);
    } else if (type == '0' || type == '\0' || type == '7') {
        size = a->size >= 0 ? a->size : size;
        rc = give(a, block, size, take, ctx);
    } else if (type == 'S') {
        rc = bad(a, "a sparse file: pack it without --sparse");
    } else {
        if (type >= '1' && type <= '6') // links, devices and folders have no data
            size = 0;
        if (type != 'g' && type != 'K') { // what came before was this entry's
            a->name[0] = '\0';
            a->size = -1;
        }
    }
    if (rc == AKSSL_OK && size > a->end - a->at - BLOCK)
        rc = bad(a, "it is truncated: fetch it again");
    if (rc == AKSSL_OK)
        a->at += BLOCK + (size + BLOCK - 1) / BLOCK * BLOCK;
    return rc;
}

akssl_status ak_archive_list(const char *path, ak_member_take take, void *ctx)
{
    archive a = { .path = path, .fd = -1, .size = -1 };
    akssl_status rc = ak_confine_open(&a.fd, path);
    bool done = false;
    struct stat st;

    if (rc < 0)
        return rc;
    if (fstat(a.fd, &st) < 0) {
        rc = ak_fail_errno(errno, "stat '%.512s'", path);
    } else if (!S_ISREG(st.st_mode)) {
        rc = ak_fail(AKSSL_ERR_IO, "'%.512s' is not a plain file", path);
    } else {
        a.end = st.st_size;
        while (rc == AKSSL_OK && !done)
            rc = next(&a, take, ctx, &done);
    }
    close(a.fd);
    return rc;
}
