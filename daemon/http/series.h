// daemon/http/series.h -- lines of figures, folded into a bounded number of points.
//
//     {"step": 1, "epoch": 0.025641, "loss": 6.2321, ...}     metrics.jsonl, evaluations.jsonl
//
// A file is read whole up to AK_SERIES_WHOLE bytes, else in AK_SERIES_SPANS spans spread evenly
// over it, the first and the last included: what is read does not grow with the file.  A point is
// the mean, least and greatest of the values of its steps.  Any thread.

#ifndef AK_DAEMON_HTTP_SERIES_H
#define AK_DAEMON_HTTP_SERIES_H

#include <jansson.h>
#include <stdint.h>

#include "akssl/status.h"

enum {
    AK_SERIES_NAMES = 64, // series; the rest is left out
    AK_SERIES_NAME = 128, // bytes of a name
    AK_SERIES_POINTS = 1000,
    AK_SERIES_WHOLE = 8 << 20,
    AK_SERIES_SPANS = 256,
};

// ak_series_read adds the series of the file at path to object:
//
//     "loss": {"step": [...], "mean": [...], "min": [...], "max": [...]}
//
// step is the last of a point's; min and max are there where a point has several steps.  At most
// `points` of them (up to AK_SERIES_POINTS).  A file that is not there has none; lines that are
// torn, or none of ours, are passed over.  ERR_IO.
akssl_status ak_series_read(const char *path, int64_t points, json_t *object) AKSSL_MUST_CHECK;

#endif
