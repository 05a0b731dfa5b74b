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
#include "worker/train/events.h"

struct ak_metrics {
    int fd; // -1: not open
    char *path;
    int64_t last;
    ak_events *events;
};

// The offset behind the last whole line of a step up to resume_step; -1 with errno.
static off_t keep_until(const char *path, int64_t resume_step, int64_t *last)
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
        *last = step;
    }
    if (ferror(file))
        keep = -1;
    free(line);
    fclose(file);
    return keep;
}

// The run that TensorBoard shows is called as the file, without its suffix.
static akssl_status open_events(ak_metrics *m, const char *folder, const char *name,
                                int64_t resume_step)
{
    ak_str run = AK_STR_INIT;
    akssl_status rc;

    ak_str_append_n(&run, name, strcspn(name, "."));
    rc = ak_events_open(&m->events, folder, run.text, resume_step);
    ak_str_fini(&run);
    return rc;
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
    m->last = -1;
    m->fd = open(m->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    keep = m->fd < 0 ? -1 : keep_until(m->path, resume_step, &m->last);
    if (keep < 0 || ftruncate(m->fd, keep) < 0)
        rc = ak_fail_errno(errno, "metrics '%s' cannot be written", m->path);
    else
        rc = open_events(m, folder, name, resume_step);
    if (rc == AKSSL_OK)
        *out = m;
    else
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

// The line first: it is what a resume and everybody else goes by.
static akssl_status write_both(ak_metrics *m, ak_str *line)
{
    akssl_status rc = write_line(m, line);

    return rc == AKSSL_OK ? ak_events_end(m->events) : rc;
}

akssl_status ak_metrics_write_results(ak_metrics *m, int64_t step, double epoch, const char *prefix,
                                      const ak_results *r)
{
    size_t skip = strlen(prefix);
    ak_str line = AK_STR_INIT;

    ak_str_format(&line, "{\"step\": %" PRId64 ", \"epoch\": %.6f", step, epoch);
    ak_events_begin(m->events, step);
    for (int i = 0; i < r->count; i++) {
        if (strncmp(r->row[i].name, prefix, skip) != 0)
            continue;
        ak_str_format(&line, ", \"%s\": %.9g", r->row[i].name + skip, r->row[i].value);
        ak_events_scalar(m->events, r->row[i].name + skip, r->row[i].value);
    }
    return write_both(m, &line);
}

akssl_status ak_metrics_write(ak_metrics *m, const ak_progress *p)
{
    ak_str line = AK_STR_INIT;

    ak_str_format(&line,
                  "{\"step\": %" PRId64
                  ", \"epoch\": %.6f, \"loss\": %.9g, \"lr\": %.9g, \"images_per_s\": %.1f",
                  p->step, p->epoch, p->loss, p->lr, p->images_per_s);
    ak_events_begin(m->events, p->step);
    ak_events_scalar(m->events, "epoch", p->epoch);
    ak_events_scalar(m->events, "loss", p->loss);
    ak_events_scalar(m->events, "lr", p->lr);
    ak_events_scalar(m->events, "images_per_s", p->images_per_s);
    for (int i = 0; i < p->gauge_count; i++) {
        ak_str_format(&line, ", \"%s\": %.9g", p->gauges[i].name, p->gauges[i].value);
        ak_events_scalar(m->events, p->gauges[i].name, p->gauges[i].value);
    }
    return write_both(m, &line);
}

int64_t ak_metrics_last(const ak_metrics *m)
{
    return m->last;
}

akssl_status ak_metrics_sync(ak_metrics *m)
{
    if (fsync(m->fd) < 0)
        return ak_fail_errno(errno, "metrics '%s' cannot be made durable", m->path);
    return ak_events_sync(m->events);
}

void ak_metrics_close(ak_metrics *m)
{
    if (!m)
        return;
    if (m->fd >= 0)
        close(m->fd);
    ak_events_close(m->events);
    free(m->path);
    free(m);
}
