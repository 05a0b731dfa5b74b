// worker/format/draft.h -- a file that is there whole or not at all.

#ifndef AK_FORMAT_DRAFT_H
#define AK_FORMAT_DRAFT_H

#include <stddef.h>
#include <stdint.h>

#include "akssl/status.h"

typedef struct ak_draft ak_draft;

// ak_draft_create starts path.tmp, which ak_draft_commit flushes and makes path.
akssl_status ak_draft_create(ak_draft **out, const char *path) AKSSL_MUST_CHECK;

// ak_draft_write appends bytes.  Its first failure is kept, and ak_draft_commit gives it again, so
// that a writer of many pieces need not ask each time.
akssl_status ak_draft_write(ak_draft *draft, const void *bytes, size_t size);
uint64_t ak_draft_size(const ak_draft *draft); // bytes so far
akssl_status ak_draft_commit(ak_draft *draft) AKSSL_MUST_CHECK;
void ak_draft_free(ak_draft *draft); // NULL-safe; what is not committed is removed

// ak_draft_put makes path a file of these bytes.
akssl_status ak_draft_put(const char *path, const void *bytes, size_t size) AKSSL_MUST_CHECK;

#endif
