// worker/eval/nearest.c -- the best of a row of scores.

#include "worker/eval/nearest.h"

int64_t ak_nearest(const float *scores, int64_t n, int64_t except, int64_t k, float *best,
                   int64_t *index)
{
    int64_t held = 0;

    for (int64_t i = 0; i < n && k > 0; i++) {
        int64_t at;

        if (i == except || (held == k && scores[i] <= best[held - 1])) // better, not equal
            continue;
        at = held < k ? held++ : held - 1;
        for (; at > 0 && best[at - 1] < scores[i]; at--) {
            best[at] = best[at - 1];
            index[at] = index[at - 1];
        }
        best[at] = scores[i];
        index[at] = i;
    }
    return held;
}
