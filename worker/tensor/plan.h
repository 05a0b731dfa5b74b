// worker/tensor/plan.h -- where the tensors of a recorded graph lie, and when.

#ifndef AK_TENSOR_PLAN_H
#define AK_TENSOR_PLAN_H

#include "worker/tensor/op.h"

enum { AK_IMAGE_AXES = 3 }; // least axes of maps and tokens

// ak_plan gives each value and gradient a lifetime and a place in the arena, and sets the sizes of
// the arena and of the inputs.  keep (or NULL) and the graph's loss live on behind the step.
void ak_plan(ak_graph *g, ak_tensor *keep);

#endif
