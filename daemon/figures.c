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

akssl_status ak_figures_unpack(ak_figures *figures, const void *bytes, size_t size)
{
    report *r = size ? akssl__v1__report_request__unpack(NULL, size, bytes) : NULL;

    if (size && !r)
        return ak_fail(AKSSL_ERR_CORRUPT, "figures: the stored bytes are damaged");
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
        rc = check_names(progress->n_gauges, progress->gauges, AK_FIGURES_MAX_GAUGES, "gauges");
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

int64_t ak_figures_step(const ak_figures *figures)
{
    return figures->report && figures->report->progress ? figures->report->progress->step : 0;
}
