// worker/train/metrics.c -- figures over time: one JSON object a line.

#include "worker/train/metrics.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"

struct ak_metrics {
    FILE *file;
    char *path;
};

// The offset behind the last whole line of a step up to resume_step.
static off_t keep_until(FILE *file, int64_t resume_step)
{
    char *line = NULL;
    size_t room = 0;
    off_t keep = 0;
    int64_t step;
    ssize_t n;

    while ((n = getline(&line, &room, file)) > 0) {
        if (line[n - 1] != '\n' || sscanf(line, "{\"step\": %" SCNd64, &step) != 1 ||
            step > resume_step)
            break;
        keep = ftello(file);
    }
    free(line);
    return keep;
}

akssl_status ak_metrics_open(ak_metrics **out, const char *folder, const char *name,
                             int64_t resume_step)
{
    ak_metrics *m = ak_alloc(1, sizeof *m);
    ak_str path = AK_STR_INIT;
    off_t keep;

    ak_str_format(&path, "%s/%s", folder, name);
    m->path = ak_str_take(&path);
    m->file = fopen(m->path, "a+");
    if (!m->file)
        goto fail;
    rewind(m->file);
    keep = keep_until(m->file, resume_step);
    if (ftruncate(fileno(m->file), keep) < 0 || fseeko(m->file, keep, SEEK_SET) < 0)
        goto fail;
    *out = m;
    return AKSSL_OK;
fail:
    (void)ak_fail_errno(errno, "metrics '%s' cannot be written", m->path);
    ak_metrics_close(m);
    return AKSSL_ERR_IO;
}

// Ends a line; failed: a write of it did.
static akssl_status end_line(ak_metrics *m, bool failed)
{
    if (failed || fputs("}\n", m->file) < 0 || fflush(m->file) != 0)
        return ak_fail_errno(errno, "metrics '%s' cannot be written", m->path);
    return AKSSL_OK;
}

akssl_status ak_metrics_write_results(ak_metrics *m, int64_t step, double epoch, const char *prefix,
                                      const ak_results *r)
{
    size_t skip = strlen(prefix);
    bool failed = fprintf(m->file, "{\"step\": %" PRId64 ", \"epoch\": %.6f", step, epoch) < 0;

    for (int i = 0; i < r->count && !failed; i++)
        if (strncmp(r->row[i].name, prefix, skip) == 0)
            failed = fprintf(m->file, ", \"%s\": %.9g", r->row[i].name + skip, r->row[i].value) < 0;
    return end_line(m, failed);
}

akssl_status ak_metrics_write(ak_metrics *m, const ak_progress *p)
{
    bool failed = fprintf(m->file,
                          "{\"step\": %" PRId64
                          ", \"epoch\": %.6f, \"loss\": %.9g, \"lr\": %.9g, \"images_per_s\": %.1f",
                          p->step, p->epoch, p->loss, p->lr, p->images_per_s) < 0;

    for (int i = 0; i < p->gauge_count && !failed; i++)
        failed = fprintf(m->file, ", \"%s\": %.9g", p->gauges[i].name, p->gauges[i].value) < 0;
    return end_line(m, failed);
}

akssl_status ak_metrics_sync(ak_metrics *m)
{
    if (fflush(m->file) != 0 || fsync(fileno(m->file)) < 0)
        return ak_fail_errno(errno, "metrics '%s' cannot be made durable", m->path);
    return AKSSL_OK;
}

void ak_metrics_close(ak_metrics *m)
{
    if (!m)
        return;
    if (m->file)
        fclose(m->file);
    free(m->path);
    free(m);
}
