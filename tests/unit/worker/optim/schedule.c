// tests/unit/worker/optim/schedule.c -- tests learning-rate schedules, and that tables are whole.

#include "tests/unit/worker/rig.h"
#include "worker/optim/optim.h"

static const ak_schedule *schedule(const char *name)
{
    const ak_schedule *out = NULL;

    ak_rig_ok(ak_schedule_find(&out, name));
    return out;
}

static void rate_is(const char *name, int64_t t, int64_t warmup, int64_t total, double want)
{
    double got = ak_schedule_lr(schedule(name), 0.8, t, warmup, total);

    ck_assert_msg(fabs(got - want) < 1e-12, "%s at %lld (%lld, %lld): %.17g, not %.17g", name,
                  (long long)t, (long long)warmup, (long long)total, got, want);
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
    for (int i = 0; i < 2; i++) {
        const char *name = i ? "cosine" : "constant";

        for (int64_t t = 0; t <= 10; t++)
            rate_is(name, t, 10, 110, 0.08 * (double)t);
    }
}
END_TEST

START_TEST(cosine)
{
    rate_is("cosine", 0, 0, 100, 0.8);
    rate_is("cosine", 25, 0, 100, 0.4 * (1 + sqrt(0.5)));
    rate_is("cosine", 50, 0, 100, 0.4);
    rate_is("cosine", 75, 0, 100, 0.4 * (1 - sqrt(0.5)));
    rate_is("cosine", 100, 0, 100, 0);
    rate_is("cosine", 60, 10, 110, 0.4); // behind a warm-up it begins anew
    for (int64_t t = 11; t < 110; t++)
        ck_assert(ak_schedule_lr(schedule("cosine"), 1, t, 10, 110) <
                  ak_schedule_lr(schedule("cosine"), 1, t - 1, 10, 110));
}
END_TEST

START_TEST(warmup_longer_than_the_run)
{
    rate_is("cosine", 3, 10, 5, 0.24);
    rate_is("cosine", 10, 10, 10, 0.8);
    rate_is("cosine", 12, 10, 5, 0.8);
}
END_TEST

START_TEST(unknown_names_list_the_known)
{
    const ak_schedule *s;
    const ak_optim *o;

    ak_rig_refused(ak_schedule_find(&s, "cosinus"), AKSSL_ERR_NOT_FOUND, "there are co");
    ak_rig_refused(ak_schedule_find(&s, ""), AKSSL_ERR_NOT_FOUND, "cosine");
    ak_rig_refused(ak_optim_find(&o, "adamm"), AKSSL_ERR_NOT_FOUND, "'adamm'");
    ak_rig_refused(ak_optim_find(&o, "ada"), AKSSL_ERR_NOT_FOUND, "sgd");
}
END_TEST

START_TEST(rows_are_whole)
{
    int count = 0;

    for (; ak_optim_at(count); count++) {
        const ak_optim *o = ak_optim_at(count), *found;

        ak_rig_ok(ak_optim_find(&found, o->name));
        ck_assert(found == o && o->title && o->slots[0] && o->step);
    }
    ck_assert_int_ge(count, 2);
    for (count = 0; ak_schedule_at(count); count++) {
        const ak_schedule *s = ak_schedule_at(count);

        ck_assert(schedule(s->name) == s && s->title);
        ck_assert_double_eq_tol(s->factor(0), 1, 1e-15);
        for (int i = 0; i <= 10; i++)
            ck_assert(s->factor(0.1 * i) >= -1e-15 && s->factor(0.1 * i) <= 1);
    }
    ck_assert_int_ge(count, 2);
}
END_TEST

// A slice at a time gives the bits of the whole: the state is cut over the ranks.
START_TEST(slices_are_the_whole)
{
    enum { N = 1000, CUT = 333 };

    for (int k = 0; ak_optim_at(k); k++) {
        float *w[2], *slot[2][2], *g = ak_rig_values(N, 9, 1);

        for (int i = 0; i < 2; i++) {
            w[i] = ak_rig_values(N, 1, 1);
            slot[i][0] = ak_alloc(N, sizeof(float));
            slot[i][1] = ak_alloc(N, sizeof(float));
        }
        for (int t = 0; t < 3; t++) {
            ak_optim_step all = { .w = w[0],
                                  .g = g,
                                  .slot = { slot[0][0], slot[0][1] },
                                  .n = N,
                                  .t = t,
                                  .lr = 0.1,
                                  .momentum = 0.9,
                                  .weight_decay = 0.01,
                                  .threads = 1 };

            ak_optim_at(k)->step(&all);
            for (int part = 0; part < 2; part++) {
                int from = part ? CUT : 0;
                ak_optim_step slice = all;

                slice.w = w[1] + from;
                slice.g = g + from;
                slice.slot[0] = slot[1][0] + from;
                slice.slot[1] = slot[1][1] + from;
                slice.n = part ? N - CUT : CUT;
                ak_optim_at(k)->step(&slice);
            }
        }
        ak_rig_same(ak_optim_at(k)->name, w[0], w[1], N);
        for (int i = 0; i < 2; i++) {
            free(w[i]);
            free(slot[i][0]);
            free(slot[i][1]);
        }
        free(g);
    }
}
END_TEST

AK_TEST_MAIN(AK_CASE(constant), AK_CASE(warmup_is_linear_from_zero), AK_CASE(cosine),
             AK_CASE(warmup_longer_than_the_run), AK_CASE(unknown_names_list_the_known),
             AK_CASE(rows_are_whole), AK_CASE(slices_are_the_whole))
