// worker/tensor/winograd/winograd.h -- the inner loops of Winograd's convolution, by instruction
// set.
//
// A form (Winograd 1980; Lavin & Gray, arXiv:1509.09308) computes a tile of out x out outputs of a
// 3x3 convolution of stride 1 from reach x reach inputs with points x points products a pair of
// channels: y = A'[(G w G') . (B' x B)] A.  Its adjoint gives the gradient of the weights,
// dw = G'[(B' x B) . (A dy A')] G.  Vectors run along channels, of which every count here is a
// multiple of AK_WINOGRAD_PANEL.

#ifndef AK_TENSOR_WINOGRAD_WINOGRAD_H
#define AK_TENSOR_WINOGRAD_WINOGRAD_H

#include <stdint.h>

enum {
    AK_WINOGRAD_PANEL = 16,   // columns of weights that lie together
    AK_WINOGRAD_ROWS = 8,     // rows of a product come in multiples of it
    AK_WINOGRAD_COLUMNS = 32, // channels come in multiples of it
    AK_WINOGRAD_TAPS = 9,
    AK_WINOGRAD_MOST_PIXELS = 36,
};

// In kernels of pairs pixels are bf16 (half.h), and points that a product reads are bf16 pairs
// (pairs.h), each in the place of a float: of neighbouring channels in a row, or of one channel and
// the first and the second of two tiles (or of two rows of weights).  Kernels of floats do not ask.
typedef enum ak_winograd_place {
    AK_WINOGRAD_ROW,
    AK_WINOGRAD_FIRST, // the second's becomes zero
    AK_WINOGRAD_SECOND,
    AK_WINOGRAD_FLOATS,
} ak_winograd_place;

// What stands on pixels is given by a pointer a pixel, row by row; what stands on points has them
// `apart` floats apart.  Each function does `channels` channels.
typedef struct ak_winograd_form {
    int reach, out, points; // sides
    int before;             // inputs that a tile reads before its first output
    void (*take)(const void *const *x, float *v, int64_t apart, int64_t channels,
                 ak_winograd_place place); // B' x B
    void (*give)(const float *m, int64_t apart, void *const *y,
                 int64_t channels); // A' m A; y NULL: none
    void (*spread)(const void *const *dy, float *d, int64_t apart, int64_t channels,
                   ak_winograd_place place); // A dy A'
    void (*expand)(const float *w, int64_t w_apart, float *u, int64_t apart, int64_t channels,
                   ak_winograd_place place); // G w G'
    void (*fold)(const float *du, int64_t apart, float *dw, int64_t dw_apart,
                 int64_t channels); // G' du G
} ak_winograd_form;

typedef struct ak_winograd_kernels {
    ak_winograd_form tile4; // F(4x4, 3x3), points 0, +-sqrt(1/2), +-sqrt(2), infinity
    ak_winograd_form
        whole2; // a padded map of 2x2: a Toeplitz matrix of two rows has three products

    int pair; // numbers of a sum in the place of a float; k below counts places

    // c[m][n] = a[m][k] b[k][n], b in panels: [n / PANEL][k][PANEL].  m a multiple of ROWS, n of
    // COLUMNS; rows of c start n floats apart, of a k.
    void (*product)(float *c, const float *a, const float *b, int64_t m, int64_t n, int64_t k);

    // c[m][n] += a[k][m]' b[k][n]; rows start ldc, lda, ldb floats apart.  m and n as above.
    void (*gather)(float *c, int64_t ldc, const float *a, int64_t lda, const float *b, int64_t ldb,
                   int64_t m, int64_t n, int64_t k);
} ak_winograd_kernels;

extern const ak_winograd_kernels ak_winograd_plain;
#ifdef __x86_64__
extern const ak_winograd_kernels ak_winograd_avx2, ak_winograd_avx512, ak_winograd_bf16;
#endif

#endif
