// worker/optim/adam.c -- Adam (Kingma & Ba 2014, arXiv:1412.6980), weight decay in the gradient.
//
//     g = g + decay w;  m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g^2
//     w = w - lr m/(1-b1^t) / (sqrt(v/(1-b2^t)) + eps)      b1 0.9, b2 0.999, eps 1e-8

#include <math.h>

#include "worker/optim/optim.h"
#include "worker/tensor/kernel_optim.h"

static void step(const ak_optim_step *s)
{
    double t = (double)s->t + 1;

    ak_kernel_adam(s->w, s->slot[0], s->slot[1], s->g, s->lr, 0.9, 0.999, 1e-8f,
                   (float)s->weight_decay, 1 - pow(0.9, t), 1 - pow(0.999, t), s->n, s->threads);
}

const ak_optim ak_optim_adam = {
    .name = "adam",
    .title = "Adam, weight decay in the gradient",
    .slots = { "exp_avg", "exp_avg_sq" },
    .step = step,
};
