// worker/data/cifar100.c -- CIFAR-100 (Krizhevsky 2009), the binary version, with its 100 fine
// labels.

#include "proto/base/error.h"
#include "worker/data/kind.h"
#include "worker/data/records.h"

static const char *const train[] = { "train.bin", NULL };
static const char *const test[] = { "test.bin", NULL };

static akssl_status open_set(ak_dataset *set, const char *argument, ak_split split, int64_t limit)
{
    const ak_cifar how = { .folder_inside = "cifar-100-binary",
                           .files = { train, test },
                           .names = "fine_label_names.txt",
                           .head = 2,
                           .classes = 100 };

    if (!argument || !*argument)
        return ak_fail(AKSSL_ERR_INVALID,
                       "give the folder of train.bin and test.bin, as cifar100:/data/cifar100");
    return ak_cifar_open(set, &how, argument, split, limit);
}

const ak_dataset_kind ak_dataset_cifar100 = {
    .name = "cifar100",
    .title = "CIFAR-100 with fine labels, the binary version: train.bin, test.bin",
    .argument = "FOLDER",
    .open = open_set,
};
