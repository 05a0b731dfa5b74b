// worker/data/fashion_mnist.c -- Fashion-MNIST (Xiao et al. 2017): 60000 + 10000 gray images of
// 28 x 28, ten kinds of clothes, as Debian packages it.

#include "proto/base/error.h"
#include "worker/data/idx.h"
#include "worker/data/kind.h"

static const char package[] = "dataset-fashion-mnist";

static akssl_status open_set(ak_dataset *set, const char *argument, ak_split split, int64_t limit)
{
    bool given = argument && *argument;
    const char *folder = given ? argument : "/usr/share/datasets/fashion-mnist";
    akssl_status rc = ak_idx_open(set, folder, split, limit);

    if (given)
        return rc;
    if (rc == AKSSL_ERR_NOT_FOUND)
        return ak_fail(rc, "'%.512s' is missing or not complete: install the Debian package %s",
                       folder, package);
    if (rc == AKSSL_ERR_CORRUPT)
        return ak_wrap(rc, "reinstall the Debian package %s", package);
    return rc;
}

const ak_dataset_kind ak_dataset_fashion_mnist = {
    .name = "fashion_mnist",
    .title = "Fashion-MNIST from Debian's dataset-fashion-mnist: 70000 gray images, 10 classes",
    .argument = "[:FOLDER]",
    .open = open_set,
};
