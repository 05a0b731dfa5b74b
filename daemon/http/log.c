// daemon/http/log.c -- /api/jobs/ID/log: the end of the job's log (?bytes=65536), from a line's
// start.

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/control.h"
#include "daemon/files.h"
#include "daemon/http/route.h"
#include "proto/base/alloc.h"
#include "proto/base/error.h"

enum { DEFAULT_BYTES = 64 << 10, MAX_BYTES = 256 << 10 };

static akssl_status look(ak_ask *ask)
{
    const ak_job *job;
    ak_job *stored;
    char *folder;
    akssl_status rc = ak_ask_number(ask, "bytes", DEFAULT_BYTES, 1, MAX_BYTES, &ask->numbers[0]);

    if (rc == AKSSL_OK)
        rc = ak_control_find(ask->d, ask->job, &job, &stored);
    if (rc < 0)
        return rc;
    ak_job_free(stored);
    folder = ak_control_folder(ask->d, ask->job);
    ask->path = ak_path("%s/log", folder);
    free(folder);
    return AKSSL_OK;
}

static akssl_status read_end(ak_ask *ask, int fd)
{
    size_t limit = (size_t)ask->numbers[0];
    char *bytes = ak_alloc(limit, 1);
    const char *start = bytes;
    struct stat st;
    off_t from = 0;
    ssize_t n = -1;

    if (fstat(fd, &st) == 0) {
        from = st.st_size > (off_t)limit ? st.st_size - (off_t)limit : 0;
        n = pread(fd, bytes, limit, from);
    }
    if (n < 0) {
        free(bytes);
        return ak_fail_errno(errno, "log '%s'", ask->path);
    }
    if (from > 0 && n > 0) {
        const char *line = memchr(bytes, '\n', (size_t)n);

        start = line ? line + 1 : bytes;
    }
    ak_str_append_n(&ask->body, start, (size_t)(bytes + n - start));
    free(bytes);
    return AKSSL_OK;
}

static akssl_status work(ak_ask *ask)
{
    int fd = open(ask->path, O_RDONLY | O_CLOEXEC);
    akssl_status rc;

    if (fd < 0 && errno == ENOENT)
        return AKSSL_OK; // it has written nothing yet
    if (fd < 0)
        return ak_fail_errno(errno, "log '%s'", ask->path);
    rc = read_end(ask, fd);
    close(fd);
    return rc;
}

const ak_route ak_route_log = {
    .path = "/api/jobs/#/log",
    .type = "text/plain; charset=utf-8",
    .access = AK_ACCESS_READ,
    .look = look,
    .work = work,
};
