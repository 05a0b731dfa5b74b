// tests/unit/worker/optim/sgd.c -- tests that descent takes its numbers from the spec.

#include "tests/unit/worker/rig.h"
#include "worker/optim/optim.h"

START_TEST(by_hand)
{
    const ak_optim *sgd = NULL;
    float w[1] = { 2 }, v[1] = { 0 }, g[1] = { 3 };
    ak_optim_step step = { .w = w,
                           .g = g,
                           .slot = { v, NULL },
                           .n = 1,
                           .lr = 0.5,
                           .momentum = 0.25,
                           .weight_decay = 0.5,
                           .threads = 1 };

    ak_rig_ok(ak_optim_find(&sgd, "sgd"));
    sgd->step(&step); // v = 3 + 0.5*2 = 4, w = 2 - 0.5*4 = 0
    ck_assert(v[0] == 4 && w[0] == 0);
    sgd->step(&step); // v = 0.25*4 + 3 = 4, w = -2
    ck_assert(v[0] == 4 && w[0] == -2);
    step.momentum = 0;
    sgd->step(&step); // v = 3 - 1 = 2, w = -3
    ck_assert(v[0] == 2 && w[0] == -3);
}
END_TEST

AK_TEST_MAIN(AK_CASE(by_hand))
