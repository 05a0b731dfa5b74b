// worker/format/draft.c -- a file that is there whole or not at all.

#include "worker/format/draft.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "proto/base/str.h"
#include "worker/format/folder.h"

struct ak_draft {
    FILE *file;
    char *path, *draft;
    uint64_t size;
    int error; // the first, or 0
    bool committed;
};

static akssl_status failed(const ak_draft *d)
{
    return ak_fail_errno(d->error, "'%s' cannot be written", d->path);
}

akssl_status ak_draft_create(ak_draft **out, const char *path)
{
    ak_draft *d = ak_alloc(1, sizeof *d);
    ak_str draft = AK_STR_INIT;
    akssl_status rc;

    ak_str_format(&draft, "%s.tmp", path);
    d->draft = ak_str_take(&draft);
    d->path = ak_strdup(path);
    d->file = fopen(d->draft, "wb");
    if (d->file) {
        *out = d;
        return AKSSL_OK;
    }
    d->error = errno;
    rc = failed(d);
    ak_draft_free(d);
    return rc;
}

akssl_status ak_draft_write(ak_draft *d, const void *bytes, size_t size)
{
    if (!d->error && size && fwrite(bytes, 1, size, d->file) != size)
        d->error = errno ? errno : EIO;
    d->size += size;
    return d->error ? failed(d) : AKSSL_OK;
}

uint64_t ak_draft_size(const ak_draft *d)
{
    return d->size;
}

akssl_status ak_draft_commit(ak_draft *d)
{
    if (d->error)
        return failed(d);
    if (fflush(d->file) != 0 || fsync(fileno(d->file)) < 0 || rename(d->draft, d->path) < 0) {
        d->error = errno;
        return failed(d);
    }
    d->committed = true;
    return ak_folder_sync_of(d->path);
}

void ak_draft_free(ak_draft *d)
{
    if (!d)
        return;
    if (d->file)
        fclose(d->file);
    if (d->file && !d->committed)
        unlink(d->draft);
    free(d->path);
    free(d->draft);
    free(d);
}

akssl_status ak_draft_put(const char *path, const void *bytes, size_t size)
{
    ak_draft *draft = NULL;
    akssl_status rc = ak_draft_create(&draft, path);

    if (rc < 0)
        return rc;
    (void)ak_draft_write(draft, bytes, size); // commit gives its failure
    rc = ak_draft_commit(draft);
    ak_draft_free(draft);
    return rc;
}
