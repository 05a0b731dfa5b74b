// worker/tensor/gemm.h -- matrix products by oneDNN, row-major.

#ifndef AK_TENSOR_GEMM_H
#define AK_TENSOR_GEMM_H

#include <stdbool.h>
#include <stdint.h>

// ak_gemm_threads sets how many threads share a product of the calling thread; part of the result.
// ak_graph_new does so too.
void ak_gemm_threads(int threads);

// c[m][n] = scale * op(a) op(b) + keep * c; rows of a, b and c start lda, ldb, ldc floats apart.
typedef struct ak_gemm_product {
    float *c;
    const float *a, *b;
    int64_t m, n, k, lda, ldb, ldc;
    bool a_transposed, b_transposed; // a is [k][m], b is [n][k]
    float scale, keep;               // keep = 0: c is only written
} ak_gemm_product;

void ak_gemm_run(const ak_gemm_product *product);

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
