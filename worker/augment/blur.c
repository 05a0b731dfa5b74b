// worker/augment/blur.c -- a Gaussian of random sigma, the border reflected.
//
// Weights of taps -r..r: exp(-(i/sigma)^2 / 2), summing to 1.  Columns of each row, then rows.

#include <assert.h>
#include <math.h>
#include <string.h>

#include "worker/augment/augment.h"
#include "worker/image/hot.h"

enum { MAX_HALF = 512 };

// Half of the symmetric weights: weight[0] is the middle.
static void weigh(float *weight, int64_t half, double sigma)
{
    double sum = 1;

    for (int64_t i = 1; i <= half; i++)
        sum += 2 * exp(-0.5 * (double)(i * i) / (sigma * sigma));
    for (int64_t i = 0; i <= half; i++)
        weight[i] = (float)(exp(-0.5 * (double)(i * i) / (sigma * sigma)) / sum);
}

static int64_t reflect(int64_t i, int64_t n)
{
    i = i < 0 ? -i : i;
    return i < n ? i : 2 * (n - 1) - i;
}

AK_HOT static void scale(float *restrict out, const float *restrict in, float w, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = w * in[i];
}

AK_HOT static void add_pair(float *restrict out, const float *a, const float *b, float w, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        out[i] += w * (a[i] + b[i]);
}

// row: width + 2 half floats.
static void across(float *out, const float *in, float *row, const float *weight, int64_t half,
                   int64_t width)
{
    const float *middle = row + half;

    for (int64_t i = -half; i < 0; i++)
        row[half + i] = in[reflect(i, width)];
    memcpy(row + half, in, (size_t)width * sizeof *row);
    for (int64_t i = width; i < width + half; i++)
        row[half + i] = in[reflect(i, width)];
    scale(out, middle, weight[0], width);
    for (int64_t k = 1; k <= half; k++)
        add_pair(out, middle - k, middle + k, weight[k], width);
}

void ak_gaussian_blur(ak_canvas *x, int64_t kernel, double sigma)
{
    int64_t half = kernel / 2, h = x->height, w = x->width;
    float weight[MAX_HALF + 1];

    assert(kernel % 2 == 1 && half <= MAX_HALF && half < h && half < w);
    if (!half)
        return;
    weigh(weight, half, sigma);
    for (int c = 0; c < 3; c++) {
        float *plane = x->plane[c];

        for (int64_t y = 0; y < h; y++)
            across(x->spare + y * w, plane + y * w, x->row, weight, half, w);
        for (int64_t y = 0; y < h; y++) {
            scale(plane + y * w, x->spare + y * w, weight[0], w);
            for (int64_t k = 1; k <= half; k++)
                add_pair(plane + y * w, x->spare + reflect(y - k, h) * w,
                         x->spare + reflect(y + k, h) * w, weight[k], w);
        }
    }
}

int64_t ak_blur_kernel(const ak_canvas *x, double sigma)
{
    int64_t side = x->height < x->width ? x->height : x->width;
    int64_t most = side - 1 < MAX_HALF ? side - 1 : MAX_HALF;
    double half = ceil(3 * sigma);

    return 2 * (half < (double)most ? (int64_t)half : most) + 1;
}

static void apply(const void *self, ak_rng *rng, ak_canvas *x)
{
    const ak_blur *s = self;
    double sigma = ak_rng_between(rng, s->min_sigma, s->max_sigma);

    ak_gaussian_blur(x, s->kernel ? s->kernel : ak_blur_kernel(x, sigma), sigma);
}

const ak_augment ak_augment_blur = {
    .name = "blur",
    .title = "a Gaussian blur of random width",
    .self_size = sizeof(ak_blur),
    .apply = apply,
};
