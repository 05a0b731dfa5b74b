// worker/backbone/backbones.c -- the table of backbones.

#include "worker/backbone/backbone.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
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
    char *row = ak_strdup(name);
    akssl_status rc = AKSSL_OK;
    int index;

    row[strcspn(row, ":")] = '\0';
    index = ak_rows_find((const void *const *)rows, row);
    if (index < 0)
        rc = ak_rows_unknown((const void *const *)rows, "backbone", row);
    else
        *out = rows[index];
    free(row);
    return rc;
}

static const ak_option none[] = { AK_OPTION_END };

static const ak_option *options_of(const ak_backbone *row)
{
    return row->options ? row->options : none;
}

// pair: "key=value", cut in two.
static akssl_status set_pair(const ak_backbone *row, void *self, char *pair)
{
    char *equals = strchr(pair, '=');

    if (!equals)
        return ak_fail(AKSSL_ERR_INVALID, "'%.64s' is not key=value: give NAME:key=value,...",
                       pair);
    *equals = '\0';
    return ak_option_set(options_of(row), self, pair, equals + 1);
}

akssl_status ak_backbone_bind(void **self, const ak_backbone *row, const char *text)
{
    char *copy = ak_strdup(text), *rest = strchr(copy, ':'), *pair, *save = NULL;
    void *made = ak_alloc(1, row->self_size);
    akssl_status rc = AKSSL_OK;

    ak_option_defaults(options_of(row), made);
    if (rest)
        for (pair = strtok_r(rest + 1, ",", &save); pair && rc == AKSSL_OK;
             pair = strtok_r(NULL, ",", &save))
            rc = set_pair(row, made, pair);
    free(copy);
    if (rc < 0) {
        ak_backbone_unbind(made, row);
        return ak_wrap(rc, "backbone %s", row->name);
    }
    *self = made;
    return AKSSL_OK;
}

void ak_backbone_unbind(void *self, const ak_backbone *row)
{
    if (self)
        ak_option_fini(options_of(row), self);
    free(self);
}
