// worker/format/npy.c -- an .npz: NAME.npy for each tensor, as numpy.savez makes it, and
// metadata.json.

#include <zlib.h>

#include "worker/format/format.h"
#include "worker/format/npy_file.h"
#include "worker/format/zip.h"

static akssl_status sum(void *ctx, const void *bytes, size_t size)
{
    *(uLong *)ctx = crc32_z(*(uLong *)ctx, bytes, size);
    return AKSSL_OK;
}

static akssl_status put(void *ctx, const void *bytes, size_t size)
{
    return ak_draft_write(ctx, bytes, size);
}

static akssl_status add_leaf(ak_zip *zip, ak_draft *draft, const ak_leaf *leaf)
{
    ak_str header = AK_STR_INIT, name = AK_STR_INIT;
    uLong crc = crc32_z(0, NULL, 0);
    akssl_status rc;

    ak_npy_header(leaf->dtype == AK_F32 ? AK_NPY_F32 : AK_NPY_I64, leaf->dims, leaf->shape,
                  &header);
    ak_str_format(&name, "%s.npy", leaf->name);
    crc = crc32_z(crc, (const Bytef *)header.text, header.length);
    rc = ak_leaf_write(leaf, sum, &crc);
    if (rc == AKSSL_OK)
        rc = ak_zip_begin(zip, name.text, header.length + leaf->size, (uint32_t)crc);
    if (rc == AKSSL_OK)
        rc = ak_draft_write(draft, header.text, header.length);
    if (rc == AKSSL_OK)
        rc = ak_leaf_write(leaf, put, draft);
    ak_str_fini(&header);
    ak_str_fini(&name);
    return rc;
}

static akssl_status add_about(ak_zip *zip, ak_draft *draft, const ak_spec_pairs *about)
{
    ak_str text = AK_STR_INIT;
    akssl_status rc;

    ak_str_append(&text, "{");
    for (int i = 0; i < about->count; i++) {
        ak_str_append(&text, i ? ",\n " : "\n ");
        ak_str_json(&text, about->keys[i]);
        ak_str_append(&text, ": ");
        ak_str_json(&text, about->values[i]);
    }
    ak_str_append(&text, "\n}\n");
    rc =
        ak_zip_begin(zip, "metadata.json", text.length,
                     (uint32_t)crc32_z(crc32_z(0, NULL, 0), (const Bytef *)text.text, text.length));
    if (rc == AKSSL_OK)
        rc = ak_draft_write(draft, text.text, text.length);
    ak_str_fini(&text);
    return rc;
}

static akssl_status write_all(const ak_network *n, ak_draft *draft)
{
    int count;
    ak_leaf *leaves = ak_leaves(n, &count);
    ak_zip *zip = ak_zip_new(draft);
    akssl_status rc = AKSSL_OK;

    for (int i = 0; i < count && rc == AKSSL_OK; i++)
        rc = add_leaf(zip, draft, &leaves[i]);
    if (rc == AKSSL_OK)
        rc = add_about(zip, draft, n->about);
    if (rc == AKSSL_OK)
        rc = ak_zip_end(zip);
    ak_zip_free(zip);
    ak_leaves_free(leaves, count);
    return rc;
}

static akssl_status archive(const ak_network *n, const char *path)
{
    ak_draft *draft;
    akssl_status rc = ak_draft_create(&draft, path);

    if (rc < 0)
        return rc;
    rc = write_all(n, draft);
    if (rc == AKSSL_OK)
        rc = ak_draft_commit(draft);
    ak_draft_free(draft);
    return rc;
}

const ak_format ak_format_npy = {
    .name = "npy",
    .title = "NumPy's .npz: an array for each tensor",
    .extension = ".npz",
    .write = archive,
};
