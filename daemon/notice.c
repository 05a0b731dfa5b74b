// daemon/notice.c -- what a person must hear about a job.

#include "daemon/notice.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/files.h"

void ak_notice_write(const ak_run *run, ak_log_level level, const char *sentence)
{
    char *path = ak_path("%s/log", run->folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    ak_log_write(run->d->log, level, "job %" PRId64 ": %s", run->job->id, sentence);
    if (fd >= 0) {
        ak_log_write_to(run->d->log, fd, level, "%s", sentence);
        close(fd);
    }
    free(path);
}
