// tests/fuzz/tar.c -- any bytes as tar shards, and any text as a pattern of shards.
//
// An input: how many images to keep, the length of the second shard's bytes (the held-out part's),
// those, the first shard.  One that begins with '{' is a pattern instead.

#include "tests/fuzz/sets.h"
#include "worker/data/shards.h"

static void try_pattern(fuzz_bytes bytes)
{
    char *pattern = fuzz_text(bytes);
    ak_shards shards;

    if (strlen(pattern) < 64 && !strstr(pattern, "000")) { // many, but not a hundred thousand
        if (ak_shards_expand(&shards, pattern) == 0)
            ak_shards_fini(&shards);
        else
            FUZZ_CHECK(ak_error_text()[0]);
    }
    free(pattern);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_bytes input = { data, size }, second;
    char train[300], val[300], name[700];
    int64_t limit;

    if (size && data[0] == '{') {
        try_pattern(input);
        return 0;
    }
    limit = (int64_t)fuzz_number(&input, 1);
    second = fuzz_part(&input);
    fuzz_empty(fuzz_folder());
    snprintf(train, sizeof train, "%s/train.tar", fuzz_folder());
    snprintf(val, sizeof val, "%s/val.tar", fuzz_folder());
    fuzz_write(train, input.at, input.left);
    fuzz_write(val, second.at, second.left);
    snprintf(name, sizeof name, "tar:%s", fuzz_folder());
    fuzz_set(name, NULL, limit);
    return 0;
}
