// proto/rpc/badge.c -- a counted record.

#include "proto/rpc/badge.h"

#include <stdlib.h>

#include "proto/base/alloc.h"

ak_badge *ak_badge_new(void)
{
    ak_badge *badge = ak_alloc(1, sizeof *badge);

    atomic_init(&badge->holders, 1);
    atomic_init(&badge->known, false);
    return badge;
}

ak_badge *ak_badge_hold(ak_badge *badge)
{
    if (badge)
        atomic_fetch_add(&badge->holders, 1);
    return badge;
}

void ak_badge_rele(ak_badge *badge)
{
    if (badge && atomic_fetch_sub(&badge->holders, 1) == 1)
        free(badge);
}
