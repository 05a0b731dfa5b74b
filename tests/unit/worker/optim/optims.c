// tests/unit/worker/optim/optims.c -- tests that the tables are whole, and steps by hand.

#include "tests/unit/worker/rig.h"
#include "worker/optim/optim.h"

START_TEST(unknown_names_list_the_known)
{
    const ak_schedule *s;
    const ak_optim *o;

    ak_rig_refused(ak_schedule_find(&s, "cosinus"), AKSSL_ERR_NOT_FOUND, "there are co");
    ak_rig_refused(ak_schedule_find(&s, ""), AKSSL_ERR_NOT_FOUND, "cosine");
    ak_rig_refused(ak_optim_find(&o, "adamm"), AKSSL_ERR_NOT_FOUND, "'adamm'");
    ak_rig_refused(ak_optim_find(&o, "ada"), AKSSL_ERR_NOT_FOUND,
                   "adam, adamw, larc, lars, lars_bolts, lars_tf, sgd");
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
    ck_assert_int_eq(count, 7);
    for (count = 0; ak_schedule_at(count); count++) {
        const ak_schedule *s = ak_schedule_at(count), *found;

        ak_rig_ok(ak_schedule_find(&found, s->name));
        ck_assert(found == s && s->title && s->lr);
    }
    ck_assert_int_eq(count, 3);
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
                                  .w_norm = 18,
                                  .g_norm = 17,
                                  .decayed_norm = 16,
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

// One weight, gradient 3: the step by hand, from w = 2 and no state.
typedef struct hand {
    float w, v[2];
    float g;
    ak_optim_step step;
} hand;

static void take(hand *h, const char *name)
{
    const ak_optim *row = NULL;

    ak_rig_ok(ak_optim_find(&row, name));
    h->step.w = &h->w;
    h->step.g = &h->g;
    h->step.slot[0] = &h->v[0];
    h->step.slot[1] = &h->v[1];
    h->step.n = h->step.threads = 1;
    h->step.w_norm = fabs((double)h->w);
    h->step.g_norm = fabs((double)h->g);
    h->step.decayed_norm = fabs((double)h->g + h->step.weight_decay * (double)h->w);
    row->step(&h->step);
}

static hand start(void)
{
    return (hand){ .w = 2, .g = 3, .step = { .lr = 0.5, .momentum = 0.25, .weight_decay = 0.5 } };
}

static void w_is(const hand *h, double want)
{
    ck_assert_msg(fabs((double)h->w - want) <= 3e-7 * fabs(want), "w is %.9g, not %.9g",
                  (double)h->w, want);
}

START_TEST(sgd)
{
    hand h = start();

    take(&h, "sgd"); // v = 3 + 0.5*2 = 4, w = 2 - 0.5*4 = 0
    ck_assert(h.v[0] == 4 && h.w == 0);
    take(&h, "sgd"); // v = 0.25*4 + 3 = 4, w = -2
    ck_assert(h.v[0] == 4 && h.w == -2);
    h.step.momentum = 0;
    take(&h, "sgd"); // v = 3 - 1 = 2, w = -3
    ck_assert(h.v[0] == 2 && h.w == -3);
}
END_TEST

// The first step of Adam is lr * sign of what it is given.
START_TEST(adam_and_adamw)
{
    hand h = start();

    take(&h, "adam");
    w_is(&h, 1.5);
    ck_assert_float_eq_tol(h.v[0], 0.4f, 1e-6f); // 0.1 (3 + 0.5*2)
    h = start();
    take(&h, "adamw");
    w_is(&h, 1); // 2 - 0.5*0.5*2 - 0.5
    ck_assert_float_eq_tol(h.v[0], 0.3f, 1e-6f);
    h = start();
    h.step.t = 9; // 0.3/(1-0.9^10) / sqrt(0.009/(1-0.999^10)), off 2 - 0.5
    take(&h, "adamw");
    w_is(&h, 1.5 - 0.5 * 0.3 / (1 - pow(0.9, 10)) / sqrt(0.009 / (1 - pow(0.999, 10))));
}
END_TEST

START_TEST(lars)
{
    hand h = start();

    take(&h, "lars"); // |w|/|g + decay w| = 2/4: 0.001 * 0.5 * 4 = 0.002
    w_is(&h, 2 - 0.5 * 0.002);
    take(&h, "lars"); // the ratio is in the buffer, the rate is not
    w_is(&h, 2 - 0.5 * 0.002 - 0.5 * (0.25 * 0.002 + 0.001 * 1.999));
    h = start();
    h.step.plain = true;
    h.step.weight_decay = 0;
    take(&h, "lars");
    ck_assert(h.w == 0.5f);
    h = start();
    h.w = 0; // no weights, no ratio
    take(&h, "lars");
    ck_assert(h.w == -1.5f);
    h = start();
    h.g = -1; // cancels the decay
    take(&h, "lars");
    ck_assert(h.w == 2 && h.v[0] == 0);
}
END_TEST

START_TEST(lars_bolts)
{
    hand h = start();

    take(&h, "lars_bolts"); // ratio 0.02*2/(3 + 0.5*2) = 0.01 < lr: 0.01/0.5 * (3 + 1)
    w_is(&h, 2 - 0.5 * 0.02 * 4);
    h = start();
    h.step.lr = 0.005; // under the ratio
    take(&h, "lars_bolts");
    w_is(&h, 2 - 0.005 * 4);
    h = start();
    h.step.lr = 0;
    take(&h, "lars_bolts");
    ck_assert(h.w == 2 && h.v[0] == 4);
    h = start();
    h.w = 0;
    take(&h, "lars_bolts");
    ck_assert(h.w == -1.5f);
    h = start();
    h.step.plain = true;
    take(&h, "lars_bolts");
    ck_assert(h.w == 0.5f);
}
END_TEST

static double length(const double *x, int n)
{
    double sum = 0;

    for (int i = 0; i < n; i++)
        sum += x[i] * x[i];
    return sqrt(sum);
}

// SimCLR's rule in doubles, over a rising and falling rate, for a tensor and for an excluded one.
START_TEST(lars_tf)
{
    enum { N = 48 };
    static const double rates[] = { 0, 0.5, 2, 4, 3, 0.1, 1e-3 };
    const ak_optim *row = NULL;

    ak_rig_ok(ak_optim_find(&row, "lars_tf"));
    ck_assert(row->exclude_1d && row->norms);
    for (int plain = 0; plain < 2; plain++) {
        float *w = ak_rig_values(N, 1, 1), v[N] = { 0 };
        double naive[N], buffer[N] = { 0 }, decay = plain ? 0 : 0.02;

        for (int i = 0; i < N; i++)
            naive[i] = (double)w[i];
        for (int t = 0; t < 7; t++) {
            float *g = ak_rig_values(N, 20 + t, 1);
            double decayed[N], ratio = 1;
            ak_optim_step s = { .w = w,
                                .g = g,
                                .slot = { v },
                                .n = N,
                                .t = t,
                                .lr = rates[t],
                                .momentum = 0.9,
                                .weight_decay = decay,
                                .plain = plain,
                                .threads = 1 };

            for (int i = 0; i < N; i++)
                decayed[i] = (double)g[i] + decay * naive[i];
            s.w_norm = length(naive, N);
            s.decayed_norm = length(decayed, N);
            if (!plain)
                ratio = 0.001 * s.w_norm / s.decayed_norm;
            row->step(&s);
            for (int i = 0; i < N; i++) {
                buffer[i] = 0.9 * buffer[i] + rates[t] * ratio * decayed[i];
                naive[i] -= buffer[i];
                ck_assert_double_eq_tol((double)w[i], naive[i], 1e-5);
                ck_assert_double_eq_tol((double)v[i], buffer[i], 1e-6 + 1e-6 * fabs(buffer[i]));
            }
            free(g);
        }
        free(w);
    }
}
END_TEST

START_TEST(larc)
{
    hand h = start();

    take(&h, "larc"); // ratio 0.001*2/4
    w_is(&h, 2 - 0.5 * 0.0005 * 4);
    h = start();
    h.g = 0; // neither ratio nor decay
    take(&h, "larc");
    ck_assert(h.w == 2);
}
END_TEST

AK_TEST_MAIN(AK_CASE(unknown_names_list_the_known), AK_CASE(rows_are_whole),
             AK_CASE(slices_are_the_whole), AK_CASE(sgd), AK_CASE(adam_and_adamw), AK_CASE(lars),
             AK_CASE(lars_bolts), AK_CASE(lars_tf), AK_CASE(larc))
