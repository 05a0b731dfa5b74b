// worker/train/npy.c -- NumPy's .npy, version 1.0.

#include "worker/train/npy.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "proto/base/str.h"
#include "worker/train/folder.h"

enum { PREAMBLE = 10, ALIGN = 64 }; // bytes: magic, version, length

struct ak_npy {
    FILE *file;
    char *path, *draft;
    size_t value;           // bytes of one
    int64_t count, written; // values
    bool committed;
};

static akssl_status failed(const ak_npy *npy)
{
    return ak_fail_errno(errno, "'%s' cannot be written", npy->path);
}

static akssl_status write_header(ak_npy *npy, ak_npy_type type, int dims, const int64_t *shape)
{
    ak_str text = AK_STR_INIT;
    uint8_t start[PREAMBLE] = { 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0 };
    bool ok;

    ak_str_format(&text, "{'descr': '%s', 'fortran_order': False, 'shape': (%" PRId64 ",",
                  type == AK_NPY_F32 ? "<f4" : "<i8", shape[0]);
    if (dims == 2)
        ak_str_format(&text, " %" PRId64, shape[1]);
    ak_str_append(&text, "), }");
    while ((PREAMBLE + strlen(text.text) + 1) % ALIGN)
        ak_str_append(&text, " ");
    ak_str_append(&text, "\n");
    start[8] = (uint8_t)strlen(text.text);
    start[9] = (uint8_t)(strlen(text.text) >> 8);
    ok = fwrite(start, 1, PREAMBLE, npy->file) == PREAMBLE && fputs(text.text, npy->file) >= 0;
    ak_str_fini(&text);
    return ok ? AKSSL_OK : failed(npy);
}

akssl_status ak_npy_create(ak_npy **out, const char *path, ak_npy_type type, int dims,
                           const int64_t *shape)
{
    ak_npy *npy = ak_alloc(1, sizeof *npy);
    ak_str draft = AK_STR_INIT;
    akssl_status rc;

    ak_str_format(&draft, "%s.tmp", path);
    npy->draft = ak_str_take(&draft);
    npy->path = ak_strdup(path);
    npy->value = type == AK_NPY_F32 ? sizeof(float) : sizeof(int64_t);
    npy->count = shape[0] * (dims == 2 ? shape[1] : 1);
    npy->file = fopen(npy->draft, "wb");
    rc = npy->file ? write_header(npy, type, dims, shape) : failed(npy);
    if (rc < 0) {
        ak_npy_free(npy);
        return rc;
    }
    *out = npy;
    return AKSSL_OK;
}

akssl_status ak_npy_write(ak_npy *npy, const void *values, int64_t count)
{
    if (fwrite(values, npy->value, (size_t)count, npy->file) != (size_t)count)
        return failed(npy);
    npy->written += count;
    return AKSSL_OK;
}

akssl_status ak_npy_commit(ak_npy *npy)
{
    if (npy->written != npy->count)
        return ak_fail(AKSSL_ERR_STATE, "'%s' has %" PRId64 " values instead of %" PRId64,
                       npy->path, npy->written, npy->count);
    if (fflush(npy->file) != 0 || fsync(fileno(npy->file)) < 0 || rename(npy->draft, npy->path) < 0)
        return failed(npy);
    npy->committed = true;
    return ak_folder_sync_of(npy->path);
}

void ak_npy_free(ak_npy *npy)
{
    if (!npy)
        return;
    if (npy->file)
        fclose(npy->file);
    if (npy->file && !npy->committed)
        unlink(npy->draft);
    free(npy->path);
    free(npy->draft);
    free(npy);
}
