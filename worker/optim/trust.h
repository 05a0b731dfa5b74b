// worker/optim/trust.h -- the ratio of lars_bolts and larc.

#ifndef AK_OPTIM_TRUST_H
#define AK_OPTIM_TRUST_H

#include "worker/optim/optim.h"

// ak_trust_step is descent with momentum on ratio * (g + decay w) where
//
//     ratio = eta |w| / (|g| + decay |w| + 1e-8)        g is the raw gradient
//
// with `clip` cut to ratio / lr <= 1.  A plain tensor, or one of which either norm is 0, takes g
// as it is, without decay.
void ak_trust_step(const ak_optim_step *step, double eta, bool clip);

#endif
