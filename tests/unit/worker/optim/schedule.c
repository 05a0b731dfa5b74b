// tests/unit/worker/optim/schedule.c -- tests the learning rate over a run.

#include "proto/base/str.h"
#include "tests/unit/worker/rig.h"
#include "worker/optim/optim.h"

static ak_rate rate_of(const char *name, int64_t warmup, int64_t total)
{
    ak_rate rate = { .lr = 0.8, .gamma = 0.1, .warmup = warmup, .total = total };

    ak_rig_ok(ak_schedule_find(&rate.schedule, name));
    ak_rig_ok(ak_rate_milestones(&rate, "0.6,0.8"));
    return rate;
}

static void lr_is(const ak_rate *rate, int64_t t, double want)
{
    double got = ak_schedule_lr(rate, t);

    ck_assert_msg(fabs(got - want) < 1e-12, "%s at %lld (%lld, %lld): %.17g, not %.17g",
                  rate->schedule->name, (long long)t, (long long)rate->warmup,
                  (long long)rate->total, got, want);
}

static void rate_is(const char *name, int64_t t, int64_t warmup, int64_t total, double want)
{
    ak_rate rate = rate_of(name, warmup, total);

    lr_is(&rate, t, want);
}

START_TEST(constant)
{
    for (int64_t t = 0; t < 100; t += 9)
        rate_is("constant", t, 0, 100, 0.8);
    rate_is("constant", 5, 5, 100, 0.8);
}
END_TEST

START_TEST(warmup_is_linear_from_zero)
{
    for (int i = 0; ak_schedule_at(i); i++)
        for (int64_t t = 0; t <= 10; t++)
            rate_is(ak_schedule_at(i)->name, t, 10, 110, 0.08 * (double)t);
}
END_TEST

START_TEST(warmup_is_linear_from_lr_start)
{
    for (int i = 0; ak_schedule_at(i); i++) {
        ak_rate rate = rate_of(ak_schedule_at(i)->name, 10, 110);

        rate.lr_start = 0.3;
        for (int64_t t = 0; t <= 10; t++)
            lr_is(&rate, t, 0.3 + 0.05 * (double)t);
    }
}
END_TEST

START_TEST(cosine)
{
    ak_rate rate = rate_of("cosine", 10, 110);

    rate_is("cosine", 0, 0, 100, 0.8);
    rate_is("cosine", 25, 0, 100, 0.4 * (1 + sqrt(0.5)));
    rate_is("cosine", 50, 0, 100, 0.4);
    rate_is("cosine", 75, 0, 100, 0.4 * (1 - sqrt(0.5)));
    rate_is("cosine", 100, 0, 100, 0);
    rate_is("cosine", 60, 10, 110, 0.4); // behind a warm-up it begins anew
    for (int64_t t = 11; t < 110; t++)
        ck_assert(ak_schedule_lr(&rate, t) < ak_schedule_lr(&rate, t - 1));
}
END_TEST

START_TEST(cosine_ends_at_lr_end)
{
    ak_rate rate = rate_of("cosine", 10, 110);

    rate.lr_end = 0.2;
    lr_is(&rate, 10, 0.8);
    lr_is(&rate, 35, 0.5 + 0.3 * sqrt(0.5));
    lr_is(&rate, 60, 0.5);
    lr_is(&rate, 110, 0.2);
}
END_TEST

// Milestones are shares of the whole run; the step that passes one already has the new rate.
START_TEST(step)
{
    static const struct {
        int64_t t;
        double lr;
    } want[] = { { 0, 0.8 },    { 59, 0.8 },   { 60, 0.08 },  { 79, 0.08 },
                 { 80, 0.008 }, { 99, 0.008 }, { 100, 0.008 } };
    ak_rate rate = rate_of("step", 0, 100);

    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        rate_is("step", want[i].t, 0, 100, want[i].lr);
        if (want[i].t >= 50)
            rate_is("step", want[i].t, 50, 100, want[i].lr);
    }
    rate.gamma = 0.5;
    lr_is(&rate, 60, 0.4);
    rate.gamma = 0;
    lr_is(&rate, 60, 0);
    ak_rig_ok(ak_rate_milestones(&rate, "0.35"));
    rate.total = 20;
    lr_is(&rate, 6, 0.8); // 0.35 * 20 is 7, whatever its last bit
    lr_is(&rate, 7, 0);
}
END_TEST

START_TEST(warmup_longer_than_the_run)
{
    for (int i = 0; ak_schedule_at(i); i++) {
        const char *name = ak_schedule_at(i)->name;

        rate_is(name, 3, 10, 5, 0.24);
        rate_is(name, 10, 10, 10, 0.8);
        rate_is(name, 12, 10, 5, 0.8);
    }
}
END_TEST

START_TEST(milestones)
{
    static const char *const bad[] = {
        "",     "0",       "1",   "0.5,", ",0.5", "0.5;0.6", "0.8,0.6",  "0.5,0.5",
        "-0.5", "0.5,1.5", "nan", "inf",  "half", "0.5 ",    "0.5,,0.6",
    };
    ak_rate rate = { 0 };
    ak_str many = AK_STR_INIT;

    ak_rig_ok(ak_rate_milestones(&rate, "0.25,0.5, 0.75"));
    ck_assert_int_eq(rate.milestone_count, 3);
    for (int i = 0; i < 3; i++)
        ck_assert(rate.milestones[i] == 0.25 * (i + 1));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ak_rig_refused(ak_rate_milestones(&rate, bad[i]), AKSSL_ERR_INVALID, "rising shares");
    for (int i = 1; i <= AK_RATE_MILESTONES; i++)
        ak_str_format(&many, "%s%g", i > 1 ? "," : "", 0.05 * i);
    ak_rig_ok(ak_rate_milestones(&rate, many.text));
    ak_str_append(&many, ",0.9");
    ak_rig_refused(ak_rate_milestones(&rate, many.text), AKSSL_ERR_INVALID, "at most 16");
    ak_str_fini(&many);
}
END_TEST

START_TEST(scaling)
{
    ck_assert(ak_rate_scaling("none", 1024) == 1);
    ck_assert(ak_rate_scaling("linear", 1024) == 4);
    ck_assert(ak_rate_scaling("linear", 64) == 0.25);
    ck_assert(ak_rate_scaling("sqrt", 1024) == 2);
    ck_assert(ak_rate_scaling("sqrt", 256) == 1);
}
END_TEST

AK_TEST_MAIN(AK_CASE(constant), AK_CASE(warmup_is_linear_from_zero),
             AK_CASE(warmup_is_linear_from_lr_start), AK_CASE(cosine),
             AK_CASE(cosine_ends_at_lr_end), AK_CASE(step), AK_CASE(warmup_longer_than_the_run),
             AK_CASE(milestones), AK_CASE(scaling))
