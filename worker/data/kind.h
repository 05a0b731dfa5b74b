// worker/data/kind.h -- a kind of data set: one file, one row in datasets.def.

#ifndef AK_DATA_KIND_H
#define AK_DATA_KIND_H

#include "worker/data/dataset.h"

// All images of a set have one size and lie one after the other.  The arrays are the set's, from
// malloc or ak_try_alloc.
struct ak_dataset {
    uint8_t *pixels;
    int64_t *labels; // NULL: none
    int64_t size, height, width;
    int channels;
    int64_t classes; // of the whole split, whatever the limit
};

typedef struct ak_dataset_kind {
    const char *name;     // as users type it, but for '-' and '_'; equals the file name
    const char *title;    // one line for the catalogue
    const char *argument; // what stands behind the colon, for people: "FOLDER", "[FOLDER]" or NULL

    // open fills set, which is zeroed; argument is NULL when the name has no colon, else what
    // stands behind it.  On failure the caller frees what set holds.
    akssl_status (*open)(ak_dataset *set, const char *argument, ak_split split, int64_t limit);
} ak_dataset_kind;

#endif
