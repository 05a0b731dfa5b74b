// daemon/files.c -- folders and small files of the state folder.

#include "daemon/files.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"

char *ak_path(const char *format, ...)
{
    char *path = NULL;
    va_list args;
    int n;

    va_start(args, format);
    n = vasprintf(&path, format, args);
    va_end(args);
    return n < 0 ? ak_strdup("") : path; // no memory: the use of "" fails with a sentence
}

static int sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = fd < 0 || fsync(fd) < 0 ? errno : 0;

    if (fd >= 0)
        close(fd);
    return error;
}

// sync_parent flushes the entry of path itself.
static int sync_parent(const char *path)
{
    char *folder = ak_strdup(path);
    char *slash = strrchr(folder, '/');
    int error;

    if (slash && slash != folder)
        *slash = '\0';
    error = sync_folder(!slash ? "." : slash == folder ? "/" : folder);
    free(folder);
    return error;
}

static int make_one(const char *path)
{
    struct stat st;

    if (mkdir(path, 0700) == 0)
        return sync_parent(path);
    if (errno == EEXIST && stat(path, &st) == 0)
        return S_ISDIR(st.st_mode) ? 0 : ENOTDIR;
    return errno;
}

akssl_status ak_files_make(const char *folder)
{
    char *path = ak_strdup(folder);
    int error = folder[0] ? 0 : ENOENT;

    for (char *slash = path[0] ? strchr(path + 1, '/') : NULL; slash && !error;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        error = make_one(path);
        *slash = '/';
    }
    if (!error)
        error = make_one(path);
    free(path);
    return error ? ak_fail_errno(error, "folder '%s' cannot be made", folder) : AKSSL_OK;
}

int ak_files_put(int fd, const void *data, size_t size)
{
    const char *at = data;

    while (size) {
        ssize_t n = write(fd, at, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        at += n;
        size -= (size_t)n;
    }
    return 0;
}

static int write_file(const char *path, int flags, const void *data, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600);
    int error = fd < 0 ? errno : ak_files_put(fd, data, size);

    if (!error && fsync(fd) < 0)
        error = errno;
    if (fd >= 0 && close(fd) < 0 && !error)
        error = errno;
    return error;
}

akssl_status ak_files_create(const char *path, const void *data, size_t size)
{
    int error = write_file(path, O_EXCL, data, size);

    return error ? ak_fail_errno(error, "file '%s' cannot be written", path) : AKSSL_OK;
}

akssl_status ak_files_write(const char *path, const void *data, size_t size)
{
    char *temporary = ak_path("%s.tmp", path);
    akssl_status rc = AKSSL_OK;
    int error = write_file(temporary, O_TRUNC, data, size);

    if (!error && rename(temporary, path) < 0)
        error = errno;
    if (error)
        unlink(temporary);
    else
        error = sync_parent(path);
    if (error)
        rc = ak_fail_errno(error, "file '%s' cannot be written", path);
    free(temporary);
    return rc;
}

akssl_status ak_files_settle(const char *draft, const char *path)
{
    int fd = open(draft, O_RDONLY | O_CLOEXEC);
    int error = fd < 0 || fsync(fd) < 0 ? errno : 0;

    if (fd >= 0)
        close(fd);
    if (!error && rename(draft, path) < 0)
        error = errno;
    if (!error)
        error = sync_parent(path);
    return error ? ak_fail_errno(error, "file '%s' cannot be written", path) : AKSSL_OK;
}

akssl_status ak_files_read(const char *path, size_t limit, ak_str *text)
{
    char block[8192];
    size_t total = 0;
    FILE *file = fopen(path, "rbe");
    akssl_status rc = AKSSL_OK;

    if (!file)
        return ak_fail_errno(errno, "file '%s' cannot be read", path);
    while (rc == AKSSL_OK) {
        size_t n = fread(block, 1, sizeof block, file);

        if (!n)
            break;
        total += n;
        if (total > limit)
            rc = ak_fail(AKSSL_ERR_LIMIT, "file '%s' is over %zu bytes", path, limit);
        else
            ak_str_append_n(text, block, n);
    }
    if (rc == AKSSL_OK && ferror(file))
        rc = ak_fail_errno(errno, "file '%s' cannot be read", path);
    fclose(file);
    return rc;
}

akssl_status ak_files_sync(const char *folder)
{
    int error = sync_folder(folder);

    return error ? ak_fail_errno(error, "folder '%s' cannot be flushed to disk", folder) : AKSSL_OK;
}

akssl_status ak_files_size(const char *path, uint64_t *size)
{
    struct stat st;

    if (lstat(path, &st) < 0)
        return ak_fail_errno(errno, "file '%s'", path);
    if (!S_ISREG(st.st_mode))
        return ak_fail(AKSSL_ERR_INVALID, "'%s' is not a plain file", path);
    *size = (uint64_t)st.st_size;
    return AKSSL_OK;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path) < 0 && errno != ENOENT ? errno : 0;
}

akssl_status ak_files_remove(const char *path)
{
    int rc = nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);

    if (rc < 0 && errno == ENOENT)
        return AKSSL_OK;
    if (rc)
        return ak_fail_errno(rc < 0 ? errno : rc, "'%s' cannot be removed", path);
    return AKSSL_OK;
}

char *ak_files_program(const char *name)
{
    const char *at = getenv("PATH");

    if (strchr(name, '/'))
        return access(name, X_OK) == 0 ? ak_strdup(name) : NULL;
    while (at && *at) {
        size_t length = strcspn(at, ":");
        char *path = ak_path("%.*s/%s", (int)length, at, name);

        if (length && access(path, X_OK) == 0)
            return path;
        free(path);
        at += length + (at[length] == ':');
    }
    return NULL;
}
