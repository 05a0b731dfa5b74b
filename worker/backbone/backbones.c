// worker/backbone/backbones.c -- the table of backbones.

#include "worker/backbone/backbone.h"

#include "proto/base/error.h"
#include "worker/nn/rows.h"

#define AK_BACKBONE(file, row) extern const ak_backbone ak_backbone_##row;
#include "worker/backbone/backbones.def"
#undef AK_BACKBONE

static const ak_backbone *const rows[] = {
#define AK_BACKBONE(file, row) &ak_backbone_##row,
#include "worker/backbone/backbones.def"
#undef AK_BACKBONE
    NULL,
};

const ak_backbone *ak_backbone_at(int index)
{
    return rows[index];
}

akssl_status ak_backbone_find(const ak_backbone **out, const char *name)
{
    int index = ak_rows_find((const void *const *)rows, name);

    if (index < 0)
        return ak_rows_unknown((const void *const *)rows, "backbone", name);
    *out = rows[index];
    return AKSSL_OK;
}
