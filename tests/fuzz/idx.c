// tests/fuzz/idx.c -- any bytes as a data set's two IDX files, plain or compressed.
//
// An input: flags, the number of images to keep, the length of the images' file, two bytes, that
// file, the labels' file.

#include <sys/stat.h>
#include <zlib.h>

#include "proto/base/error.h"
#include "tests/fuzz/fuzz.h"
#include "tests/sets.h"
#include "worker/data/dataset.h"

// A file that is to be compressed is so in good order: what is wrong is in what it holds.
enum { GZIP_IMAGES = 1, GZIP_LABELS = 2, TEST = 4, NO_LABELS = 8, TWO_MEMBERS = 16 };

static void write_gzip(const char *path, fuzz_bytes bytes, bool two)
{
    gzFile file = gzopen(path, "wb1");
    unsigned first = (unsigned)(two ? bytes.left / 2 : bytes.left);

    FUZZ_CHECK(file);
    gzwrite(file, bytes.at, first);
    gzclose(file);
    if (!two)
        return;
    file = gzopen(path, "ab1");
    FUZZ_CHECK(file);
    gzwrite(file, bytes.at + first, (unsigned)bytes.left - first);
    gzclose(file);
}

static void put(const char *name, fuzz_bytes bytes, bool gzip, bool two)
{
    char path[400];

    snprintf(path, sizeof path, "%s/%s%s", fuzz_folder(), name, gzip ? ".gz" : "");
    if (gzip)
        write_gzip(path, bytes, two);
    else
        fuzz_write(path, bytes.at, bytes.left);
}

static void look(const ak_dataset *set)
{
    volatile unsigned sum = 0;

    FUZZ_CHECK(ak_dataset_size(set) > 0);
    for (int64_t i = 0; i < ak_dataset_size(set); i++) {
        ak_image image = set_image(set, i);
        int64_t label = ak_dataset_label(set, i);
        size_t size = (size_t)(image.width * image.height * image.channels);

        FUZZ_CHECK(label >= -1 && (label < 0 || label < ak_dataset_classes(set)));
        sum = sum + image.pixels[0] + image.pixels[size - 1];
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_bytes input = { data, size }, images;
    unsigned flags = (unsigned)fuzz_number(&input, 1);
    int64_t limit = (int64_t)fuzz_number(&input, 1);
    char name[300];
    ak_dataset *set;

    images = fuzz_part(&input);
    fuzz_empty(fuzz_folder());
    put(flags & TEST ? "t10k-images-idx3-ubyte" : "train-images-idx3-ubyte", images,
        flags & GZIP_IMAGES, flags & TWO_MEMBERS);
    if (!(flags & NO_LABELS))
        put(flags & TEST ? "test-labels.idx1-ubyte" : "train-labels-idx1-ubyte", input,
            flags & GZIP_LABELS, false);
    snprintf(name, sizeof name, "idx:%s", fuzz_folder());
    if (set_open(&set, name, flags & TEST ? AK_SPLIT_TEST : AK_SPLIT_TRAIN, limit) < 0) {
        FUZZ_CHECK(ak_error_text()[0]);
        return 0;
    }
    look(set);
    ak_dataset_close(set);
    return 0;
}
