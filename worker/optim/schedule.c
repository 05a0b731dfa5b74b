// worker/optim/schedule.c -- learning-rate schedules: constant, and half a cosine down to 0
// (Loshchilov & Hutter 2016, arXiv:1608.03983, eq. 5, one period), each after a linear warm-up.

#include <math.h>
#include <stddef.h>

#include "worker/nn/rows.h"
#include "worker/optim/optim.h"

static double factor_constant(double done)
{
    (void)done;
    return 1;
}

static double factor_cosine(double done)
{
    return 0.5 * (1 + cos(acos(-1.0) * done));
}

#define AK_SCHEDULE(row, text)                                                                     \
    static const ak_schedule schedule_##row = { #row, text, factor_##row };
#include "worker/optim/schedules.def"
#undef AK_SCHEDULE

static const ak_schedule *const rows[] = {
#define AK_SCHEDULE(row, text) &schedule_##row,
#include "worker/optim/schedules.def"
#undef AK_SCHEDULE
    NULL,
};

const ak_schedule *ak_schedule_at(int index)
{
    return rows[index];
}

akssl_status ak_schedule_find(const ak_schedule **out, const char *name)
{
    int index = ak_rows_find((const void *const *)rows, name);

    if (index < 0)
        return ak_rows_unknown((const void *const *)rows, "schedule", name);
    *out = rows[index];
    return AKSSL_OK;
}

double ak_schedule_lr(const ak_schedule *schedule, double lr, int64_t t, int64_t warmup,
                      int64_t total)
{
    if (t < warmup)
        return lr * (double)t / (double)warmup;
    if (total <= warmup)
        return lr;
    return lr * schedule->factor((double)(t - warmup) / (double)(total - warmup));
}
