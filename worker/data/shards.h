// worker/data/shards.h -- private to worker/data: which files "train-{000..009}.tar" means.

#ifndef AK_DATA_SHARDS_H
#define AK_DATA_SHARDS_H

#include <stdint.h>

#include "worker/data/dataset.h"

enum { AK_SHARDS_MOST = 100000 };

typedef struct ak_shards {
    char **path;
    int64_t count, room;
} ak_shards;

// ak_shards_expand gives the paths in the order that a shell would: {000..009} counts, with as many
// digits as given, {a,b} lists; several patterns are joined by "::".  What is not in braces stands
// for itself.
akssl_status ak_shards_expand(ak_shards *out, const char *pattern) AKSSL_MUST_CHECK;

// ak_shards_list gives the folder's files that end with ".tar" and are of this part by their names,
// sorted; no file is of both.  A name's first word, between what is no letter, among train, val,
// valid, validation and test says so, else that the name begins with train, val or test.  Names
// that say nothing are to train on where none says train; of val and test, test is taken where
// there is no val.
akssl_status ak_shards_list(ak_shards *out, const char *folder, ak_split split) AKSSL_MUST_CHECK;
void ak_shards_fini(ak_shards *shards);

#endif
