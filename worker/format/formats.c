// worker/format/formats.c -- the table of formats.

#include "worker/format/format.h"

#include "worker/nn/rows.h"

#define AK_FORMAT(name) extern const ak_format ak_format_##name;
#include "worker/format/formats.def"
#undef AK_FORMAT

static const ak_format *const rows[] = {
#define AK_FORMAT(name) &ak_format_##name,
#include "worker/format/formats.def"
#undef AK_FORMAT
    NULL,
};

const ak_format *ak_format_at(int index)
{
    return rows[index];
}

akssl_status ak_format_find(const ak_format **out, const char *name)
{
    int index = ak_rows_find((const void *const *)rows, name);

    if (index < 0)
        return ak_rows_unknown((const void *const *)rows, "format", name);
    *out = rows[index];
    return AKSSL_OK;
}
