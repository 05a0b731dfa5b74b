// worker/optim/lars.c -- layer-wise adaptive rates (You et al. 2017, arXiv:1708.03888), as in the
// code of Barlow Twins, BYOL, DINO and MoCo v3.
//
//     g = g + decay w;  g = eta |w|/|g| g  (if both norms are over 0);  eta 0.001
//     v = momentum v + g;  w = w - lr v
//
// Tensors of one dimension get neither decay nor ratio.

#include "worker/optim/optim.h"
#include "worker/tensor/kernel_optim.h"

static void step(const ak_optim_step *s)
{
    double ratio = 1;

    if (!s->plain && s->w_norm > 0 && s->decayed_norm > 0)
        ratio = 0.001 * s->w_norm / s->decayed_norm;
    ak_kernel_lars(s->w, s->slot[0], s->g, (float)s->lr, (float)s->momentum, (float)s->weight_decay,
                   (float)ratio, s->n, s->threads);
}

const ak_optim ak_optim_lars = {
    .name = "lars",
    .title = "descent scaled tensor by tensor to its weights' length",
    .slots = { "momentum_buffer" },
    .exclude_1d = true,
    .norms = true,
    .step = step,
};
