// worker/eval/map.c -- planes of features, by principal components and by t-SNE, and neighbours.
//
// x (n, d): rows of length 1; G = x x' holds their cosines.  With rows and columns centred, G has
// the covariance's eigenvalues (times n), and an eigenvector times the root of its eigenvalue is
// the rows' place along a principal component.

#include "worker/eval/map.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "worker/eval/features.h"
#include "worker/eval/nearest.h"
#include "worker/eval/tsne.h"

// LAPACK (in OpenBLAS): some eigenvalues and eigenvectors of a symmetric matrix.
extern void dsyevr_(const char *job, const char *range, const char *part, const int *n, double *a,
                    const int *lda, const double *low, const double *high, const int *first,
                    const int *last, const double *tolerance, int *found, double *values,
                    double *vectors, const int *ldv, int *support, double *work, const int *size,
                    int *iwork, const int *isize, int *info);

static akssl_status cosines_of(const float *x, int64_t n, int64_t d, float *gram)
{
    float *unit = ak_try_alloc((size_t)n * (size_t)d, sizeof *unit);

    if (!unit)
        return AKSSL_ERR_NO_MEMORY;
    ak_features_normalize(x, n, d, unit);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)n, (int)n, (int)d, 1, unit, (int)d,
                unit, (int)d, 0, gram, (int)n);
    free(unit);
    return AKSSL_OK;
}

// Centres rows and columns; returns the trace, which is the variance times n.
static double centre(const float *gram, int64_t n, double *mean, double *out)
{
    double all = 0, trace = 0;

    for (int64_t i = 0; i < n; i++) {
        mean[i] = 0;
        for (int64_t j = 0; j < n; j++)
            mean[i] += (double)gram[i * n + j];
        mean[i] /= (double)n;
        all += mean[i] / (double)n;
    }
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < n; j++)
            out[i * n + j] = (double)gram[i * n + j] - mean[i] - mean[j] + all;
        trace += out[i * n + i];
    }
    return trace;
}

// The `count` greatest eigenvalues of a (n, n), which is used up, in ascending order: values [n],
// vectors (count, n).
static akssl_status greatest(double *a, int n, int count, double *values, double *vectors)
{
    int first = n - count + 1, size = 40 * n, isize = 12 * n, found = 0, info = 0;
    double *work = ak_try_alloc((size_t)size, sizeof *work), none = 0;
    int *iwork = ak_try_alloc((size_t)isize, sizeof *iwork), *support = ak_try_alloc((size_t)n, 8);

    if (work && iwork && support)
        dsyevr_("V", "I", "U", &n, a, &n, &none, &none, &first, &n, &none, &found, values, vectors,
                &n, support, work, &size, iwork, &isize, &info);
    free(support);
    free(iwork);
    free(work);
    if (!work || !iwork || !support)
        return AKSSL_ERR_NO_MEMORY;
    return info == 0 && found == count
               ? AKSSL_OK
               : ak_fail(AKSSL_ERR_INTERNAL, "LAPACK's dsyevr gives %d for %d images", info, n);
}

static void place(ak_map *m, int axis, double value, const double *vector, double trace)
{
    double scale = sqrt(fmax(value, 0)), farthest = 0;

    for (int64_t i = 0; i < m->n; i++)
        if (fabs(vector[i]) > fabs(farthest))
            farthest = vector[i];
    for (int64_t i = 0; i < m->n; i++)
        m->pca[2 * i + axis] = vector[i] * (farthest < 0 ? -scale : scale);
    m->share[axis] = trace > 0 ? fmax(value, 0) / trace : 0;
}

static akssl_status project(ak_map *m, const float *gram)
{
    int64_t n = m->n;
    int count = n < 2 ? (int)n : 2;
    double *centred = ak_try_alloc((size_t)n * (size_t)n, sizeof *centred), trace;
    double *values = ak_try_alloc((size_t)n, sizeof *values);
    double *vectors = ak_try_alloc((size_t)n * 2, sizeof *vectors);
    akssl_status rc = AKSSL_ERR_NO_MEMORY;

    if (centred && values && vectors) {
        trace = centre(gram, n, values, centred);
        rc = greatest(centred, (int)n, count, values, vectors);
        for (int axis = 0; rc == AKSSL_OK && axis < count; axis++)
            place(m, axis, values[count - 1 - axis], vectors + (count - 1 - axis) * n, trace);
    }
    free(vectors);
    free(values);
    free(centred);
    return rc;
}

static akssl_status make(ak_map *m, const float *x, int64_t d)
{
    size_t n = (size_t)m->n, pairs = n * (size_t)m->k;
    float *gram = ak_try_alloc(n * n, sizeof *gram);
    akssl_status rc = AKSSL_ERR_NO_MEMORY;

    m->pca = ak_try_alloc(n * 2, sizeof *m->pca);
    m->tsne = ak_try_alloc(n * 2, sizeof *m->tsne);
    m->neighbour = ak_try_alloc(pairs + 1, sizeof *m->neighbour); // k may be 0
    m->cosine = ak_try_alloc(pairs + 1, sizeof *m->cosine);
    if (gram && m->pca && m->tsne && m->neighbour && m->cosine)
        rc = cosines_of(x, m->n, d, gram);
    for (int64_t i = 0; rc == AKSSL_OK && i < m->n; i++)
        ak_nearest(gram + i * m->n, m->n, i, m->k, m->cosine + i * m->k, m->neighbour + i * m->k);
    if (rc == AKSSL_OK)
        rc = project(m, gram);
    if (rc == AKSSL_OK) {
        memcpy(m->tsne, m->pca, n * 2 * sizeof *m->pca);
        rc = ak_tsne(gram, m->n, m->tsne);
    }
    free(gram);
    return rc;
}

akssl_status ak_eval_map(ak_map *out, const float *x, int64_t n, int64_t d, int64_t k)
{
    akssl_status rc = ak_features_check("mapped", x, NULL, n, 0, d, 1);

    *out = (ak_map){ .n = n, .k = k < n - 1 ? k : n - 1 };
    if (rc == AKSSL_OK && k < 1)
        rc = ak_fail(AKSSL_ERR_INVALID, "%lld neighbours: give 1 or more", (long long)k);
    if (rc == AKSSL_OK)
        rc = make(out, x, d);
    return rc < 0 ? ak_wrap(rc, "map") : AKSSL_OK;
}

void ak_map_fini(ak_map *m)
{
    free(m->pca);
    free(m->tsne);
    free(m->neighbour);
    free(m->cosine);
}
