// worker/format/npy_file.c -- NumPy's .npy, version 1.0.

#include "worker/format/npy_file.h"

#include <inttypes.h>
#include <stdlib.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "worker/format/draft.h"

enum { PREAMBLE = 10, ALIGN = 64 }; // bytes: magic, version, length

struct ak_npy {
    ak_draft *draft;
    char *path;
    size_t value;           // bytes of one
    int64_t count, written; // values
};

void ak_npy_header(ak_npy_type type, int dims, const int64_t *shape, ak_str *out)
{
    uint8_t start[PREAMBLE] = { 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0 };
    ak_str text = AK_STR_INIT;

    ak_str_format(&text, "{'descr': '%s', 'fortran_order': False, 'shape': (",
                  type == AK_NPY_F32 ? "<f4" : "<i8");
    for (int i = 0; i < dims; i++)
        ak_str_format(&text, "%s%" PRId64 "%s", i ? " " : "", shape[i],
                      i + 1 < dims || dims == 1 ? "," : "");
    ak_str_append(&text, "), }");
    while ((PREAMBLE + text.length + 1) % ALIGN)
        ak_str_append(&text, " ");
    ak_str_append(&text, "\n");
    start[8] = (uint8_t)text.length;
    start[9] = (uint8_t)(text.length >> 8);
    ak_str_append_n(out, start, PREAMBLE);
    ak_str_append_n(out, text.text, text.length);
    ak_str_fini(&text);
}

akssl_status ak_npy_create(ak_npy **out, const char *path, ak_npy_type type, int dims,
                           const int64_t *shape)
{
    ak_npy *npy = ak_alloc(1, sizeof *npy);
    ak_str header = AK_STR_INIT;
    akssl_status rc;

    npy->path = ak_strdup(path);
    npy->value = type == AK_NPY_F32 ? sizeof(float) : sizeof(int64_t);
    npy->count = shape[0] * (dims == 2 ? shape[1] : 1);
    ak_npy_header(type, dims, shape, &header);
    rc = ak_draft_create(&npy->draft, path);
    if (rc == AKSSL_OK)
        rc = ak_draft_write(npy->draft, header.text, header.length);
    ak_str_fini(&header);
    if (rc < 0) {
        ak_npy_free(npy);
        return rc;
    }
    *out = npy;
    return AKSSL_OK;
}

akssl_status ak_npy_write(ak_npy *npy, const void *values, int64_t count)
{
    npy->written += count;
    return ak_draft_write(npy->draft, values, npy->value * (size_t)count);
}

akssl_status ak_npy_commit(ak_npy *npy)
{
    if (npy->written != npy->count)
        return ak_fail(AKSSL_ERR_STATE, "'%s' has %" PRId64 " values instead of %" PRId64,
                       npy->path, npy->written, npy->count);
    return ak_draft_commit(npy->draft);
}

void ak_npy_free(ak_npy *npy)
{
    if (!npy)
        return;
    ak_draft_free(npy->draft);
    free(npy->path);
    free(npy);
}
