// daemon/figures.c -- what a job has reported: its progress and its results.

#include "daemon/figures.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"

typedef Akssl__V1__ReportRequest report;
typedef Akssl__V1__Metric metric;

void ak_figures_fini(ak_figures *figures)
{
    if (figures->report)
        akssl__v1__report_request__free_unpacked(figures->report, NULL);
    figures->report = NULL;
}

static akssl_status check_names(size_t count, metric *const *list, size_t limit, const char *what)
{
    if (count > limit)
        return ak_fail(AKSSL_ERR_LIMIT, "%zu %s: at most %zu", count, what, limit);
    for (size_t i = 0; i < count; i++)
        if (!list[i]->name || !list[i]->name[0] || strlen(list[i]->name) > AK_FIGURES_MAX_NAME)
            return ak_fail(AKSSL_ERR_INVALID, "%s: number %zu has no name of 1 to %d bytes", what,
                           i + 1, AK_FIGURES_MAX_NAME);
    return AKSSL_OK;
}

static akssl_status check_progress(const Akssl__V1__Progress *progress)
{
    if (progress->n_warnings > AK_FIGURES_MAX_WARNINGS)
        return ak_fail(AKSSL_ERR_LIMIT, "%zu warnings: at most %d", progress->n_warnings,
                       AK_FIGURES_MAX_WARNINGS);
    for (size_t i = 0; i < progress->n_warnings; i++)
        if (strlen(progress->warnings[i]) > AK_FIGURES_MAX_WARNING)
            return ak_fail(AKSSL_ERR_LIMIT, "warning '%.32s...' has more than %d bytes",
                           progress->warnings[i], AK_FIGURES_MAX_WARNING);
    return check_names(progress->n_gauges, progress->gauges, AK_FIGURES_MAX_GAUGES, "gauges");
}

static size_t index_of(metric *const *list, size_t count, const char *name)
{
    size_t i = 0;

    while (i < count && strcmp(list[i]->name, name) != 0)
        i++;
    return i;
}

void *ak_figures_pack(const ak_figures *figures, size_t *size)
{
    void *bytes;

    *size = figures->report ? akssl__v1__report_request__get_packed_size(figures->report) : 0;
    if (!*size)
        return NULL;
    bytes = ak_alloc(*size, 1);
    akssl__v1__report_request__pack(figures->report, bytes);
    return bytes;
}

// What is stored keeps the limits, for everybody counts on them.
static akssl_status check_report(const report *r)
{
    akssl_status rc = check_names(r->n_results, r->results, AK_FIGURES_MAX_RESULTS, "results");

    return rc == AKSSL_OK && r->progress ? check_progress(r->progress) : rc;
}

akssl_status ak_figures_unpack(ak_figures *figures, const void *bytes, size_t size)
{
    report *r = size ? akssl__v1__report_request__unpack(NULL, size, bytes) : NULL;

    if (size && !r)
        return ak_fail(AKSSL_ERR_CORRUPT, "figures: the stored bytes are damaged");
    if (r && check_report(r) < 0) {
        akssl__v1__report_request__free_unpacked(r, NULL);
        return ak_wrap(AKSSL_ERR_CORRUPT, "figures");
    }
    ak_figures_fini(figures);
    figures->report = r;
    return AKSSL_OK;
}

// The union as a message that borrows everything; packing and unpacking it makes the copy.
akssl_status ak_figures_merge(ak_figures *figures, const Akssl__V1__Progress *progress,
                              size_t results, metric *const *result)
{
    metric *list[2 * AK_FIGURES_MAX_RESULTS];
    report merged = AKSSL__V1__REPORT_REQUEST__INIT;
    const report *old = figures->report;
    ak_figures borrowed = { &merged };
    akssl_status rc;
    size_t size;
    void *bytes;

    rc = check_names(results, result, AK_FIGURES_MAX_RESULTS, "results");
    if (rc == AKSSL_OK && progress)
        rc = check_progress(progress);
    if (rc < 0)
        return rc;
    merged.results = list;
    for (size_t i = 0; old && i < old->n_results; i++)
        list[merged.n_results++] = old->results[i];
    for (size_t i = 0; i < results; i++) {
        size_t at = index_of(list, merged.n_results, result[i]->name);

        list[at] = result[i];
        merged.n_results += at == merged.n_results;
    }
    if (merged.n_results > AK_FIGURES_MAX_RESULTS)
        return ak_fail(AKSSL_ERR_LIMIT, "%zu results: at most %d", merged.n_results,
                       AK_FIGURES_MAX_RESULTS);
    merged.progress = progress ? (Akssl__V1__Progress *)progress : old ? old->progress : NULL;
    bytes = ak_figures_pack(&borrowed, &size);
    rc = ak_figures_unpack(figures, bytes, size);
    free(bytes);
    return rc;
}

bool ak_figures_warns(const ak_figures *figures, const char *warning)
{
    const Akssl__V1__Progress *progress = figures->report ? figures->report->progress : NULL;

    for (size_t i = 0; progress && i < progress->n_warnings; i++)
        if (strcmp(progress->warnings[i], warning) == 0)
            return true;
    return false;
}

int64_t ak_figures_step(const ak_figures *figures)
{
    return figures->report && figures->report->progress ? figures->report->progress->step : 0;
}
