// worker/train/classify.h -- the job kinds linear and finetune: a backbone learns to classify.
//
//     linear    the backbone of spec->weights as it is, batch norm by its running statistics; a
//     linear
//               layer on its features is trained.  No byte of the backbone may change: its digest
//               is taken before and after, and a difference fails the job.
//     finetune  backbone and layer are trained together, batch norm over the batch.
//
// Both train on spec->fine_tuning_data_proportion of the labelled training images, a share of each
// class, in the spec's recipe; recipe none makes every view of an image the same, so that linear
// computes all features once.  Results, with the final weights and images in their plain view,
// batch norm by its running statistics:
//
//     KIND.top1, KIND.topK                of the test part (K: spec->topk, or fewer classes)
//     KIND.train_top1, KIND.train_loss    of the training images
//
// Exports: export/backbone.safetensors and export/classifier.safetensors (fc.weight, fc.bias),
// which together are torchvision's network.

#ifndef AK_TRAIN_CLASSIFY_H
#define AK_TRAIN_CLASSIFY_H

#include "worker/data/dataset.h"
#include "worker/train/session.h"

// ak_classify_is: is this what the kind does?
bool ak_classify_is(const char *kind);

// ak_classify_method gives what a kind trains.
const ak_method *ak_classify_method(const char *kind);

// ak_classify_choose chooses the images of set to train on; *images is the caller's (free()).
akssl_status ak_classify_choose(const ak_spec *spec, const ak_dataset *set, int64_t classes,
                                uint32_t **images, int64_t *count) AKSSL_MUST_CHECK;

// ak_classify_run is ak_session_run for these kinds.
akssl_status ak_classify_run(const ak_session *session, ak_outcome *outcome) AKSSL_MUST_CHECK;

#endif
