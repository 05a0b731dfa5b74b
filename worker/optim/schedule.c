// worker/optim/schedule.c -- the learning rate of each step.
//
//     t < warmup   lr_start + (lr - lr_start) t/warmup
//     constant     lr
//     cosine       lr_end + (lr - lr_end) (1 + cos(pi (t-warmup)/(total-warmup))) / 2
//                  (Loshchilov & Hutter 2016, arXiv:1608.03983, eq. 5, one period)
//     step         lr gamma^(milestones passed); a milestone is a share of the whole run

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/error.h"
#include "worker/nn/rows.h"
#include "worker/optim/optim.h"

static double lr_constant(const ak_rate *r, int64_t t)
{
    (void)t;
    return r->lr;
}

static double lr_cosine(const ak_rate *r, int64_t t)
{
    double done = (double)(t - r->warmup) / (double)(r->total - r->warmup);

    return r->lr_end + (r->lr - r->lr_end) * (0.5 * (1 + cos(acos(-1.0) * done)));
}

static double lr_step(const ak_rate *r, int64_t t)
{
    double lr = r->lr;

    for (int i = 0; i < r->milestone_count; i++)
        if (t >= llround(r->milestones[i] * (double)r->total))
            lr *= r->gamma;
    return lr;
}

#define AK_SCHEDULE(row, text) static const ak_schedule schedule_##row = { #row, text, lr_##row };
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

double ak_schedule_lr(const ak_rate *r, int64_t t)
{
    if (t < r->warmup)
        return r->lr_start + (r->lr - r->lr_start) * (double)t / (double)r->warmup;
    if (r->total <= r->warmup)
        return r->lr;
    return r->schedule->lr(r, t);
}

akssl_status ak_rate_milestones(ak_rate *r, const char *text)
{
    const char *at = text;
    double last = 0;

    r->milestone_count = 0;
    for (;;) {
        char *end;
        double share = strtod(at, &end);

        if (end == at || (*end && *end != ',') || !(share > last && share < 1))
            return ak_fail(AKSSL_ERR_INVALID,
                           "milestones '%.64s': give rising shares of the run between 0 and 1, "
                           "such as 0.6,0.8",
                           text);
        if (r->milestone_count == AK_RATE_MILESTONES)
            return ak_fail(AKSSL_ERR_INVALID, "milestones '%.64s': give at most %d", text,
                           AK_RATE_MILESTONES);
        r->milestones[r->milestone_count++] = last = share;
        if (!*end)
            return AKSSL_OK;
        at = end + 1;
    }
}

double ak_rate_scaling(const char *scaling, int64_t batch)
{
    if (strcmp(scaling, "linear") == 0)
        return (double)batch / 256;
    if (strcmp(scaling, "sqrt") == 0)
        return sqrt((double)batch / 256);
    return 1;
}
