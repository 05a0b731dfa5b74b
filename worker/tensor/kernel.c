// worker/tensor/kernel.c -- loops over floats, compiled for several instruction sets.

#include "worker/tensor/kernel.h"

#include <math.h>
#include <string.h>

#include "worker/tensor/exp.h"
#include "worker/tensor/pieces.h"

enum { PIECE = 16384 };

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

void ak_kernel_add(float *y, const float *a, const float *b, int64_t n, int threads)
{
    ak_maps_single.add(y, a, b, n, threads);
}

CLONES static void average(float *y, const float *x, float keep, float take, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = y[i] * keep + x[i] * take;
}

void ak_kernel_average(float *y, const float *x, double keep, int64_t n, int threads)
{
    PIECES(n, PIECE, threads, average(y + lo, x + lo, (float)keep, (float)(1 - keep), hi - lo));
}

int64_t ak_kernel_room(int64_t rows, int64_t channels)
{
    return (rows + AK_KERNEL_ROWS - 1) / AK_KERNEL_ROWS * channels * 2;
}

// ---- activations and columns

CLONES static void relu_forward(float *y, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] <= 0 ? 0 : x[i];
}

void ak_kernel_relu(float *y, const float *x, int64_t n, int threads)
{
    PIECES(n, PIECE, threads, relu_forward(y + lo, x + lo, hi - lo));
}

CLONES static void relu_backward(float *dx, const float *dy, const float *y, int64_t n,
                                 bool accumulate)
{
    for (int64_t i = 0; i < n; i++) {
        float g = y[i] <= 0 ? 0 : dy[i];

        dx[i] = accumulate ? dx[i] + g : g;
    }
}

void ak_kernel_relu_backward(float *dx, const float *dy, const float *y, int64_t n, bool accumulate,
                             int threads)
{
    PIECES(n, PIECE, threads, relu_backward(dx + lo, dy + lo, y + lo, hi - lo, accumulate));
}

void ak_kernel_add_bias(float *y, const float *bias, int64_t rows, int64_t channels, int threads)
{
    PIECES(rows, 1, threads,
           ak_kernel_add(y + lo * channels, y + lo * channels, bias, channels, 1));
}

CLONES static void columns(float *restrict sums, const float *restrict x, int64_t rows,
                           int64_t channels)
{
    memcpy(sums, x, (size_t)channels * sizeof *sums);
    for (int64_t r = 1; r < rows; r++)
        for (int64_t c = 0; c < channels; c++)
            sums[c] += x[r * channels + c];
}

int64_t ak_kernel_columns_room(int64_t rows, int64_t channels)
{
    return (rows + AK_KERNEL_ROWS - 1) / AK_KERNEL_ROWS * channels;
}

void ak_kernel_column_sums(float *sums, float *room, const float *x, int64_t rows, int64_t channels,
                           int threads)
{
    PIECES(rows, AK_KERNEL_ROWS, threads,
           columns(room + lo / AK_KERNEL_ROWS * channels, x + lo * channels, hi - lo, channels));
    ak_kernel_fold(sums, room, (rows + AK_KERNEL_ROWS - 1) / AK_KERNEL_ROWS, channels);
}

void ak_kernel_fold(float *sums, const float *pieces, int64_t count, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        double sum = 0;

        for (int64_t p = 0; p < count; p++)
            sum += (double)pieces[p * n + i];
        sums[i] = (float)sum;
    }
}

enum { EXP_LANES = 16, EXP_PIECE = 1024 };

CLONES static float exp_piece(float *x, int64_t n, float shift)
{
    float sums[EXP_LANES] = { 0 }, sum = 0;
    int64_t i = 0;

    for (; i + EXP_LANES <= n; i += EXP_LANES)
        for (int k = 0; k < EXP_LANES; k++) {
            x[i + k] = ak_exp_of(x[i + k] - shift);
            sums[k] += x[i + k];
        }
    for (; i < n; i++) {
        x[i] = ak_exp_of(x[i] - shift);
        sum += x[i];
    }
    for (int k = 0; k < EXP_LANES; k++)
        sum += sums[k];
    return sum;
}

double ak_kernel_exp(float *x, int64_t n, float shift)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i += EXP_PIECE)
        sum += (double)exp_piece(x + i, least(EXP_PIECE, n - i), shift);
    return sum;
}

CLONES float ak_kernel_max(const float *x, int64_t n)
{
    float best = x[0];

    for (int64_t i = 1; i < n; i++)
        best = x[i] > best ? x[i] : best;
    return best;
}

CLONES double ak_kernel_dot(const float *a, const float *b, int64_t n)
{
    double lane[8] = { 0 }, sum = 0;
    int64_t i = 0;

    for (; i + 8 <= n; i += 8)
        for (int k = 0; k < 8; k++)
            lane[k] += (double)a[i + k] * (double)b[i + k];
    for (int k = 0; k < 8; k++)
        sum += lane[k];
    for (; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}
