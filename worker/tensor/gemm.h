// worker/tensor/gemm.h -- matrix products by OpenBLAS, row-major.

#ifndef AK_TENSOR_GEMM_H
#define AK_TENSOR_GEMM_H

#include <stdint.h>

// ak_gemm_threads sets how many threads share a product of the calling thread; part of the result.
// ak_graph_new does so too.
void ak_gemm_threads(int threads);

// c[m][n] = scale * a[m][k] b[k][n] + keep * c
void ak_gemm(float *c, const float *a, const float *b, int64_t m, int64_t n, int64_t k, float scale,
             float keep);

// The same with rows of b that start `stride` floats apart.
void ak_gemm_strided(float *c, const float *a, const float *b, int64_t m, int64_t n, int64_t k,
                     int64_t stride, float scale, float keep);

// c[m][n] = scale * a[m][k] b[n][k]^T
void ak_gemm_nt(float *c, const float *a, const float *b, int64_t m, int64_t n, int64_t k,
                float scale);
void ak_gemm_nt_strided(float *c, const float *a, const float *b, int64_t m, int64_t n, int64_t k,
                        int64_t stride, float scale);

// c[m][n] = a[k][m]^T b[k][n]
void ak_gemm_tn(float *c, const float *a, const float *b, int64_t m, int64_t n, int64_t k);

#endif
