// worker/optim/larc.c -- LARC without clipping, as SwAV trains: eta 0.001, on every tensor
// (trust.h).

#include "worker/optim/trust.h"

static void step(const ak_optim_step *s)
{
    ak_trust_step(s, 0.001, false);
}

const ak_optim ak_optim_larc = {
    .name = "larc",
    .title = "lars of SwAV: eta 0.001, biases and norms too",
    .slots = { "momentum_buffer" },
    .norms = true,
    .step = step,
};
