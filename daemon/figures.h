// daemon/figures.h -- what a job has reported: its progress and its results.
//
// Kept as the wire has them (a ReportRequest), because that is also how they are stored and sent.

#ifndef AK_DAEMON_FIGURES_H
#define AK_DAEMON_FIGURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "akssl.pb-c.h"
#include "akssl/status.h"

enum {
    AK_FIGURES_MAX_RESULTS = 256,
    AK_FIGURES_MAX_GAUGES = 64,
    AK_FIGURES_MAX_WARNINGS = 8,
    AK_FIGURES_MAX_NAME = 128,
    AK_FIGURES_MAX_WARNING = 256, // bytes
};

// A value: start from zero, end with ak_figures_fini.  report is NULL until something is reported.
typedef struct ak_figures {
    Akssl__V1__ReportRequest *report;
} ak_figures;

void ak_figures_fini(ak_figures *figures);

// ak_figures_merge replaces the progress, if there is one, and adds or replaces results by name.
// ERR_LIMIT for too many, or too long a warning, ERR_INVALID for a bad name; then figures is
// unchanged.
akssl_status ak_figures_merge(ak_figures *figures, const Akssl__V1__Progress *progress,
                              size_t results, Akssl__V1__Metric *const *result) AKSSL_MUST_CHECK;

// ak_figures_pack gives the bytes for the store (yours; NULL with size 0 when empty).
// ak_figures_unpack replaces figures by such bytes; ERR_CORRUPT when they are none, or break the
// limits.
void *ak_figures_pack(const ak_figures *figures, size_t *size);
akssl_status ak_figures_unpack(ak_figures *figures, const void *bytes,
                               size_t size) AKSSL_MUST_CHECK;

// ak_figures_warns says whether the last progress has this warning.
bool ak_figures_warns(const ak_figures *figures, const char *warning);

// ak_figures_step is the number of steps done, 0 when unknown.
int64_t ak_figures_step(const ak_figures *figures);

#endif
