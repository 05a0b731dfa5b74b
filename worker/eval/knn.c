// worker/eval/knn.c -- weighted nearest neighbours, a block of test rows at a time.

#include "worker/eval/knn.h"

#include <cblas.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "worker/eval/features.h"
#include "worker/eval/nearest.h"

enum { BLOCK = 64 };

typedef struct knn {
    const int64_t *labels;
    int64_t n, d, classes, k, top;
    double temperature;
    float *train, *test; // normalised: (n, d), (BLOCK, d)
    float *cosine;       // (BLOCK, n)
    double *votes;       // (classes)
    float *score;        // (k) best first
    int64_t *neighbour;  // (k)
    int64_t hits1, hits;
} knn;

static akssl_status reserve(knn *s)
{
    s->train = ak_try_alloc((size_t)s->n * (size_t)s->d, sizeof *s->train);
    s->test = ak_try_alloc(BLOCK * (size_t)s->d, sizeof *s->test);
    s->cosine = ak_try_alloc(BLOCK * (size_t)s->n, sizeof *s->cosine);
    s->votes = ak_try_alloc((size_t)s->classes, sizeof *s->votes);
    s->score = ak_try_alloc((size_t)s->k, sizeof *s->score);
    s->neighbour = ak_try_alloc((size_t)s->k, sizeof *s->neighbour);
    if (!s->train || !s->test || !s->cosine || !s->votes || !s->score || !s->neighbour)
        return AKSSL_ERR_NO_MEMORY;
    return AKSSL_OK;
}

static void release(knn *s)
{
    free(s->train);
    free(s->test);
    free(s->cosine);
    free(s->votes);
    free(s->score);
    free(s->neighbour);
}

static void vote(knn *s)
{
    for (int64_t c = 0; c < s->classes; c++)
        s->votes[c] = 0;
    for (int64_t i = 0; i < s->k;
         i++) // relative to the best: a small temperature does not overflow
        s->votes[s->labels[s->neighbour[i]]] +=
            exp(((double)s->score[i] - (double)s->score[0]) / s->temperature);
}

static void judge(knn *s, int64_t label)
{
    int64_t rank = 0;

    if (s->votes[label] <= 0)
        return;
    for (int64_t c = 0; c < s->classes; c++)
        rank += s->votes[c] > s->votes[label] || (s->votes[c] == s->votes[label] && c < label);
    s->hits1 += rank < 1;
    s->hits += rank < s->top;
}

static void classify(knn *s, const float *test, const int64_t *test_labels, int64_t m)
{
    for (int64_t first = 0; first < m; first += BLOCK) {
        int64_t rows = m - first < BLOCK ? m - first : BLOCK;

        ak_features_normalize(test + first * s->d, rows, s->d, s->test);
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)rows, (int)s->n, (int)s->d, 1,
                    s->test, (int)s->d, s->train, (int)s->d, 0, s->cosine, (int)s->n);
        for (int64_t i = 0; i < rows; i++) {
            ak_nearest(s->cosine + i * s->n, s->n, -1, s->k, s->score, s->neighbour);
            vote(s);
            judge(s, test_labels[first + i]);
        }
    }
}

akssl_status ak_eval_knn(const float *train, const int64_t *labels, int64_t n, const float *test,
                         const int64_t *test_labels, int64_t m, int64_t d, int64_t classes,
                         int64_t k, double temperature, int64_t top, double *top1, double *topk)
{
    knn s = { .labels = labels,
              .n = n,
              .d = d,
              .classes = classes,
              .k = k < n ? k : n,
              .temperature = temperature,
              .top = top };
    akssl_status rc = ak_features_check("training", train, labels, n, n, d, classes);

    if (rc == AKSSL_OK)
        rc = ak_features_check("test", test, test_labels, m, m, d, classes);
    if (rc == AKSSL_OK && (k < 1 || top < 1 || !(temperature > 0)))
        rc = ak_fail(AKSSL_ERR_INVALID,
                     "k %" PRId64 ", temperature %g and top %" PRId64 ": give positive ones", k,
                     temperature, top);
    if (rc == AKSSL_OK)
        rc = reserve(&s);
    if (rc == AKSSL_OK) {
        ak_features_normalize(train, n, d, s.train);
        classify(&s, test, test_labels, m);
        *top1 = 100.0 * (double)s.hits1 / (double)m;
        *topk = 100.0 * (double)s.hits / (double)m;
    }
    release(&s);
    return rc < 0 ? ak_wrap(rc, "knn") : AKSSL_OK;
}
