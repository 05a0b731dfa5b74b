// worker/tensor/gemm.c -- matrix products by OpenBLAS, row-major.

#include "worker/tensor/gemm.h"

#include <cblas.h>

void ak_gemm_threads(int threads)
{
    openblas_set_num_threads(threads);
}

void ak_gemm(float *c, const float *a, const float *b, int64_t m, int64_t n, int64_t k, float scale,
             float keep)
{
    ak_gemm_strided(c, a, b, m, n, k, n, scale, keep);
}

void ak_gemm_strided(float *c, const float *a, const float *b, int64_t m, int64_t n, int64_t k,
                     int64_t stride, float scale, float keep)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)m, (int)n, (int)k, scale, a, (int)k,
                b, (int)stride, keep, c, (int)n);
}

void ak_gemm_nt(float *c, const float *a, const float *b, int64_t m, int64_t n, int64_t k,
                float scale)
{
    ak_gemm_nt_strided(c, a, b, m, n, k, k, scale);
}

void ak_gemm_nt_strided(float *c, const float *a, const float *b, int64_t m, int64_t n, int64_t k,
                        int64_t stride, float scale)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)m, (int)n, (int)k, scale, a, (int)k,
                b, (int)stride, 0, c, (int)n);
}

void ak_gemm_tn(float *c, const float *a, const float *b, int64_t m, int64_t n, int64_t k)
{
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)m, (int)n, (int)k, 1, a, (int)m, b,
                (int)n, 0, c, (int)n);
}
