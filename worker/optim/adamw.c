// worker/optim/adamw.c -- Adam with decoupled weight decay (Loshchilov & Hutter 2017,
// arXiv:1711.05101, Algorithm 2, decay multiplied by the rate as in PyTorch).
//
//     m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g^2
//     w = w - lr decay w - lr m/(1-b1^t) / (sqrt(v/(1-b2^t)) + eps)   b1 0.9, b2 0.999, eps 1e-8

#include <math.h>

#include "worker/optim/optim.h"
#include "worker/tensor/kernel_optim.h"

static void step(const ak_optim_step *s)
{
    double t = (double)s->t + 1;

    ak_kernel_adamw(s->w, s->slot[0], s->slot[1], s->g, s->lr, 0.9, 0.999, 1e-8f, s->weight_decay,
                    1 - pow(0.9, t), 1 - pow(0.999, t), s->n, s->threads);
}

const ak_optim ak_optim_adamw = {
    .name = "adamw",
    .title = "Adam, weight decay beside the gradient",
    .slots = { "exp_avg", "exp_avg_sq" },
    .step = step,
};
