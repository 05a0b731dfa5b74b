// worker/eval/nearest.h -- private to worker/eval: the best of a row of scores.

#ifndef AK_EVAL_NEAREST_H
#define AK_EVAL_NEAREST_H

#include <stdint.h>

// ak_nearest finds the k highest of scores [n], but for the one at `except` (-1: none): best and
// index [k], highest first, of equal ones the lower index first.  Returns how many there are.
int64_t ak_nearest(const float *scores, int64_t n, int64_t except, int64_t k, float *best,
                   int64_t *index);

#endif
