// worker/format/safetensors.c -- torchvision's names of a ResNet, timm's of a vision transformer.

#include "worker/format/format.h"

static akssl_status write(const ak_network *n, const char *path)
{
    int count;
    ak_leaf *leaves = ak_leaves(n, &count);
    akssl_status rc = ak_leaves_save(n, leaves, count, path);

    ak_leaves_free(leaves, count);
    return rc;
}

const ak_format ak_format_safetensors = {
    .name = "safetensors",
    .title = "safetensors with torchvision's names (ResNet) or timm's (ViT)",
    .extension = ".safetensors",
    .write = write,
};
