// worker/format/leaves.c -- a backbone's tensors, one after the other.

#include <string.h>
#include <stdlib.h>

#include "proto/base/alloc.h"
#include "worker/format/format.h"

static const char prefix[] = "backbone.";

static ak_leaf leaf_of(const ak_param *p)
{
    bool count = p->role == AK_ROLE_COUNT;
    ak_leaf leaf = { .name = ak_strdup(p->name + strlen(prefix)),
                     .dtype = count ? AK_I64 : AK_F32,
                     .dims = p->dims,
                     .data = count ? (const void *)&p->count : p->value };

    memcpy(leaf.shape, p->shape, sizeof leaf.shape);
    leaf.size = (size_t)p->numel * ak_dtype_size(leaf.dtype);
    return leaf;
}

static ak_leaf zeros(const ak_network *n, const char *what, int dims)
{
    ak_leaf leaf = { .dtype = AK_F32, .dims = dims, .shape = { n->zero_head, n->backbone->width } };
    ak_str name = AK_STR_INIT;

    ak_str_format(&name, "%s.%s", n->backbone->head, what);
    leaf.name = ak_str_take(&name);
    leaf.size = sizeof(float) * (size_t)n->zero_head * (dims == 2 ? (size_t)n->backbone->width : 1);
    return leaf;
}

ak_leaf *ak_leaves(const ak_network *n, int *count)
{
    ak_leaf *leaves = ak_alloc((size_t)n->model->count + 2, sizeof *leaves);

    *count = 0;
    for (int i = 0; i < n->model->count; i++)
        if (strncmp(n->model->params[i]->name, prefix, strlen(prefix)) == 0)
            leaves[(*count)++] = leaf_of(n->model->params[i]);
    if (n->zero_head) {
        leaves[(*count)++] = zeros(n, "weight", 2);
        leaves[(*count)++] = zeros(n, "bias", 1);
    }
    return leaves;
}

void ak_leaves_free(ak_leaf *leaves, int count)
{
    for (int i = 0; i < count; i++)
        free(leaves[i].name);
    free(leaves);
}

akssl_status ak_leaf_write(const ak_leaf *leaf, ak_leaf_take *take, void *ctx)
{
    static const char nothing[4096];
    akssl_status rc = AKSSL_OK;

    if (leaf->data)
        return take(ctx, leaf->data, leaf->size);
    for (size_t left = leaf->size; left && rc == AKSSL_OK;) {
        size_t piece = left < sizeof nothing ? left : sizeof nothing;

        rc = take(ctx, nothing, piece);
        left -= piece;
    }
    return rc;
}

static akssl_status take(void *ctx, const void *bytes, size_t size)
{
    return ak_safetensors_write(ctx, bytes, size);
}

akssl_status ak_leaves_save(const ak_network *n, const ak_leaf *leaves, int count, const char *path)
{
    ak_safetensors_writer *w;
    akssl_status rc = ak_safetensors_create(&w, path);

    if (rc < 0)
        return rc;
    ak_safetensors_set_meta(w, "format", "pt");
    for (int i = 0; i < n->about->count; i++)
        ak_safetensors_set_meta(w, n->about->keys[i], n->about->values[i]);
    for (int i = 0; i < count; i++)
        ak_safetensors_declare(w, leaves[i].name, leaves[i].dtype, leaves[i].dims, leaves[i].shape);
    for (int i = 0; i < count && rc == AKSSL_OK; i++)
        rc = ak_leaf_write(&leaves[i], take, w);
    if (rc == AKSSL_OK)
        rc = ak_safetensors_commit(w, NULL, NULL);
    ak_safetensors_writer_free(w);
    return rc;
}
