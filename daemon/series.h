// daemon/series.h -- lines of figures, folded into a bounded number of points.
//
//     {"step": 1, "epoch": 0.025641, "loss": 6.2321, ...}     metrics.jsonl, evaluations.jsonl
//
// A file is read whole up to AK_SERIES_WHOLE bytes, else in AK_SERIES_SPANS spans spread evenly
// over it, the first and the last included: what is read does not grow with the file.  A point is
// the mean, least and greatest of the values of its steps.  Any thread.

#ifndef AK_DAEMON_SERIES_H
#define AK_DAEMON_SERIES_H

#include <stdbool.h>
#include <stdint.h>

#include "akssl/status.h"

enum {
    AK_SERIES_NAMES = 64, // series; the rest is left out
    AK_SERIES_NAME = 128, // bytes of a name
    AK_SERIES_POINTS = 1000,
    AK_SERIES_WHOLE = 8 << 20,
    AK_SERIES_SPANS = 256,
};

// ak_series is one figure over a job's steps: for each point its last step, and of the values of
// its steps the mean, least and greatest.
typedef struct ak_series {
    char name[AK_SERIES_NAME + 1];
    int64_t count; // of points
    int64_t *step;
    double *mean, *least, *greatest;
    bool several; // points may have several steps
} ak_series;

// ak_series_list is the series of one or more files; start from zero.
typedef struct ak_series_list {
    ak_series *at; // the list's own
    int count;
} ak_series_list;

// ak_series_read adds the series of the file at path to list, each of at most `points` points (up
// to AK_SERIES_POINTS).  A name that list has already is left out.  A file that is not there has
// none; lines that are torn, or none of ours, are passed over.  ERR_IO: of what was read before,
// list has all.
akssl_status ak_series_read(const char *path, int64_t points,
                            ak_series_list *list) AKSSL_MUST_CHECK;

// ak_series_of_job reads both files of a job's folder.
akssl_status ak_series_of_job(const char *folder, int64_t points,
                              ak_series_list *list) AKSSL_MUST_CHECK;

// ak_series_list_fini frees what the list holds.
void ak_series_list_fini(ak_series_list *list);

#endif
