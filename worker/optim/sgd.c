// worker/optim/sgd.c -- stochastic gradient descent with momentum.
//
//     g = g + decay w;  v = momentum v + g;  w = w - lr v

#include "worker/optim/optim.h"
#include "worker/tensor/kernel_optim.h"

static void step(const ak_optim_step *s)
{
    ak_kernel_sgd(s->w, s->slot[0], s->g, (float)s->lr, (float)s->momentum, (float)s->weight_decay,
                  s->n, s->threads);
}

const ak_optim ak_optim_sgd = {
    .name = "sgd",
    .title = "gradient descent with momentum",
    .slots = { "momentum_buffer" },
    .step = step,
};
