// daemon/terms.c -- the terms on which a job runs.

#include "daemon/terms.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/error.h"

enum { PARTS = 3, MAX_DAYS = 36500 };

// read_count reads digits at *at, and moves it behind them.
static bool read_count(const char **at, int64_t *value)
{
    char *end;

    if (**at < '0' || **at > '9')
        return false;
    errno = 0;
    *value = strtoll(*at, &end, 10);
    *at = end;
    return !errno && *value <= (int64_t)MAX_DAYS * 86400;
}

// The forms are sbatch's: M, M:S, H:M:S, D-H, D-H:M, D-H:M:S.
static bool read_seconds(const char *text, int64_t *seconds)
{
    int64_t part[PARTS] = { 0 }, days = 0;
    bool with_days = false;
    int count = 0;

    for (const char *at = text;; at++) {
        if (count == PARTS || !read_count(&at, &part[count]))
            return false;
        if (*at == '-' && !count && !with_days) {
            with_days = true;
            days = part[0];
            continue;
        }
        count++;
        if (!*at)
            break;
        if (*at != ':')
            return false;
    }
    if (!with_days && count < PARTS) // the last is minutes, or seconds after them
        *seconds = part[0] * 60 + part[1];
    else
        *seconds = days * 86400 + part[0] * 3600 + part[1] * 60 + part[2];
    return *seconds > 0 && *seconds <= (int64_t)MAX_DAYS * 86400;
}

static akssl_status read_time(const char *text, int64_t *limit_ms)
{
    int64_t seconds = 0;

    if (text[0] && strcmp(text, "UNLIMITED") != 0 && strcmp(text, "INFINITE") != 0 &&
        !read_seconds(text, &seconds))
        return ak_fail(AKSSL_ERR_INVALID,
                       "time '%.64s': give minutes, as 90 or 90:00, or 1:30:00, or 2-12 (two and a "
                       "half days)",
                       text);
    *limit_ms = seconds * 1000;
    return AKSSL_OK;
}

static akssl_status read_one(const char **at, ak_after *one)
{
    *one = (ak_after){ 0 };
    if (!read_count(at, &one->job) || one->job < 1)
        return AKSSL_ERR_INVALID;
    if (**at == ':') {
        ++*at;
        one->any = strncmp(*at, "any", 3) == 0;
        if (strncmp(*at, "ok", 2) == 0)
            *at += 2;
        else if (one->any)
            *at += 3;
        else
            return AKSSL_ERR_INVALID;
    }
    return **at == ',' || !**at ? AKSSL_OK : AKSSL_ERR_INVALID;
}

static akssl_status read_after(const char *text, ak_terms *terms)
{
    const char *at = text;

    terms->after_count = 0;
    while (*at) {
        if (terms->after_count == AK_TERMS_MAX_AFTER)
            return ak_fail(AKSSL_ERR_INVALID, "after: a job waits for at most %d others",
                           AK_TERMS_MAX_AFTER);
        if (read_one(&at, &terms->after[terms->after_count]) < 0 || (*at && !at[1]))
            return ak_fail(AKSSL_ERR_INVALID,
                           "after '%.64s': give a job's number, as 12, 12:ok or 12:any, or several "
                           "with commas",
                           text);
        terms->after_count++;
        at += *at == ',';
    }
    return AKSSL_OK;
}

akssl_status ak_terms_parse(ak_terms *terms, const char *time, const char *after)
{
    ak_terms read = { 0 };
    akssl_status rc = read_time(time, &read.limit_ms);

    if (rc == AKSSL_OK)
        rc = read_after(after, &read);
    if (rc == AKSSL_OK)
        *terms = read;
    return rc;
}

void ak_terms_time_text(int64_t milliseconds, char *text)
{
    int64_t s = milliseconds / 1000, days = s / 86400;
    int n = days ? snprintf(text, 32, "%" PRId64 "-", days) : 0;

    snprintf(text + n, 32 - (size_t)n, "%02d:%02d:%02d", (int)(s / 3600 % 24), (int)(s / 60 % 60),
             (int)(s % 60));
}
