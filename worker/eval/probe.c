// worker/eval/probe.c -- a linear classifier by ridge regression, rows taken in blocks.

#include "worker/eval/probe.h"

#include <cblas.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "worker/eval/cholesky.h"
#include "worker/eval/features.h"

enum { BLOCK = 256 };

static const double ridge = 0.1;

typedef struct probe {
    int64_t d, classes;
    double *mean, *scale; // (d): 1 / (std + 1e-6)
    double *share;        // (classes): mean of the one-hot rows
    double *gram;         // (d, d)
    double *weight;       // (d, classes): first A'(Y - mean Y), then W
    float *unit;          // (BLOCK, d): rows of length 1
    double *x;            // (BLOCK, d): standardised
    double *y;            // (BLOCK, classes)
} probe;

static akssl_status reserve(probe *s)
{
    size_t d = (size_t)s->d, classes = (size_t)s->classes;

    s->mean = ak_try_alloc(d, sizeof *s->mean);
    s->scale = ak_try_alloc(d, sizeof *s->scale);
    s->share = ak_try_alloc(classes, sizeof *s->share);
    s->gram = ak_try_alloc(d * d, sizeof *s->gram);
    s->weight = ak_try_alloc(d * classes, sizeof *s->weight);
    s->unit = ak_try_alloc(BLOCK * d, sizeof *s->unit);
    s->x = ak_try_alloc(BLOCK * d, sizeof *s->x);
    s->y = ak_try_alloc(BLOCK * classes, sizeof *s->y);
    if (!s->mean || !s->scale || !s->share || !s->gram || !s->weight || !s->unit || !s->x || !s->y)
        return AKSSL_ERR_NO_MEMORY;
    return AKSSL_OK;
}

static void release(probe *s)
{
    free(s->mean);
    free(s->scale);
    free(s->share);
    free(s->gram);
    free(s->weight);
    free(s->unit);
    free(s->x);
    free(s->y);
}

static int64_t rows_from(int64_t first, int64_t rows)
{
    return rows - first < BLOCK ? rows - first : BLOCK;
}

// Mean first, then squares about it: two passes, exact enough for features of any offset.  Both
// sums are collected in scale.
static void measure(probe *s, const float *train, int64_t n)
{
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t first = 0; first < n; first += BLOCK) {
            int64_t rows = rows_from(first, n);

            ak_features_normalize(train + first * s->d, rows, s->d, s->unit);
            for (int64_t i = 0; i < rows; i++) {
                for (int64_t j = 0; j < s->d; j++) {
                    double v = (double)s->unit[i * s->d + j], off = v - s->mean[j];

                    if (pass == 0)
                        s->scale[j] += v;
                    else
                        s->scale[j] += off * off;
                }
            }
        }
        for (int64_t j = 0; pass == 0 && j < s->d; j++) {
            s->mean[j] = s->scale[j] / (double)n;
            s->scale[j] = 0;
        }
    }
    for (int64_t j = 0; j < s->d; j++)
        s->scale[j] = 1 / (sqrt(s->scale[j] / (double)(n > 1 ? n - 1 : 1)) + 1e-6);
}

static void standardize(probe *s, const float *x, int64_t rows)
{
    ak_features_normalize(x, rows, s->d, s->unit);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < s->d; j++)
            s->x[i * s->d + j] = ((double)s->unit[i * s->d + j] - s->mean[j]) * s->scale[j];
}

static bool fit(probe *s, const float *train, const int64_t *labels, int64_t labelled)
{
    int d = (int)s->d, classes = (int)s->classes;

    for (int64_t i = 0; i < labelled; i++)
        s->share[labels[i]] += 1 / (double)labelled;
    for (int64_t first = 0; first < labelled; first += BLOCK) {
        int64_t rows = rows_from(first, labelled);

        standardize(s, train + first * s->d, rows);
        for (int64_t i = 0; i < rows; i++)
            for (int64_t c = 0; c < s->classes; c++)
                s->y[i * s->classes + c] = (c == labels[first + i]) - s->share[c];
        cblas_dsyrk(CblasRowMajor, CblasLower, CblasTrans, d, (int)rows, 1, s->x, d, 1, s->gram, d);
        cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, d, classes, (int)rows, 1, s->x, d,
                    s->y, classes, 1, s->weight, classes);
    }
    for (int64_t j = 0; j < s->d; j++)
        s->gram[j * s->d + j] += ridge * (double)labelled;
    return ak_cholesky_solve(s->gram, d, s->weight, classes);
}

static void classify(probe *s, const float *test, const int64_t *test_labels, int64_t m,
                     int64_t hits[2])
{
    for (int64_t first = 0; first < m; first += BLOCK) {
        int64_t rows = rows_from(first, m);

        standardize(s, test + first * s->d, rows);
        for (int64_t i = 0; i < rows; i++)
            memcpy(s->y + i * s->classes, s->share, (size_t)s->classes * sizeof *s->share);
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)rows, (int)s->classes,
                    (int)s->d, 1, s->x, (int)s->d, s->weight, (int)s->classes, 1, s->y,
                    (int)s->classes);
        for (int64_t i = 0; i < rows; i++) {
            const double *y = s->y + i * s->classes;
            int64_t label = test_labels[first + i], rank = 0;

            for (int64_t c = 0; c < s->classes; c++)
                rank += y[c] > y[label] || (y[c] == y[label] && c < label);
            hits[0] += rank < 1;
            hits[1] += rank < 5;
        }
    }
}

akssl_status ak_eval_probe(const float *train, const int64_t *labels, int64_t n, int64_t labelled,
                           const float *test, const int64_t *test_labels, int64_t m, int64_t d,
                           int64_t classes, double *top1, double *top5)
{
    probe s = { .d = d, .classes = classes };
    int64_t used = labelled < n ? labelled : n, hits[2] = { 0, 0 };
    akssl_status rc = ak_features_check("training", train, labels, n, used, d, classes);

    if (rc == AKSSL_OK)
        rc = ak_features_check("test", test, test_labels, m, m, d, classes);
    if (rc == AKSSL_OK && labelled < 1)
        rc = ak_fail(AKSSL_ERR_INVALID, "%" PRId64 " labels: give at least one", labelled);
    if (rc == AKSSL_OK)
        rc = reserve(&s);
    if (rc == AKSSL_OK) {
        measure(&s, train, n);
        if (!fit(&s, train, labels, used))
            rc = ak_fail(AKSSL_ERR_INTERNAL, "the ridge system is not positive definite");
    }
    if (rc == AKSSL_OK) {
        classify(&s, test, test_labels, m, hits);
        *top1 = 100.0 * (double)hits[0] / (double)m;
        *top5 = 100.0 * (double)hits[1] / (double)m;
    }
    release(&s);
    return rc < 0 ? ak_wrap(rc, "probe") : AKSSL_OK;
}
