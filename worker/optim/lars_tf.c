// worker/optim/lars_tf.c -- LARS as SimCLR's TensorFlow code has it: the rate is inside the
// momentum, so that steps taken keep the rate that they were taken with.
//
//     g = g + decay w;  g = eta |w|/|g| g  (if both norms are over 0);  eta 0.001
//     v = momentum v + lr g;  w = w - v
//
// Tensors of one dimension get neither decay nor ratio.

#include "worker/optim/optim.h"
#include "worker/tensor/kernel_optim.h"

static void step(const ak_optim_step *s)
{
    double ratio = 1;

    if (!s->plain && s->w_norm > 0 && s->decayed_norm > 0)
        ratio = 0.001 * s->w_norm / s->decayed_norm;
    ak_kernel_lars(s->w, s->slot[0], s->g, 1, (float)s->momentum, (float)s->weight_decay,
                   (float)(ratio * s->lr), s->n, s->threads);
}

const ak_optim ak_optim_lars_tf = {
    .name = "lars_tf",
    .title = "lars of SimCLR: the rate inside the momentum",
    .slots = { "momentum_buffer" },
    .exclude_1d = true,
    .norms = true,
    .step = step,
};
