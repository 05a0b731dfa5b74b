// worker/train/evaluate.h -- accuracy of a backbone's features on the data set's held-out part.

#ifndef AK_TRAIN_EVALUATE_H
#define AK_TRAIN_EVALUATE_H

#include "proto/spec/spec.h"
#include "worker/data/dataset.h"
#include "worker/method/method.h"
#include "worker/train/results.h"

// ak_evaluate puts, as far as `what` names them, behind prefix into results, on every rank:
//
//     knn.top1, knn.topK         neighbours: spec->knn_k, spec->knn_temperature
//     probe.top1, probe.top5     ridge regression on spec->probe_labels labels: the
//                                first, or the first of each class (ak_choice_lead)
//     linear.top1, linear.topK   logistic regression on all labels
//
// K: spec->topk, or the number of classes if that is less.  Collective; rank 0 does what follows
// the features, so that no figure depends on the ranks.
akssl_status ak_evaluate(const ak_world *world, ak_encoder *encoder, const ak_spec *spec,
                         const char *what, const char *prefix,
                         ak_results *results) AKSSL_MUST_CHECK;

// ak_evaluate_weights does the same for the backbone in spec->weights, as spec->kind says.
akssl_status ak_evaluate_weights(const ak_spec *spec, ak_comm *comm,
                                 ak_results *results) AKSSL_MUST_CHECK;

// ak_evaluate_features gives the features of set by the backbone in spec->weights: [images][width]
// floats on every rank, the caller's (free()).  Collective.
akssl_status ak_evaluate_features(const ak_spec *spec, ak_comm *comm, const ak_dataset *set,
                                  float **features, int64_t *width) AKSSL_MUST_CHECK;

// ak_evaluate_put puts what.top1 and what.topK behind prefix into results.
void ak_evaluate_put(ak_results *results, const char *prefix, const char *what, int64_t k,
                     double top1, double topk);

// ak_evaluate_classes is how many classes two parts of a data set have together.
int64_t ak_evaluate_classes(const ak_dataset *train, const ak_dataset *test);

#endif
