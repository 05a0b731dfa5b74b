// worker/data/bad.h -- private to worker/data: which images of a set were found bad.

#ifndef AK_DATA_BAD_H
#define AK_DATA_BAD_H

#include "worker/data/dataset.h"

typedef struct ak_bad ak_bad;

akssl_status ak_bad_new(ak_bad **out, int64_t size) AKSSL_MUST_CHECK;
void ak_bad_free(ak_bad *bad); // NULL-safe

bool ak_bad_is(const ak_bad *bad, int64_t index);

// ak_bad_add keeps the sentence of an image that was not known as bad.
void ak_bad_add(ak_bad *bad, int64_t index, const char *sentence);

bool ak_bad_next(ak_bad *bad, ak_str *sentence);

#endif
