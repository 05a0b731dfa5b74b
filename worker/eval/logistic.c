// worker/eval/logistic.c -- multinomial logistic regression on standardised features.
//
//     Z = X W' + b,  P = softmax of the rows,  R = (P - Y) / n
//     loss = 1/n sum_i [log sum exp z_i - z_iy] + 1/(2n) |W|^2,  dW = R' X + W / n,  db = column
//     sums
//
// X in floats, a block of rows at a time, so that R'X meets the block in cache; blocks' results are
// added up in doubles.  A network's features go together, so that W itself is found slowly; what
// is searched is V = W L, L L' = X'X / n + a little, for which all directions are much alike (X'X /
// 2n bounds the Hessian, Boehning 1992): dV = dW L'^-1.

#include "worker/eval/logistic.h"

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
#include "worker/eval/judge.h"
#include "worker/eval/lbfgs.h"

enum { BLOCK = 512, ITERATIONS = 400 };

static const double enough = 2e-5, little = 1e-5;

typedef struct problem {
    const int64_t *labels;
    int64_t n, d, classes;
    float *x;     // [n][d], standardised
    float *w;     // [classes][d]
    float *z;     // [BLOCK][classes]
    float *slope; // [classes][d], of a block
    double *wide; // [classes][d]: W, then dW
    double *gram; // [d][d]: X'X / n + a little, then L
} problem;

static akssl_status reserve(problem *p)
{
    size_t d = (size_t)p->d, classes = (size_t)p->classes;

    p->x = ak_try_alloc((size_t)p->n, d * sizeof *p->x);
    p->w = ak_try_alloc(classes, d * sizeof *p->w);
    p->z = ak_try_alloc(BLOCK * classes, sizeof *p->z);
    p->slope = ak_try_alloc(classes, d * sizeof *p->slope);
    p->wide = ak_try_alloc(classes, d * sizeof *p->wide);
    p->gram = ak_try_alloc(d, d * sizeof *p->gram);
    return p->x && p->w && p->z && p->slope && p->wide && p->gram ? AKSSL_OK : AKSSL_ERR_NO_MEMORY;
}

static void release(problem *p)
{
    free(p->x);
    free(p->w);
    free(p->z);
    free(p->slope);
    free(p->wide);
    free(p->gram);
}

static void measure(ak_logistic *fit, const float *x, int64_t n, int64_t d)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < d; j++)
            fit->mean[j] += (double)x[i * d + j];
    for (int64_t j = 0; j < d; j++)
        fit->mean[j] /= (double)n;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < d; j++) {
            double off = (double)x[i * d + j] - fit->mean[j];

            fit->scale[j] += off * off;
        }
    for (int64_t j = 0; j < d; j++)
        fit->scale[j] = 1 / (sqrt(fit->scale[j] / (double)n) + 1e-6);
}

static void standardize(const ak_logistic *fit, const float *x, int64_t n, int64_t d, float *out)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < d; j++)
            out[i * d + j] = (float)(((double)x[i * d + j] - fit->mean[j]) * fit->scale[j]);
}

// A row of scores becomes (P - Y) / n; returns its share of the loss, times n.
static double row_loss(float *z, int64_t classes, int64_t label, double n)
{
    double most = (double)z[0], sum = 0, loss;

    for (int64_t c = 1; c < classes; c++)
        most = fmax(most, (double)z[c]);
    for (int64_t c = 0; c < classes; c++)
        sum += exp((double)z[c] - most);
    loss = most + log(sum) - (double)z[label];
    for (int64_t c = 0; c < classes; c++)
        z[c] = (float)((exp((double)z[c] - most) / sum - (c == label)) / n);
    return loss;
}

static double block_loss(problem *p, int64_t first, const double *bias, double *bias_slope)
{
    int rows = (int)(p->n - first < BLOCK ? p->n - first : BLOCK);
    int d = (int)p->d, classes = (int)p->classes;
    const float *x = p->x + first * p->d;
    double loss = 0;

    for (int64_t i = 0; i < (int64_t)rows * classes; i++)
        p->z[i] = (float)bias[i % classes];
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, classes, d, 1, x, d, p->w, d, 1,
                p->z, classes);
    for (int64_t i = 0; i < rows; i++) {
        float *z = p->z + i * classes;

        loss += row_loss(z, classes, p->labels[first + i], (double)p->n);
        for (int64_t c = 0; c < classes; c++)
            bias_slope[c] += (double)z[c];
    }
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, classes, d, rows, 1, p->z, classes, x, d,
                0, p->slope, d);
    for (int64_t i = 0; i < p->classes * p->d; i++)
        p->wide[i] += (double)p->slope[i];
    return loss;
}

// The lower half of X'X / n, then its factor.
static akssl_status decorrelate(problem *p)
{
    int d = (int)p->d;
    float *part = ak_try_alloc((size_t)p->d, (size_t)p->d * sizeof *part);

    if (!part)
        return AKSSL_ERR_NO_MEMORY;
    for (int64_t first = 0; first < p->n; first += BLOCK) {
        int rows = (int)(p->n - first < BLOCK ? p->n - first : BLOCK);

        cblas_ssyrk(CblasRowMajor, CblasLower, CblasTrans, d, rows, 1, p->x + first * p->d, d, 0,
                    part, d);
        for (int64_t i = 0; i < p->d; i++)
            for (int64_t j = 0; j <= i; j++)
                p->gram[i * p->d + j] += (double)part[i * p->d + j];
    }
    free(part);
    for (int64_t i = 0; i < p->d; i++) {
        for (int64_t j = 0; j <= i; j++)
            p->gram[i * p->d + j] /= (double)p->n;
        p->gram[i * p->d + i] += little + 1 / (double)p->n;
    }
    if (!ak_cholesky_factor(p->gram, d))
        return ak_fail(AKSSL_ERR_INTERNAL, "the features' correlations are not positive definite");
    return AKSSL_OK;
}

// wide = wide L^-1 (from V to W) or wide L'^-1 (from dW to dV).
static void by_factor(problem *p, CBLAS_TRANSPOSE which)
{
    cblas_dtrsm(CblasRowMajor, CblasRight, CblasLower, which, CblasNonUnit, (int)p->classes,
                (int)p->d, 1, p->gram, (int)p->d, p->wide, (int)p->d);
}

// p->wide and bias are W and b; p->wide becomes dW.
static double loss_of_weights(problem *p, const double *bias, double *bias_slope)
{
    int64_t weights = p->classes * p->d;
    double loss = 0, squares = 0;

    for (int64_t i = 0; i < weights; i++) {
        p->w[i] = (float)p->wide[i];
        squares += p->wide[i] * p->wide[i];
        p->wide[i] /= (double)p->n;
    }
    for (int64_t c = 0; c < p->classes; c++)
        bias_slope[c] = 0;
    for (int64_t first = 0; first < p->n; first += BLOCK)
        loss += block_loss(p, first, bias, bias_slope);
    return (loss + squares / 2) / (double)p->n;
}

// at: V, then the bias.
static double objective(void *ctx, const double *at, double *gradient)
{
    problem *p = ctx;
    int64_t weights = p->classes * p->d;
    double loss;

    memcpy(p->wide, at, (size_t)weights * sizeof *at);
    by_factor(p, CblasNoTrans);
    loss = loss_of_weights(p, at + weights, gradient + weights);
    by_factor(p, CblasTrans);
    memcpy(gradient, p->wide, (size_t)weights * sizeof *gradient);
    return loss;
}

// V in fit->w becomes W.
static void finish(problem *p, ak_logistic *fit, const ak_lbfgs *end)
{
    size_t bytes = (size_t)(p->classes * p->d) * sizeof *fit->w;

    memcpy(p->wide, fit->w, bytes);
    by_factor(p, CblasNoTrans);
    memcpy(fit->w, p->wide, bytes);
    fit->loss = end->value;
    fit->slope = end->slope;
    fit->iterations = end->iterations;
}

akssl_status ak_logistic_fit(ak_logistic *out, const float *train, const int64_t *labels, int64_t n,
                             int64_t d, int64_t classes)
{
    problem p = { .labels = labels, .n = n, .d = d, .classes = classes };
    akssl_status rc = ak_features_check("training", train, labels, n, n, d, classes);
    ak_logistic fit = { 0 };
    ak_lbfgs end;

    if (rc < 0)
        return rc;
    fit.mean = ak_try_alloc((size_t)d, sizeof *fit.mean);
    fit.scale = ak_try_alloc((size_t)d, sizeof *fit.scale);
    fit.w = ak_try_alloc((size_t)classes * ((size_t)d + 1), sizeof *fit.w);
    rc = fit.mean && fit.scale && fit.w ? reserve(&p) : AKSSL_ERR_NO_MEMORY;
    if (rc == AKSSL_OK) {
        fit.bias = fit.w + classes * d;
        measure(&fit, train, n, d);
        standardize(&fit, train, n, d, p.x);
        rc = decorrelate(&p);
    }
    if (rc == AKSSL_OK)
        rc = ak_lbfgs_minimize(fit.w, classes * (d + 1), objective, &p, enough, ITERATIONS, &end);
    if (rc == AKSSL_OK)
        finish(&p, &fit, &end);
    release(&p);
    if (rc < 0) {
        ak_logistic_fini(&fit);
        return rc;
    }
    *out = fit;
    return AKSSL_OK;
}

void ak_logistic_fini(ak_logistic *fit)
{
    free(fit->mean);
    free(fit->scale);
    free(fit->w);
    *fit = (ak_logistic){ 0 };
}

// w x + bias of standardised x is (w scale) x + (bias - w scale mean) of x itself; but x may be far
// from 0, so the test rows are standardised as the training rows were.
static akssl_status classify(const ak_logistic *fit, const float *test, const int64_t *test_labels,
                             int64_t m, int64_t d, int64_t classes, int64_t k, ak_verdict *verdict)
{
    float *x = ak_try_alloc((size_t)m, (size_t)d * sizeof *x);
    float *w = ak_try_alloc((size_t)classes, (size_t)(d + 1) * sizeof *w);
    akssl_status rc = x && w ? AKSSL_OK : AKSSL_ERR_NO_MEMORY;

    if (rc == AKSSL_OK) {
        standardize(fit, test, m, d, x);
        for (int64_t i = 0; i < classes * (d + 1); i++)
            w[i] = (float)fit->w[i];
        rc = ak_eval_judge("test", x, test_labels, m, d, w, w + classes * d, classes, k, verdict);
    }
    free(x);
    free(w);
    return rc;
}

akssl_status ak_eval_logistic(const float *train, const int64_t *labels, int64_t n,
                              const float *test, const int64_t *test_labels, int64_t m, int64_t d,
                              int64_t classes, int64_t k, double *top1, double *topk)
{
    ak_logistic fit = { 0 };
    ak_verdict verdict;
    akssl_status rc = ak_features_check("test", test, test_labels, m, m, d, classes);

    if (rc == AKSSL_OK)
        rc = ak_logistic_fit(&fit, train, labels, n, d, classes);
    if (rc == AKSSL_OK)
        rc = classify(&fit, test, test_labels, m, d, classes, k, &verdict);
    ak_logistic_fini(&fit);
    if (rc < 0)
        return ak_wrap(rc, "linear");
    *top1 = verdict.top1;
    *topk = verdict.topk;
    return AKSSL_OK;
}
