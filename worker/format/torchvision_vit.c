// worker/format/torchvision_vit.c -- a vision transformer by the names of torchvision's
// VisionTransformer.  The tensors are timm's: q, k and v stand in both in one matrix, in that
// order.

#include <stdlib.h>
#include <string.h>

#include "proto/base/error.h"
#include "proto/format/names.h"
#include "worker/format/format.h"

static void rename_all(ak_leaf *leaves, int count)
{
    ak_str name = AK_STR_INIT;

    for (int i = 0; i < count; i++) {
        ak_names_map(ak_names_torchvision_vit, false, leaves[i].name, &name);
        free(leaves[i].name);
        leaves[i].name = ak_str_take(&name);
    }
    ak_str_fini(&name);
}

static akssl_status write(const ak_network *n, const char *path)
{
    ak_leaf *leaves;
    akssl_status rc;
    int count;

    if (!ak_model_find(n->model, "backbone.patch_embed.proj.weight"))
        return ak_fail(AKSSL_ERR_UNSUPPORTED,
                       "torchvision_vit is for vision transformers: %s has torchvision's names in "
                       "the format safetensors",
                       n->backbone->name);
    leaves = ak_leaves(n, &count);
    rename_all(leaves, count);
    rc = ak_leaves_save(n, leaves, count, path);
    ak_leaves_free(leaves, count);
    return rc;
}

const ak_format ak_format_torchvision_vit = {
    .name = "torchvision_vit",
    .title = "safetensors with the names of torchvision's VisionTransformer",
    .extension = ".safetensors",
    .write = write,
};
