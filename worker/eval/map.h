// worker/eval/map.h -- features as people look at them: planes, and who is near whom.

#ifndef AK_EVAL_MAP_H
#define AK_EVAL_MAP_H

#include <stdint.h>

#include "akssl/status.h"

typedef struct ak_map {
    int64_t n, k;       // k: neighbours of each row
    double *pca;        // [n][2]: by principal components
    double *tsne;       // [n][2]: by t-SNE, which starts there
    double share[2];    // of the variance, that each axis shows; 0 when there is none
    int64_t *neighbour; // [n][k], nearest first, never the row itself
    float *cosine;      // [n][k]
} ak_map;

// ak_eval_map makes rows of x (n, d) one long, takes the two principal components of what is left
// (each so that its farthest row, of equal ones the first, is on the positive side), a plane by
// t-SNE (tsne.h; 1000 rows take about two seconds), and of each row the k others of the greatest
// cosine, or all there are; of equal ones the lower index first.  It holds n * n numbers: n is for
// pictures.  The caller frees *out by ak_map_fini, after a failure too.  Determinism and failures:
// as ak_eval_knn.
akssl_status ak_eval_map(ak_map *out, const float *x, int64_t n, int64_t d,
                         int64_t k) AKSSL_MUST_CHECK;
void ak_map_fini(ak_map *map); // of a zeroed one, too

#endif
