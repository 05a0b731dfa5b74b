// worker/nn/rows.c -- looking a name up in a table of rows.

#include "worker/nn/rows.h"

#include "proto/base/error.h"
#include "proto/base/option.h"
#include "proto/base/str.h"

static const char *name_of(const void *row)
{
    return *(const char *const *)row;
}

int ak_rows_find(const void *const *rows, const char *name)
{
    for (int i = 0; rows[i]; i++)
        if (ak_option_same_name(name_of(rows[i]), name))
            return i;
    return -1;
}

akssl_status ak_rows_unknown(const void *const *rows, const char *what, const char *name)
{
    ak_str known = AK_STR_INIT;

    for (int i = 0; rows[i]; i++)
        ak_str_format(&known, "%s%s", i ? ", " : "", name_of(rows[i]));
    (void)ak_fail(AKSSL_ERR_NOT_FOUND, "%s '%.64s': no such %s; there are %s", what, name, what,
                  known.text ? known.text : "none");
    ak_str_fini(&known);
    return AKSSL_ERR_NOT_FOUND;
}
