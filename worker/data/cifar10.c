// worker/data/cifar10.c -- CIFAR-10 (Krizhevsky 2009), the binary version: 50000 + 10000 images of
// 32 x 32, ten classes.

#include "proto/base/error.h"
#include "worker/data/kind.h"
#include "worker/data/records.h"

static const char *const train[] = { "data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                                     "data_batch_4.bin", "data_batch_5.bin", NULL };
static const char *const test[] = { "test_batch.bin", NULL };

static akssl_status open_set(ak_dataset *set, const char *argument, ak_split split, int64_t limit)
{
    const ak_cifar how = { .folder_inside = "cifar-10-batches-bin",
                           .files = { train, test },
                           .names = "batches.meta.txt",
                           .head = 1,
                           .classes = 10 };

    if (!argument || !*argument)
        return ak_fail(
            AKSSL_ERR_INVALID,
            "give the folder of data_batch_1.bin and the others, as cifar10:/data/cifar");
    return ak_cifar_open(set, &how, argument, split, limit);
}

const ak_dataset_kind ak_dataset_cifar10 = {
    .name = "cifar10",
    .title = "CIFAR-10, the binary version: data_batch_{1..5}.bin, test_batch.bin",
    .argument = "FOLDER",
    .open = open_set,
};
