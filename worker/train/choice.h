// worker/train/choice.h -- which of the labelled images a classifier is trained on.

#ifndef AK_TRAIN_CHOICE_H
#define AK_TRAIN_CHOICE_H

#include <stdint.h>

#include "akssl/status.h"

// ak_choice_stratified chooses, of the images with a label in 0..classes-1, `share` (0..1) of each
// class: round(share * images of the class), at least one, the same ones for the same seed.
// *images: their indices, ascending, the caller's (free()).  ERR_INVALID when fewer images are
// labelled than there are classes, or a label is none of them.
akssl_status ak_choice_stratified(const int64_t *labels, int64_t n, int64_t classes, double share,
                                  uint64_t seed, uint32_t **images,
                                  int64_t *count) AKSSL_MUST_CHECK;

// ak_choice_lead moves `count` of n labelled images (labels 0 and up) to the front, where all
// classes are to be found if there is room for them.  Where the first `count` have all, nothing
// moves; else the first image of each class leads, then the second, and so on: data sets may be
// sorted by class.  Both parts stay in order.  ERR_NO_MEMORY.
akssl_status ak_choice_lead(int64_t *labels, uint32_t *images, int64_t n,
                            int64_t count) AKSSL_MUST_CHECK;

#endif
