// tests/fuzz/records.c -- any bytes as the files of CIFAR-10, CIFAR-100 and STL-10, and as classes
// to choose.
//
// An input: which set, how many images to keep, the classes' text, the labels' file (STL-10), the
// images' file.  Images are long and alike: the file is repeated up to the length asked for.

#include "tests/fuzz/sets.h"

enum { MOST = 1 << 18 };

static void put(const char *name, fuzz_bytes bytes, size_t length)
{
    char path[400], *all = malloc(MOST);

    FUZZ_CHECK(all);
    for (size_t i = 0; i < length; i++)
        all[i] = bytes.left ? (char)bytes.at[i % bytes.left] : 0;
    snprintf(path, sizeof path, "%s/%s", fuzz_folder(), name);
    fuzz_write(path, all, length);
    free(all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const kinds[] = { "cifar10", "cifar100", "stl10" };
    static const char *const files[] = { "data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                                         "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin",
                                         "train.bin",        "test.bin",         "train_X.bin",
                                         "test_X.bin",       "unlabeled_X.bin" };
    fuzz_bytes input = { data, size }, labels;
    unsigned kind = (unsigned)fuzz_number(&input, 1) % 3;
    int64_t limit = (int64_t)fuzz_number(&input, 1);
    size_t length = (size_t)fuzz_number(&input, 3) % MOST;
    char *classes = fuzz_text(fuzz_part(&input)), name[300], path[400];

    labels = fuzz_part(&input);
    fuzz_empty(fuzz_folder());
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        put(files[i], input, length);
    snprintf(path, sizeof path, "%s/train_y.bin", fuzz_folder());
    fuzz_write(path, labels.at, labels.left);
    snprintf(path, sizeof path, "%s/test_y.bin", fuzz_folder());
    fuzz_write(path, labels.at, labels.left);
    snprintf(path, sizeof path, "%s/batches.meta.txt", fuzz_folder());
    fuzz_write(path, classes, strlen(classes));
    snprintf(name, sizeof name, "%s:%s", kinds[kind], fuzz_folder());
    if (classes[0] != '@') // a file of the machine's
        fuzz_set(name, classes, limit);
    free(classes);
    return 0;
}
