// worker/format/folder.c -- folders of a job, so that what is in them is found after a power cut.

#include "worker/format/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"

akssl_status ak_folder_make(const char *path)
{
    if (mkdir(path, 0755) == 0)
        return ak_folder_sync_of(path);
    return errno == EEXIST ? AKSSL_OK : ak_fail_errno(errno, "folder '%s' cannot be made", path);
}

akssl_status ak_folder_sync(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = fd < 0 || fsync(fd) < 0 ? errno : 0;

    if (fd >= 0)
        close(fd);
    return error ? ak_fail_errno(error, "folder '%s' cannot be made durable", path) : AKSSL_OK;
}

akssl_status ak_folder_sync_of(const char *path)
{
    char *folder = ak_strdup(path);
    char *slash = strrchr(folder, '/');
    akssl_status rc;

    if (slash && slash != folder)
        *slash = '\0';
    rc = ak_folder_sync(!slash ? "." : slash == folder ? "/" : folder);
    free(folder);
    return rc;
}
