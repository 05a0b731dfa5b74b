// worker/method/classifier.h -- classifiers with labels, for the job kinds linear and finetune.
//
// They are trained like methods but are none: no row in methods.def, no options.

#ifndef AK_METHOD_CLASSIFIER_H
#define AK_METHOD_CLASSIFIER_H

#include "worker/method/method.h"

// ak_method_finetune: a backbone and a linear layer behind it, on images (one view a sample).
extern const ak_method ak_method_finetune;

// ak_method_linear: the linear layer by itself, on features that the caller puts into
// ak_classifier_features(self) before each forward, (b,width) a shard; it reads no image.
extern const ak_method ak_method_linear;

ak_tensor *ak_classifier_features(const void *self);

// ak_classifier_layer gives the layer: weight (classes,width) and bias (classes), called
// classifier.fc.weight and classifier.fc.bias.
void ak_classifier_layer(const void *self, const ak_param **weight, const ak_param **bias);

#endif
