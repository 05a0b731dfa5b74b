// worker/command/trace.c -- events in Chrome's trace format, one a line.

#include "worker/command/trace.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"

struct ak_trace {
    FILE *file;
    char *path;
    int64_t origin; // when it was opened: trace times start there
    bool begun;
};

akssl_status ak_trace_open(ak_trace **out, const char *path)
{
    FILE *file = fopen(path, "w");

    if (!file)
        return ak_fail(AKSSL_ERR_IO, "profile '%s': %s: give a file that can be written", path,
                       strerror(errno));
    *out = ak_alloc(1, sizeof **out);
    (*out)->file = file;
    (*out)->path = ak_strdup(path);
    (*out)->origin = ak_clock_ns();
    return AKSSL_OK;
}

static double microseconds(int64_t ns)
{
    return (double)ns / 1000;
}

void ak_trace_add(ak_trace *trace, const char *name, const char *category, const ak_tensor *out,
                  int64_t from_ns, int64_t to_ns)
{
    fprintf(trace->file, "%s{\"name\":\"%s\",\"cat\":\"%s\",\"ph\":\"X\",\"pid\":0,\"tid\":0,",
            trace->begun ? ",\n" : "[\n", name, category);
    fprintf(trace->file, "\"ts\":%.3f,\"dur\":%.3f,\"args\":{\"shape\":[",
            microseconds(from_ns - trace->origin), microseconds(to_ns - from_ns));
    for (int i = 0; out && i < out->dims; i++)
        fprintf(trace->file, "%s%" PRId64, i ? "," : "", out->shape[i]);
    fputs("]}}", trace->file);
    trace->begun = true;
}

void ak_trace_op(void *trace, const char *kind, const ak_tensor *out, bool backward,
                 int64_t from_ns, int64_t to_ns)
{
    ak_trace_add(trace, kind, backward ? "backward" : "forward", out, from_ns, to_ns);
}

akssl_status ak_trace_close(ak_trace *trace)
{
    akssl_status rc = AKSSL_OK;
    bool failed;

    if (!trace)
        return AKSSL_OK;
    fputs(trace->begun ? "\n]\n" : "[]\n", trace->file);
    failed = ferror(trace->file) != 0;
    failed = fclose(trace->file) != 0 || failed;
    if (failed)
        rc = ak_fail(AKSSL_ERR_IO, "profile '%s' could not all be written: make room on its disk",
                     trace->path);
    free(trace->path);
    free(trace);
    return rc;
}
