// worker/train/metrics.c -- figures over time: one JSON object a line.
//
// A line is one write(2), so that a run that is cut off leaves whole lines, or a torn one at the
// end.

#include "worker/train/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "proto/base/str.h"

struct ak_metrics {
    int fd; // -1: not open
    char *path;
};

// The offset behind the last whole line of a step up to resume_step; -1 with errno.
static off_t keep_until(const char *path, int64_t resume_step)
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t room = 0;
    off_t keep = 0;
    int64_t step;
    ssize_t n;

    if (!file)
        return -1;
    while ((n = getline(&line, &room, file)) > 0) {
        if (line[n - 1] != '\n' || sscanf(line, "{\"step\": %" SCNd64, &step) != 1 ||
            step > resume_step)
            break;
        keep = ftello(file);
    }
    if (ferror(file))
        keep = -1;
    free(line);
    fclose(file);
    return keep;
}

akssl_status ak_metrics_open(ak_metrics **out, const char *folder, const char *name,
                             int64_t resume_step)
{
    ak_metrics *m = ak_alloc(1, sizeof *m);
    ak_str path = AK_STR_INIT;
    akssl_status rc;
    off_t keep;

    ak_str_format(&path, "%s/%s", folder, name);
    m->path = ak_str_take(&path);
    m->fd = open(m->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    keep = m->fd < 0 ? -1 : keep_until(m->path, resume_step);
    if (keep >= 0 && ftruncate(m->fd, keep) == 0) {
        *out = m;
        return AKSSL_OK;
    }
    rc = ak_fail_errno(errno, "metrics '%s' cannot be written", m->path);
    ak_metrics_close(m);
    return rc;
}

// Ends a line and writes it.
static akssl_status write_line(ak_metrics *m, ak_str *line)
{
    const char *at;
    akssl_status rc = AKSSL_OK;
    size_t left;

    ak_str_append(line, "}\n");
    at = line->text;
    left = line->length;
    while (left && rc == AKSSL_OK) {
        ssize_t n = write(m->fd, at, left);

        if (n < 0 && errno != EINTR)
            rc = ak_fail_errno(errno, "metrics '%s' cannot be written", m->path);
        at += n > 0 ? n : 0;
        left -= n > 0 ? (size_t)n : 0;
    }
    ak_str_fini(line);
    return rc;
}

akssl_status ak_metrics_write_results(ak_metrics *m, int64_t step, double epoch, const char *prefix,
                                      const ak_results *r)
{
    size_t skip = strlen(prefix);
    ak_str line = AK_STR_INIT;

    ak_str_format(&line, "{\"step\": %" PRId64 ", \"epoch\": %.6f", step, epoch);
    for (int i = 0; i < r->count; i++)
        if (strncmp(r->row[i].name, prefix, skip) == 0)
            ak_str_format(&line, ", \"%s\": %.9g", r->row[i].name + skip, r->row[i].value);
    return write_line(m, &line);
}

akssl_status ak_metrics_write(ak_metrics *m, const ak_progress *p)
{
    ak_str line = AK_STR_INIT;

    ak_str_format(&line,
                  "{\"step\": %" PRId64
                  ", \"epoch\": %.6f, \"loss\": %.9g, \"lr\": %.9g, \"images_per_s\": %.1f",
                  p->step, p->epoch, p->loss, p->lr, p->images_per_s);
    for (int i = 0; i < p->gauge_count; i++)
        ak_str_format(&line, ", \"%s\": %.9g", p->gauges[i].name, p->gauges[i].value);
    return write_line(m, &line);
}

akssl_status ak_metrics_sync(ak_metrics *m)
{
    if (fsync(m->fd) < 0)
        return ak_fail_errno(errno, "metrics '%s' cannot be made durable", m->path);
    return AKSSL_OK;
}

void ak_metrics_close(ak_metrics *m)
{
    if (!m)
        return;
    if (m->fd >= 0)
        close(m->fd);
    free(m->path);
    free(m);
}
