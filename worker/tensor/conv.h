// worker/tensor/conv.h -- 2-D convolution, forward and both gradients.
//
// Images are nhwc, weights [out, in, k, k] outside; inside, weights have the layout of the
// algorithm that a shape gets, the first that fits: conv_pointwise.c (1x1 in bf16),
// conv_winograd.c, conv_taps.c (products over the taps that meet the image), conv_direct.c
// (oneDNN).  No bias.  One thread at a time.

#ifndef AK_TENSOR_CONV_H
#define AK_TENSOR_CONV_H

#include <stdbool.h>
#include <stdint.h>

#include "akssl/status.h"
#include "worker/tensor/isa.h"

typedef struct ak_conv ak_conv;
typedef struct ak_conv_engine ak_conv_engine;

typedef struct ak_conv_shape {
    int64_t n, h, w, in, out; // images, height and width of x, channels
    int64_t kernel, stride, padding;
    bool exact; // only the products of the definition: not Winograd's
    bool half;  // x, y, dx and dy are bf16 (half.h) and products of bf16, else floats
} ak_conv_shape;

// ak_conv_engine_new starts oneDNN with this many threads for the calling thread's work.  The first
// in a process, if nothing has used oneDNN before, settles its instruction set, whatever
// DNNL_MAX_CPU_ISA says; ERR_STATE when that is another than isa.  half: of AVX512, with
// AVX512_BF16.
akssl_status ak_conv_engine_new(ak_conv_engine **out, int threads, ak_isa isa,
                                bool half) AKSSL_MUST_CHECK;
void ak_conv_engine_free(ak_conv_engine *engine); // NULL-safe

int64_t ak_conv_out(int64_t size, const ak_conv_shape *shape); // height or width of y

// ak_conv_new builds the kernels of one shape; with_data says whether dx will be asked for,
// training whether any gradient will.
akssl_status ak_conv_new(ak_conv **out, ak_conv_engine *engine, const ak_conv_shape *shape,
                         bool training, bool with_data) AKSSL_MUST_CHECK;
void ak_conv_free(ak_conv *conv); // NULL-safe

const char *ak_conv_algorithm(const ak_conv *conv); // its name; static

// ak_conv_load lays out this step's weights, w [out, in, k, k], for ak_conv_forward or, if
// backward, for ak_conv_backward_data, in memory that all convolutions of the engine use in turn:
// it is what the last load left, so that no network keeps all its weights twice more.
void ak_conv_load(ak_conv *conv, const float *w, bool backward);

void ak_conv_forward(ak_conv *conv, const void *x, void *y);
void ak_conv_backward_data(ak_conv *conv, const void *dy, void *dx);

// ak_conv_backward_weights writes ak_conv_gradient_size floats in the algorithm's layout: they can
// be added up, and ak_conv_unpack puts a sum into [out, in, k, k].
void ak_conv_backward_weights(ak_conv *conv, const void *x, const void *dy, float *gradient);
int64_t ak_conv_gradient_size(const ak_conv *conv);
void ak_conv_unpack(ak_conv *conv, const float *gradient, float *dw);

#endif
