// daemon/terms.h -- the terms on which a job runs: for how long at most, and after which jobs.
//
// They are keys of its spec, `time` and `after`, as text; this is what they mean.

#ifndef AK_DAEMON_TERMS_H
#define AK_DAEMON_TERMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "akssl/status.h"

enum { AK_TERMS_MAX_AFTER = 64 };

// A job that is waited for.
typedef struct ak_after {
    int64_t job;
    bool any; // however it ends; else it must succeed
    bool met; // it has; nobody need look again
} ak_after;

typedef struct ak_terms {
    int64_t limit_ms; // 0: none
    ak_after after[AK_TERMS_MAX_AFTER];
    int after_count;
} ak_terms;

// ak_terms_parse reads the two keys; "" is none of it.  ERR_INVALID names key and remedy, and terms
// is as before.
akssl_status ak_terms_parse(ak_terms *terms, const char *time, const char *after) AKSSL_MUST_CHECK;

// ak_terms_time_text writes a time as it is given, "1-02:03:04"; text has 32 bytes.
void ak_terms_time_text(int64_t milliseconds, char *text);

#endif
