// worker/tensor/kernel_vit.c -- loops of vision transformers, compiled for several instruction
// sets; attention is in kernel_attention.c.

#include "worker/tensor/kernel_vit.h"

#include <math.h>
#include <string.h>

#include "worker/tensor/exp.h"
#include "worker/tensor/kernel.h"
#include "worker/tensor/pieces.h"

enum { LANES = 16, ROWS = AK_KERNEL_ROWS, PIECE = 16384 };

// ---- layer norm

// Sums are of LANES sums, to which a row's rest belongs too: a sum of its own would be vectorised
// for some instruction sets and contracted to multiply-adds for others.
static inline float total(const float *lanes)
{
    float sum = 0;

    for (int k = 0; k < LANES; k++)
        sum += lanes[k];
    return sum;
}

static inline float sum_of(const float *x, int64_t n)
{
    float lanes[LANES] = { 0 };
    int64_t i = 0;

    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++)
            lanes[k] += x[i + k];
    for (int k = 0; i + k < n; k++)
        lanes[k] += x[i + k];
    return total(lanes);
}

static inline float spread_of(const float *x, float mean, int64_t n)
{
    float lanes[LANES] = { 0 };
    int64_t i = 0;

    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++)
            lanes[k] += (x[i + k] - mean) * (x[i + k] - mean);
    for (int k = 0; i + k < n; k++)
        lanes[k] += (x[i + k] - mean) * (x[i + k] - mean);
    return total(lanes);
}

CLONES static void layer_norm(float *restrict y, float *restrict stats, const float *restrict x,
                              const float *restrict w, const float *restrict b, int64_t rows,
                              int64_t width, double eps)
{
    for (int64_t r = 0; r < rows; r++, x += width, y += width) {
        float mean = sum_of(x, width) / (float)width;
        float inverse = (float)(1 / sqrt((double)spread_of(x, mean, width) / (double)width + eps));

        stats[2 * r] = mean;
        stats[2 * r + 1] = inverse;
        for (int64_t i = 0; i < width; i++)
            y[i] = (x[i] - mean) * inverse * w[i] + b[i];
    }
}

CLONES void ak_kernel_layer_norm_again(float *restrict y, const float *restrict x,
                                       const float *restrict stats, const float *restrict w,
                                       const float *restrict b, int64_t rows, int64_t width)
{
    for (int64_t r = 0; r < rows; r++, x += width, y += width)
        for (int64_t i = 0; i < width; i++)
            y[i] = (x[i] - stats[2 * r]) * stats[2 * r + 1] * w[i] + b[i];
}

void ak_kernel_layer_norm(float *y, float *stats, const float *x, const float *w, const float *b,
                          int64_t rows, int64_t width, double eps, int threads)
{
    PIECES(rows, ROWS, threads,
           layer_norm(y + lo * width, stats + 2 * lo, x + lo * width, w, b, hi - lo, width, eps));
}

// The sums of w dy and of w dy xhat, over the row.  Two loops: of a product that is used twice,
// some instruction sets would get one use contracted to a multiply-add, others none.
static inline void row_sums(float sums[2], const float *dy, const float *x, const float *w,
                            float mean, float inverse, int64_t n)
{
    float s[LANES] = { 0 }, q[LANES] = { 0 };
    int64_t i = 0;

    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++)
            s[k] += w[i + k] * dy[i + k];
    for (int k = 0; i + k < n; k++)
        s[k] += w[i + k] * dy[i + k];
    for (i = 0; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++)
            q[k] += w[i + k] * dy[i + k] * ((x[i + k] - mean) * inverse);
    for (int k = 0; i + k < n; k++)
        q[k] += w[i + k] * dy[i + k] * ((x[i + k] - mean) * inverse);
    sums[0] = total(s);
    sums[1] = total(q);
}

// dx = inverse (w dy - mean(w dy) - xhat mean(w dy xhat)).
CLONES static void layer_norm_dx(float *restrict dx, const float *restrict dy,
                                 const float *restrict x, const float *restrict stats,
                                 const float *restrict w, int64_t rows, int64_t width,
                                 bool accumulate)
{
    for (int64_t r = 0; r < rows; r++, dx += width, dy += width, x += width) {
        float mean = stats[2 * r], inverse = stats[2 * r + 1], sums[2], along, level;

        row_sums(sums, dy, x, w, mean, inverse, width);
        level = sums[0] / (float)width;
        along = sums[1] / (float)width;
        if (accumulate)
            for (int64_t i = 0; i < width; i++)
                dx[i] += (w[i] * dy[i] - level - (x[i] - mean) * inverse * along) * inverse;
        else
            for (int64_t i = 0; i < width; i++)
                dx[i] = (w[i] * dy[i] - level - (x[i] - mean) * inverse * along) * inverse;
    }
}

CLONES static void layer_norm_columns(float *restrict sums, const float *restrict dy,
                                      const float *restrict x, const float *restrict stats,
                                      int64_t rows, int64_t width)
{
    memset(sums, 0, (size_t)(2 * width) * sizeof *sums);
    for (int64_t r = 0; r < rows; r++, dy += width, x += width) {
        float mean = stats[2 * r], inverse = stats[2 * r + 1];

        for (int64_t i = 0; i < width; i++) {
            sums[i] += dy[i] * ((x[i] - mean) * inverse);
            sums[width + i] += dy[i];
        }
    }
}

static int64_t pieces_of(int64_t rows)
{
    return (rows + ROWS - 1) / ROWS;
}

int64_t ak_kernel_layer_norm_room(int64_t rows, int64_t width)
{
    return pieces_of(rows) * 2 * width;
}

static void layer_norm_piece(float *dx, float *room, const float *dy, const float *x,
                             const float *stats, const float *w, int64_t rows, int64_t width,
                             bool accumulate)
{
    if (room)
        layer_norm_columns(room, dy, x, stats, rows, width);
    if (dx)
        layer_norm_dx(dx, dy, x, stats, w, rows, width, accumulate);
}

void ak_kernel_layer_norm_backward(float *dx, float *sums, float *room, const float *dy,
                                   const float *x, const float *stats, const float *w, int64_t rows,
                                   int64_t width, bool accumulate, int threads)
{
    PIECES(rows, ROWS, threads,
           layer_norm_piece(dx ? dx + lo * width : NULL, sums ? room + lo / ROWS * 2 * width : NULL,
                            dy + lo * width, x + lo * width, stats + 2 * lo, w, hi - lo, width,
                            accumulate));
    if (sums)
        ak_kernel_fold(sums, room, pieces_of(rows), 2 * width);
}

// ---- activations

// With phi the normal density, k = 1 / (1 + 0.275 |x|) and a polynomial m fitted to Mills' ratio
// (1 - Phi) / phi: Phi(|x|) = 1 - phi(x) m(k), to 2e-8.
static inline float normal_of(float x, float *density)
{
    float k = 1 / (1 + 0.275f * fabsf(x)), m, tail;

    *density = 0.3989422804f * ak_exp_of(-0.5f * x * x);
    m = -0.2861706052f;
    m = m * k + 1.125888484f;
    m = m * k - 0.8181347568f;
    m = m * k + 0.8277371291f;
    m = m * k + 0.1092807829f;
    m = m * k + 0.2947131301f;
    tail = *density * (m * k);
    return x < 0 ? tail : 1 - tail;
}

CLONES static void gelu(float *restrict y, const float *restrict x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        float density;

        y[i] = x[i] * normal_of(x[i], &density);
    }
}

void ak_kernel_gelu(float *y, const float *x, int64_t n, int threads)
{
    PIECES(n, PIECE, threads, gelu(y + lo, x + lo, hi - lo));
}

CLONES static void gelu_backward(float *restrict dx, const float *restrict dy,
                                 const float *restrict x, int64_t n, float keep)
{
    for (int64_t i = 0; i < n; i++) {
        float density, below = normal_of(x[i], &density);

        dx[i] = dy[i] * (below + x[i] * density) + (keep != 0 ? dx[i] : 0);
    }
}

void ak_kernel_gelu_backward(float *dx, const float *dy, const float *x, int64_t n, bool accumulate,
                             int threads)
{
    PIECES(n, PIECE, threads, gelu_backward(dx + lo, dy + lo, x + lo, hi - lo, accumulate));
}

CLONES static void residual(float *restrict y, const float *restrict x,
                            const float *restrict branch, float scale, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] + scale * branch[i];
}

void ak_kernel_residual(float *y, const float *x, const float *branch, const float *scale,
                        int64_t rows, int64_t width, int threads)
{
    PIECES(rows, 1, threads,
           residual(y + lo * width, x + lo * width, branch + lo * width, scale ? scale[lo] : 1,
                    width));
}

CLONES static void scale_row(float *restrict dx, const float *restrict dy, float scale, int64_t n,
                             bool accumulate)
{
    if (accumulate)
        for (int64_t i = 0; i < n; i++)
            dx[i] += scale * dy[i];
    else
        for (int64_t i = 0; i < n; i++)
            dx[i] = scale * dy[i];
}

void ak_kernel_scale_rows(float *dx, const float *dy, const float *scale, int64_t rows,
                          int64_t width, bool accumulate, int threads)
{
    PIECES(rows, 1, threads,
           scale_row(dx + lo * width, dy + lo * width, scale ? scale[lo] : 1, width, accumulate));
}

// ---- patches

static void patches_of(float *rows, const float *x, const ak_patches *p)
{
    for (int64_t py = 0; py < p->grid; py++)
        for (int64_t px = 0; px < p->grid; px++)
            for (int c = 0; c < 3; c++)
                for (int64_t y = 0; y < p->patch; y++) {
                    const float *at = x + ((py * p->patch + y) * p->side + px * p->patch) * 3 + c;

                    for (int64_t i = 0; i < p->patch; i++)
                        *rows++ = at[3 * i];
                }
}

static void patches_back(float *dx, const float *rows, const ak_patches *p, bool accumulate)
{
    if (!accumulate)
        memset(dx, 0, (size_t)(p->side * p->side * 3) * sizeof *dx);
    for (int64_t py = 0; py < p->grid; py++)
        for (int64_t px = 0; px < p->grid; px++)
            for (int c = 0; c < 3; c++)
                for (int64_t y = 0; y < p->patch; y++) {
                    float *at = dx + ((py * p->patch + y) * p->side + px * p->patch) * 3 + c;

                    for (int64_t i = 0; i < p->patch; i++)
                        at[3 * i] += *rows++;
                }
}

void ak_kernel_patches(float *rows, const float *x, const ak_patches *p, int threads)
{
    int64_t image = p->side * p->side * 3, all = p->grid * p->grid * 3 * p->patch * p->patch;

    PIECES(p->n, 1, threads, patches_of(rows + lo * all, x + lo * image, p));
}

void ak_kernel_patches_backward(float *dx, const float *rows, const ak_patches *p, bool accumulate,
                                int threads)
{
    int64_t image = p->side * p->side * 3, all = p->grid * p->grid * 3 * p->patch * p->patch;

    PIECES(p->n, 1, threads, patches_back(dx + lo * image, rows + lo * all, p, accumulate));
}
