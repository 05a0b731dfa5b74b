// worker/data/inflow.c -- the bytes of a file, plain or gzip.
//
// zlib's own gzread is not used: it takes whatever stands behind the compressed data for none.

#include "worker/data/inflow.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "proto/base/alloc.h"
#include "proto/base/confine.h"
#include "proto/base/error.h"

enum { CHUNK = 1 << 16, GZIP_BEST = 1040 }; // deflate gives at most 1032 bytes for one

struct ak_inflow {
    char *path;
    int fd;
    uint64_t file_size;
    bool gzip, ended; // ended: the last gzip member is complete
    z_stream z;       // its input is the chunk, also of plain files
    uint8_t chunk[CHUNK];
};

static akssl_status refill(ak_inflow *f)
{
    ssize_t got;

    if (f->z.avail_in)
        return AKSSL_OK;
    do
        got = read(f->fd, f->chunk, CHUNK);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return ak_fail_errno(errno, "read '%s'", f->path);
    f->z.next_in = f->chunk;
    f->z.avail_in = (unsigned)got;
    return AKSSL_OK;
}

static akssl_status start(ak_inflow *f)
{
    struct stat st;
    akssl_status rc;

    if (fstat(f->fd, &st) < 0 || !S_ISREG(st.st_mode))
        return ak_fail(AKSSL_ERR_IO, "'%s' is not a plain file", f->path);
    f->file_size = (uint64_t)st.st_size;
    rc = refill(f);
    if (rc < 0)
        return rc;
    if (f->z.avail_in < 2 || f->chunk[0] != 0x1f || f->chunk[1] != 0x8b)
        return AKSSL_OK;
    if (inflateInit2(&f->z, 15 + 16) != Z_OK)
        return ak_fail(AKSSL_ERR_NO_MEMORY, "'%s': no memory to decompress", f->path);
    f->gzip = true;
    return AKSSL_OK;
}

akssl_status ak_inflow_open(ak_inflow **out, const char *path)
{
    ak_inflow *f = ak_alloc(1, sizeof *f);
    akssl_status rc;

    f->path = ak_strdup(path);
    f->fd = -1;
    rc = ak_confine_open(&f->fd, path);
    if (rc == AKSSL_OK)
        rc = start(f);
    if (rc < 0) {
        ak_inflow_close(f);
        return rc;
    }
    *out = f;
    return AKSSL_OK;
}

void ak_inflow_close(ak_inflow *f)
{
    if (!f)
        return;
    if (f->gzip)
        inflateEnd(&f->z);
    if (f->fd >= 0)
        close(f->fd);
    free(f->path);
    free(f);
}

static akssl_status truncated(const ak_inflow *f)
{
    return ak_fail(AKSSL_ERR_CORRUPT, "'%s' is truncated: fetch it again", f->path);
}

// Moves what there is of a plain file to z.next_out.
static void copy(ak_inflow *f)
{
    unsigned n = f->z.avail_in < f->z.avail_out ? f->z.avail_in : f->z.avail_out;

    memcpy(f->z.next_out, f->z.next_in, n);
    f->z.next_in += n;
    f->z.avail_in -= n;
    f->z.avail_out -= n;
    f->ended = !n;
}

// Decompresses to z.next_out; a file may be several gzip members, one after the other.
static akssl_status expand(ak_inflow *f)
{
    int code;
    akssl_status rc = AKSSL_OK;

    if (!f->z.avail_in)
        return truncated(f);
    code = inflate(&f->z, Z_NO_FLUSH);
    if (code == Z_STREAM_END) {
        rc = refill(f);
        f->ended = !f->z.avail_in;
        if (!f->ended)
            inflateReset(&f->z);
    } else if (code != Z_OK && code != Z_BUF_ERROR) {
        rc = ak_fail(AKSSL_ERR_CORRUPT, "'%s' is damaged (%s): fetch it again", f->path,
                     f->z.msg ? f->z.msg : "bad gzip data");
    }
    return rc;
}

// Gives up to *size bytes; fewer only at the end of the file.
static akssl_status take(ak_inflow *f, void *bytes, size_t *size)
{
    size_t want = *size;
    uint8_t *at = bytes;

    while (want && !f->ended) {
        unsigned step = want < CHUNK ? (unsigned)want : CHUNK;
        akssl_status rc = refill(f);

        if (rc < 0)
            return rc;
        f->z.next_out = at;
        f->z.avail_out = step;
        if (f->gzip)
            rc = expand(f);
        else
            copy(f);
        if (rc < 0)
            return rc;
        at += step - f->z.avail_out;
        want -= step - f->z.avail_out;
    }
    *size -= want;
    return AKSSL_OK;
}

akssl_status ak_inflow_read(ak_inflow *f, void *bytes, size_t size)
{
    size_t got = size;
    akssl_status rc = take(f, bytes, &got);

    if (rc < 0)
        return rc;
    return got == size ? AKSSL_OK : truncated(f);
}

akssl_status ak_inflow_end(ak_inflow *f)
{
    uint8_t byte;
    size_t got = 1;
    akssl_status rc = take(f, &byte, &got);

    if (rc == AKSSL_OK)
        rc = refill(f);
    if (rc < 0)
        return rc;
    if (got || f->z.avail_in)
        return ak_fail(AKSSL_ERR_CORRUPT, "'%s' goes on behind its last element: fetch it again",
                       f->path);
    return AKSSL_OK;
}

uint64_t ak_inflow_most(const ak_inflow *f)
{
    return f->gzip ? f->file_size * GZIP_BEST : f->file_size;
}

const char *ak_inflow_path(const ak_inflow *f)
{
    return f->path;
}
