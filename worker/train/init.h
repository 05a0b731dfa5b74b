// worker/train/init.h -- a run that starts from a backbone trained elsewhere.

#ifndef AK_TRAIN_INIT_H
#define AK_TRAIN_INIT_H

#include "worker/train/trainer.h"

// ak_init_backbone reads torchvision's or timm's tensors of a safetensors file, with names as they
// are there or behind "backbone.", into the trained backbone and its momentum copy; others (fc,
// head) are ignored.  ERR_NOT_FOUND or ERR_INVALID names the first tensor that is missing or of
// another shape; the weights are then of no use.  Every rank reads the file; call it before step 0.
akssl_status ak_init_backbone(ak_trainer *trainer, const char *path) AKSSL_MUST_CHECK;

#endif
