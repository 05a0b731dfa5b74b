// worker/optim/lars_bolts.c -- LARS as solo-learn's recipes for CIFAR have it: eta 0.02, the
// scaled rate never over lr (trust.h).  Tensors of one dimension get neither decay nor ratio.

#include "worker/optim/trust.h"

static void step(const ak_optim_step *s)
{
    ak_trust_step(s, 0.02, true);
}

const ak_optim ak_optim_lars_bolts = {
    .name = "lars_bolts",
    .title = "lars of solo-learn: eta 0.02, no tensor faster than lr",
    .slots = { "momentum_buffer" },
    .exclude_1d = true,
    .norms = true,
    .step = step,
};
