// tests/fuzz/sets.h -- looks at every image of a data set that an input made.

#ifndef AK_TESTS_FUZZ_SETS_H
#define AK_TESTS_FUZZ_SETS_H

#include "proto/base/error.h"
#include "tests/fuzz/fuzz.h"
#include "worker/data/dataset.h"

static inline void fuzz_set_look(const ak_dataset *set)
{
    char digest[AK_DIGEST_TEXT];
    ak_reading reading = { 0 };
    ak_str name = AK_STR_INIT;
    volatile unsigned sum = 0;

    for (int64_t i = 0; i < ak_dataset_size(set); i++) {
        int64_t label = ak_dataset_label(set, i);
        ak_image image;

        FUZZ_CHECK(label >= -1 && (label < 0 || label < ak_dataset_classes(set)));
        ak_dataset_name(set, i, &name);
        if (ak_dataset_read(set, i, 16, &reading, &image) == 0)
            sum = sum + image.pixels[image.height * image.width * image.channels - 1];
        else
            FUZZ_CHECK(ak_error_text()[0]);
    }
    if (ak_dataset_fingerprint(set, digest) == 0)
        FUZZ_CHECK(strlen(digest) == 32);
    ak_str_fini(&name);
    ak_reading_fini(&reading);
}

// fuzz_set opens both parts of a set and looks at them.
static inline void fuzz_set(const char *name, const char *classes, int64_t limit)
{
    for (int split = AK_SPLIT_TRAIN; split <= AK_SPLIT_TEST; split++) {
        const ak_dataset_ask ask = { .name = name,
                                     .split = (ak_split)split,
                                     .classes = classes,
                                     .limit = limit,
                                     .skip_bad = limit % 2 };
        ak_dataset *set;

        if (ak_dataset_open(&set, &ask) < 0) {
            FUZZ_CHECK(ak_error_text()[0]);
            continue;
        }
        fuzz_set_look(set);
        ak_dataset_close(set);
    }
}

#endif
