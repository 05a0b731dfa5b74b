// worker/tensor/dense/dense.h -- small dense products, one thread, by instruction set.
//
// The right-hand matrix is packed in panels of columns that lie together, zeros after its last
// column up to a whole vector, and stays in cache while rows of the left-hand one go past.  Each
// element of c is summed in the order of k, whatever part of c a call computes.
//
// Kernels of pairs multiply bf16 (half.h): what they read is pairs of neighbours along k, each in
// the place of a float (pairs.h).  Rows of bf16 that begin at an even number are that as they lie.

#ifndef AK_TENSOR_DENSE_DENSE_H
#define AK_TENSOR_DENSE_DENSE_H

#include <stdbool.h>
#include <stdint.h>

#include "worker/tensor/dense/rows.h"

// c[m][n] = a[m][k] b[k][n] (+ bias[n]) (+ base[m][n], which may be c).
typedef struct ak_dense_product {
    void *c;        // floats, or bf16 if c_half; base too
    const float *a; // floats, or pairs
    const float *b; // packed
    bool c_half;
    int64_t m, n, k;         // k: floats or pairs
    int64_t c_row;           // numbers from a row to the next
    int64_t a_row, a_column; // and from an element of a row to the next, unless a_packed
    bool a_packed;           // a is what pack_left gave
    const float *bias;       // whole vectors long; NULL: none
    const void *base;        // NULL: none
    int64_t base_row;
} ak_dense_product;

typedef struct ak_dense_kernels {
    int64_t lanes; // floats in a vector
    int64_t rows;  // of a, that pack_left puts together
    int64_t panel; // columns of b that lie together, of what is not within two panels of the end;
                   // that from column j begins at to + j * places
    int64_t pair;  // numbers along k in the place of a float: k of them are in
                   // places = k / pair, rounded up

    // to: b [k][n], or the transpose of b [n][k] if turned; rows start `row` numbers apart.  to has
    // n rounded up to whole vectors, times the places of k.  half: b is bf16; kernels of pairs
    // only.
    void (*pack)(float *to, const void *b, bool half, int64_t row, bool turned, int64_t k,
                 int64_t n);

    // to: the transpose of a [k][m], m rounded up to whole `rows`, times the places of k; sums[m]:
    // over k.
    void (*pack_left)(float *to, float *sums, const void *a, bool half, int64_t row, int64_t k,
                      int64_t m);

    void (*product)(const ak_dense_product *product);

    // spin makes `turns` times rows * panel * pair multiply-adds of registers alone: as fast as the
    // CPU can.  The number it returns is of no use.
    float (*spin)(int64_t turns);

    const ak_dense_rows *halves; // loops over rows of bf16: of kernels of pairs; else NULL
} ak_dense_kernels;

extern const ak_dense_kernels ak_dense_plain;
#ifdef __x86_64__
extern const ak_dense_kernels ak_dense_avx2, ak_dense_avx512, ak_dense_bf16;
#endif

#endif
