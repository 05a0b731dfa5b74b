// worker/eval/judge.c -- a linear classifier's scores, a block of rows at a time.

#include "worker/eval/judge.h"

#include <cblas.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "worker/eval/features.h"

enum { BLOCK = 256 };

static double cross_entropy(const float *score, int64_t classes, int64_t label)
{
    double most = (double)score[0], sum = 0;

    for (int64_t c = 1; c < classes; c++)
        most = fmax(most, (double)score[c]);
    for (int64_t c = 0; c < classes; c++)
        sum += exp((double)score[c] - most);
    return most + log(sum) - (double)score[label];
}

static int64_t rank_of(const float *score, int64_t classes, int64_t label)
{
    int64_t rank = 0;

    for (int64_t c = 0; c < classes; c++)
        rank += score[c] > score[label] || (score[c] == score[label] && c < label);
    return rank;
}

akssl_status ak_eval_judge(const char *what, const float *x, const int64_t *labels, int64_t n,
                           int64_t d, const float *w, const float *bias, int64_t classes, int64_t k,
                           ak_verdict *out)
{
    akssl_status rc = ak_features_check(what, x, labels, n, n, d, classes);
    int64_t hits1 = 0, hits = 0;
    double loss = 0;
    float *score;

    if (rc < 0)
        return rc;
    score = ak_try_alloc(BLOCK * (size_t)classes, sizeof *score);
    if (!score)
        return AKSSL_ERR_NO_MEMORY;
    for (int64_t first = 0; first < n; first += BLOCK) {
        int64_t rows = n - first < BLOCK ? n - first : BLOCK;

        for (int64_t i = 0; i < rows * classes; i++)
            score[i] = bias[i % classes];
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)rows, (int)classes, (int)d, 1,
                    x + first * d, (int)d, w, (int)d, 1, score, (int)classes);
        for (int64_t i = 0; i < rows; i++) {
            int64_t label = labels[first + i], rank = rank_of(score + i * classes, classes, label);

            hits1 += rank < 1;
            hits += rank < k;
            loss += cross_entropy(score + i * classes, classes, label);
        }
    }
    free(score);
    *out = (ak_verdict){ .top1 = 100.0 * (double)hits1 / (double)n,
                         .topk = 100.0 * (double)hits / (double)n,
                         .loss = loss / (double)n };
    return AKSSL_OK;
}
