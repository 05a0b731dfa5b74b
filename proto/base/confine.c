// proto/base/confine.c -- opened, then looked at: a link that is moved in between gains nothing.

#include "proto/base/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/error.h"

enum { MAX_PATH = 4096 };

bool ak_confine_covers(const char *roots, const char *path)
{
    while (*roots) {
        size_t length = strcspn(roots, "\n"), kept = length;

        while (kept > 0 && roots[kept - 1] == '/')
            kept--;
        if (length > 0 && strncmp(path, roots, kept) == 0 &&
            (path[kept] == '/' || path[kept] == '\0'))
            return true;
        roots += length + (roots[length] == '\n');
    }
    return false;
}

static akssl_status check(int fd, const char *path, const char *roots)
{
    char link[64], opened[MAX_PATH];
    ssize_t n;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    n = readlink(link, opened, sizeof opened - 1);
    if (n < 0)
        return ak_fail_errno(errno, "'%s': which file it is cannot be found out", path);
    opened[n] = '\0';
    if (n < MAX_PATH - 1 && ak_confine_covers(roots, opened))
        return AKSSL_OK;
    return ak_fail(AKSSL_ERR_PERMISSION,
                   "'%s' is outside the folders that akssld lets jobs read: see --data-root", path);
}

static int64_t ns(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

// record tells whoever asked; file -1: there is none.  A line that cannot be written is cut off,
// and means nothing to its reader.
static void record(int file, const char *path)
{
    const char *to = getenv(AK_CONFINE_OPENED);
    char text[MAX_PATH + 128];
    struct stat s;
    int length;

    if (!to)
        return;
    if (file < 0 || fstat(file, &s) < 0)
        length = snprintf(text, sizeof text, "missing %s\n", path);
    else
        length = snprintf(
            text, sizeof text, "opened %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %s\n",
            (int64_t)s.st_ino, (int64_t)s.st_size, ns(s.st_mtim), ns(s.st_ctim), path);
    if (length > 0 && (size_t)length < sizeof text && write(atoi(to), text, (size_t)length) < 0)
        return;
}

akssl_status ak_confine_open(int *fd, const char *path)
{
    const char *roots = getenv(AK_CONFINE_ROOTS);
    int file = open(path, O_RDONLY | O_CLOEXEC), error = errno;
    akssl_status rc;

    record(file, path);
    errno = error;
    if (file < 0) {
        rc = ak_fail_errno(errno, "open '%s'", path);
        return rc == AKSSL_ERR_LIMIT ? ak_wrap(AKSSL_ERR_IO, "file") : rc; // no fault of the file's
    }
    rc = roots ? check(file, path, roots) : AKSSL_OK;
    if (rc < 0)
        close(file);
    else
        *fd = file;
    return rc;
}
