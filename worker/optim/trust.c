// worker/optim/trust.c -- the ratio of lars_bolts and larc.

#include "worker/optim/trust.h"

#include "worker/tensor/kernel_optim.h"

void ak_trust_step(const ak_optim_step *s, double eta, bool clip)
{
    double ratio = 1, decay = 0;

    if (!s->plain && s->w_norm > 0 && s->g_norm > 0) {
        decay = s->weight_decay;
        ratio = eta * s->w_norm / (s->g_norm + decay * s->w_norm + 1e-8);
        if (clip)
            ratio = ratio < s->lr ? ratio / s->lr : 1;
    }
    ak_kernel_lars(s->w, s->slot[0], s->g, (float)s->lr, (float)s->momentum, (float)decay,
                   (float)ratio, s->n, s->threads);
}
