// tests/sets.h -- data sets as most tests want them: by name, part and limit.

#ifndef AK_TESTS_SETS_H
#define AK_TESTS_SETS_H

#include <stdlib.h>

#include "worker/data/dataset.h"

static inline akssl_status set_open(ak_dataset **out, const char *name, ak_split split,
                                    int64_t limit)
{
    return ak_dataset_open(out, &(ak_dataset_ask){ .name = name, .split = split, .limit = limit });
}

// set_image is an image of a set that has all of them in memory.
static inline ak_image set_image(const ak_dataset *set, int64_t index)
{
    ak_reading reading = { 0 };
    ak_image image;

    if (ak_dataset_read(set, index, 0, &reading, &image) < 0 || reading.set)
        abort();
    return image;
}

#endif
