// worker/tensor/gemm.c -- matrix products by oneDNN, row-major.
//
// oneDNN takes a CPU's newest instructions, whatever an environment asks of OpenBLAS
// (OPENBLAS_CORETYPE).  It computes each product with one thread; several share one as they share
// other loops, on OpenMP, so that how is ours to say.

#include "worker/tensor/gemm.h"

#include <cblas.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdlib.h>

enum { WHOLE = 1 << 20, ALIGN = 16 }; // products too small to share; least part of a side

extern void omp_set_num_threads(int threads);
extern int omp_get_max_threads(void);

void ak_gemm_threads(int threads)
{
    openblas_set_num_threads(1);
    omp_set_num_threads(threads);
}

typedef ak_gemm_product product;

static void compute(const product *p)
{
    if (dnnl_sgemm(p->a_transposed ? 'T' : 'N', p->b_transposed ? 'T' : 'N', p->m, p->n, p->k,
                   p->scale, p->a, p->lda, p->b, p->ldb, p->keep, p->c, p->ldc) != dnnl_success)
        abort(); // it has refused shapes that no caller has
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
        p.a += p.a_transposed ? lo : lo * p.lda;
        p.c += lo * p.ldc;
        p.m = hi - lo;
    } else {
        p.b += p.b_transposed ? lo * p.ldb : lo;
        p.c += lo;
        p.n = hi - lo;
    }
    compute(&p);
}

void ak_gemm_run(const ak_gemm_product *p)
{
    int threads = omp_get_max_threads();

    if (threads == 1 || p->m * p->n * p->k < WHOLE) {
        compute(p);
        return;
    }
#pragma omp parallel for num_threads(threads)
    for (int t = 0; t < threads; t++)
        compute_part(*p, p->m >= p->n, t, threads);
}

void ak_gemm(float *c, const float *a, const float *b, int64_t m, int64_t n, int64_t k, float scale,
             float keep)
{
    ak_gemm_strided(c, a, b, m, n, k, n, scale, keep);
}

void ak_gemm_strided(float *c, const float *a, const float *b, int64_t m, int64_t n, int64_t k,
                     int64_t stride, float scale, float keep)
{
    ak_gemm_run(&(product){ .c = c,
                            .a = a,
                            .b = b,
                            .m = m,
                            .n = n,
                            .k = k,
                            .lda = k,
                            .ldb = stride,
                            .ldc = n,
                            .scale = scale,
                            .keep = keep });
}

void ak_gemm_nt(float *c, const float *a, const float *b, int64_t m, int64_t n, int64_t k,
                float scale)
{
    ak_gemm_nt_strided(c, a, b, m, n, k, k, scale);
}

void ak_gemm_nt_strided(float *c, const float *a, const float *b, int64_t m, int64_t n, int64_t k,
                        int64_t stride, float scale)
{
    ak_gemm_run(&(product){ .c = c,
                            .a = a,
                            .b = b,
                            .m = m,
                            .n = n,
                            .k = k,
                            .lda = k,
                            .ldb = stride,
                            .ldc = n,
                            .b_transposed = true,
                            .scale = scale });
}

void ak_gemm_tn(float *c, const float *a, const float *b, int64_t m, int64_t n, int64_t k)
{
    ak_gemm_run(&(product){ .c = c,
                            .a = a,
                            .b = b,
                            .m = m,
                            .n = n,
                            .k = k,
                            .lda = m,
                            .ldb = n,
                            .ldc = n,
                            .a_transposed = true,
                            .scale = 1 });
}
