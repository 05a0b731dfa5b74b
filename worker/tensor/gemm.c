// worker/tensor/gemm.c -- matrix products by OpenBLAS, row-major.
//
// OpenBLAS computes each with one thread; several share a product as they share other loops, on
// OpenMP.  Threads of OpenBLAS's own would have to wait for the cores until those of OpenMP, which
// spin for a while after a loop, had gone to sleep.

#include "worker/tensor/gemm.h"

#include <stdbool.h>

#include <cblas.h>

enum { WHOLE = 1 << 20, ALIGN = 16 }; // products too small to share; least part of a side

extern void omp_set_num_threads(int threads);
extern int omp_get_max_threads(void);

void ak_gemm_threads(int threads)
{
    openblas_set_num_threads(1);
    omp_set_num_threads(threads);
}

// c[m][n] = scale * op(a) op(b) + keep * c; rows of a, b, c start lda, ldb, ldc floats apart.
typedef struct product {
    enum CBLAS_TRANSPOSE ta, tb;
    float *c;
    const float *a, *b;
    int64_t m, n, k, lda, ldb, ldc;
    float scale, keep;
} product;

static void compute(product p)
{
    cblas_sgemm(CblasRowMajor, p.ta, p.tb, (int)p.m, (int)p.n, (int)p.k, p.scale, p.a, (int)p.lda,
                p.b, (int)p.ldb, p.keep, p.c, (int)p.ldc);
}

// Part `index` of `count` of the rows of c, or of its columns.
static void compute_part(product p, bool rows, int index, int count)
{
    int64_t side = rows ? p.m : p.n, blocks = (side + ALIGN - 1) / ALIGN;
    int64_t lo = blocks * index / count * ALIGN, hi = blocks * (index + 1) / count * ALIGN;

    hi = hi < side ? hi : side;
    if (lo >= hi)
        return;
    if (rows) {
        p.a += p.ta == CblasTrans ? lo : lo * p.lda;
        p.c += lo * p.ldc;
        p.m = hi - lo;
    } else {
        p.b += p.tb == CblasTrans ? lo * p.ldb : lo;
        p.c += lo;
        p.n = hi - lo;
    }
    compute(p);
}

static void share(product p)
{
    int threads = omp_get_max_threads();

    if (threads == 1 || p.m * p.n * p.k < WHOLE) {
        compute(p);
        return;
    }
#pragma omp parallel for num_threads(threads)
    for (int t = 0; t < threads; t++)
        compute_part(p, p.m >= p.n, t, threads);
}

void ak_gemm(float *c, const float *a, const float *b, int64_t m, int64_t n, int64_t k, float scale,
             float keep)
{
    ak_gemm_strided(c, a, b, m, n, k, n, scale, keep);
}

void ak_gemm_strided(float *c, const float *a, const float *b, int64_t m, int64_t n, int64_t k,
                     int64_t stride, float scale, float keep)
{
    share((product){ CblasNoTrans, CblasNoTrans, c, a, b, m, n, k, k, stride, n, scale, keep });
}

void ak_gemm_nt(float *c, const float *a, const float *b, int64_t m, int64_t n, int64_t k,
                float scale)
{
    ak_gemm_nt_strided(c, a, b, m, n, k, k, scale);
}

void ak_gemm_nt_strided(float *c, const float *a, const float *b, int64_t m, int64_t n, int64_t k,
                        int64_t stride, float scale)
{
    share((product){ CblasNoTrans, CblasTrans, c, a, b, m, n, k, k, stride, n, scale, 0 });
}

void ak_gemm_tn(float *c, const float *a, const float *b, int64_t m, int64_t n, int64_t k)
{
    share((product){ CblasTrans, CblasNoTrans, c, a, b, m, n, k, m, n, n, 1, 0 });
}
