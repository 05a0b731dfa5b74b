// worker/optim/optims.c -- the table of optimisers.

#include <stddef.h>

#include "worker/nn/rows.h"
#include "worker/optim/optim.h"

#define AK_OPTIM(row) extern const ak_optim ak_optim_##row;
#include "worker/optim/optims.def"
#undef AK_OPTIM

static const ak_optim *const rows[] = {
#define AK_OPTIM(row) &ak_optim_##row,
#include "worker/optim/optims.def"
#undef AK_OPTIM
    NULL,
};

const ak_optim *ak_optim_at(int index)
{
    return rows[index];
}

akssl_status ak_optim_find(const ak_optim **out, const char *name)
{
    int index = ak_rows_find((const void *const *)rows, name);

    if (index < 0)
        return ak_rows_unknown((const void *const *)rows, "optimizer", name);
    *out = rows[index];
    return AKSSL_OK;
}
