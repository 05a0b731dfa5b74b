// worker/data/files.c -- images as pieces of files: read when they are asked for.

#include "worker/data/files.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/alloc.h"
#include "proto/base/confine.h"
#include "proto/base/error.h"

enum { IMAGE_MOST = 1 << 29 }; // bytes of an image's file

void ak_files_path(ak_files *files, const char *path)
{
    files->paths = ak_realloc(files->paths, (size_t)files->path_count + 1, sizeof *files->paths);
    files->paths[files->path_count++] = ak_strdup(path);
}

akssl_status ak_files_add(ak_files *files, ak_file file, int64_t label)
{
    if (files->count == files->room) {
        int64_t room = files->room ? 2 * files->room : 256;
        ak_file *more = realloc(files->file, (size_t)room * sizeof *more);
        int64_t *labels = realloc(files->labels, (size_t)room * sizeof *labels);

        files->file = more ? more : files->file;
        files->labels = labels ? labels : files->labels;
        if (!more || !labels) {
            free(file.name);
            return ak_fail(AKSSL_ERR_NO_MEMORY, "no memory for the list of images");
        }
        files->room = room;
    }
    files->labels[files->count] = label;
    files->file[files->count++] = file;
    return AKSSL_OK;
}

void ak_files_fini(ak_files *files)
{
    for (int64_t i = 0; i < files->count; i++)
        free(files->file[i].name);
    for (int64_t i = 0; i < files->path_count; i++)
        free(files->paths[i]);
    free(files->paths);
    free(files->file);
    free(files->labels);
    *files = (ak_files){ 0 };
}

// ---- the source

static akssl_status read_piece(int fd, const ak_file *file, uint8_t *bytes, const char *path)
{
    int64_t offset = file->offset < 0 ? 0 : file->offset, done = 0;

    while (done < file->size) {
        ssize_t got = pread(fd, bytes + done, (size_t)(file->size - done), offset + done);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ak_fail_errno(errno, "read '%.512s'", path);
        if (got == 0)
            return ak_fail(AKSSL_ERR_STATE,
                           "'%.512s' is shorter than when the data set was listed: leave a data "
                           "set alone while a job runs on it",
                           path);
        done += got;
    }
    return AKSSL_OK;
}

static akssl_status read_file(int fd, const ak_file *file, const char *path, ak_stored *out)
{
    struct stat st;
    uint8_t *bytes;
    akssl_status rc;

    if (fstat(fd, &st) < 0)
        return ak_fail_errno(errno, "stat '%.512s'", path);
    if (file->offset < 0 && st.st_size != file->size)
        return ak_fail(AKSSL_ERR_STATE,
                       "'%.512s' has %" PRId64 " bytes and had %" PRId64
                       " when the data set was listed: leave a data set alone while a job runs on "
                       "it",
                       path, (int64_t)st.st_size, file->size);
    if (file->size > IMAGE_MOST)
        return ak_fail(AKSSL_ERR_LIMIT, "its file of %" PRId64 " bytes is too large: at most %d",
                       file->size, IMAGE_MOST);
    rc = ak_stored_reserve(out, (size_t)file->size, &bytes);
    return rc == AKSSL_OK ? read_piece(fd, file, bytes, path) : rc;
}

static akssl_status load(const void *self, int64_t index, ak_stored *out)
{
    const ak_files *files = self;
    const ak_file *file = &files->file[index];
    ak_str path = AK_STR_INIT;
    akssl_status rc;
    int fd = -1;

    ak_str_append(&path, files->paths[file->path]);
    if (file->offset < 0)
        ak_str_format(&path, "/%s", file->name);
    rc = ak_confine_open(&fd, path.text);
    if (rc == AKSSL_OK)
        rc = read_file(fd, file, path.text, out);
    if (fd >= 0)
        close(fd);
    ak_str_fini(&path);
    return rc;
}

static int64_t size_of(const void *self, int64_t index)
{
    return ((const ak_files *)self)->file[index].size;
}

static void name_of(const void *self, int64_t index, ak_str *text)
{
    ak_str_append(text, ((const ak_files *)self)->file[index].name);
}

static void close_files(void *self)
{
    ak_files_fini(self);
    free(self);
}

static const ak_source source = {
    .load = load, .size = size_of, .name = name_of, .close = close_files
};

void ak_files_give(ak_files *files, ak_dataset *set, int64_t limit)
{
    ak_files *own = ak_alloc(1, sizeof *own);
    bool any = false;

    *own = *files;
    *files = (ak_files){ 0 };
    for (int64_t i = 0; i < own->count && !any; i++)
        any = own->labels[i] >= 0;
    set->labels = any ? own->labels : NULL;
    if (!any)
        free(own->labels);
    own->labels = NULL;
    set->source = &source;
    set->self = own;
    set->size = limit > 0 && limit < own->count ? limit : own->count;
}
