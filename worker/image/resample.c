// worker/image/resample.c -- bilinear and bicubic resizing with antialias.
//
// Output i of n, from m inputs, has its centre at c = (i + 1/2) m/n; input j weighs f(t) with
// t = |j + 1/2 - c| / s, s = max(1, m/n), and the weights of an output sum to 1.
//
//     bilinear:  f(t) = 1 - t                        t < 1
//     bicubic:   f(t) = (3/2 t - 5/2) t^2 + 1        t < 1
//                       ((5 - t) t - 8) t / 2 + 2    t < 2
//
// Rows first: an output row is a weighted sum of input rows, one after the other in memory; its
// columns are then summed.  Every output has the same number of taps, padded with weights of 0, so
// that both are plain loops.

#include "worker/image/resample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "worker/image/hot.h"

// One axis: taps weights for each of n outputs, of `of` from `first` on, from input start[i] on.
typedef struct axis {
    int64_t in, of, first, n, taps;
    int64_t *start; // (n)
    float *weight;  // (n, taps)
} axis;

void ak_resample_room_fini(ak_resample_room *room)
{
    free(room->floats);
    free(room->starts);
    *room = (ak_resample_room){ 0 };
}

static int64_t taps_of(int64_t in, int64_t n, ak_filter filter)
{
    double support = in > n ? (double)in / (double)n : 1;
    int64_t taps = (int64_t)ceil((filter == AK_BICUBIC ? 4 : 2) * support) + 1;

    return taps < in ? taps : in;
}

static double cubic(double t)
{
    return t < 1 ? (1.5 * t - 2.5) * t * t + 1 : t < 2 ? ((5 - t) * t - 8) * t / 2 + 2 : 0;
}

static inline double value(ak_filter filter, double t)
{
    return filter == AK_BICUBIC ? cubic(t) : t < 1 ? 1 - t : 0;
}

// Compiled once for each filter.
static inline __attribute__((always_inline)) void fill(axis *a, ak_filter filter, float scale)
{
    double step = (double)a->in / (double)a->of, s = step > 1 ? step : 1;
    double support = filter == AK_BICUBIC ? 2 * s : s;

    for (int64_t i = 0; i < a->n; i++) {
        double centre = step * ((double)(a->first + i) + 0.5), sum = 0;
        int64_t first = (int64_t)(centre - support + 0.5), last = (int64_t)(centre + support + 0.5);

        first = first < 0 ? 0 : first;
        last = last > a->in ? a->in : last;
        a->start[i] = first < a->in - a->taps ? first : a->in - a->taps;
        for (int64_t j = first; j < last; j++)
            sum += value(filter, fabs((double)j + 0.5 - centre) / s);
        for (int64_t k = 0; k < a->taps; k++) {
            int64_t j = a->start[i] + k;
            double w = value(filter, fabs((double)j + 0.5 - centre) / s);

            a->weight[i * a->taps + k] = j < first || j >= last ? 0 : (float)(w / sum * scale);
        }
    }
}

static void weigh(axis *a, ak_filter filter, float scale)
{
    if (filter == AK_BICUBIC)
        fill(a, AK_BICUBIC, scale);
    else
        fill(a, AK_BILINEAR, scale);
}

static void reserve(ak_resample_room *room, int64_t floats, int64_t starts)
{
    if (floats > room->floats_room) {
        room->floats = ak_realloc(room->floats, (size_t)floats, sizeof *room->floats);
        room->floats_room = floats;
    }
    if (starts > room->starts_room) {
        room->starts = ak_realloc(room->starts, (size_t)starts, sizeof *room->starts);
        room->starts_room = starts;
    }
}

// sum (n) += w * row (n)
AK_HOT static void add_row(float *restrict sum, const uint8_t *restrict row, float w, int64_t n)
{
    for (int64_t x = 0; x < n; x++)
        sum[x] += w * (float)row[x];
}

// Each out[c] (n) = sum over taps of weight (n, taps) times row[channels * (start + tap) + c].
static inline __attribute__((always_inline)) void columns(float *const out[3], const float *row,
                                                          const axis *a, int64_t channels)
{
    const float *weight = a->weight;

    for (int64_t i = 0; i < a->n; i++, weight += a->taps) {
        const float *from = row + a->start[i] * channels;
        float sum[3];

        for (int64_t c = 0; c < channels; c++)
            sum[c] = weight[0] * from[c];
        for (int64_t k = 1; k < a->taps; k++)
            for (int64_t c = 0; c < channels; c++)
                sum[c] += weight[k] * from[k * channels + c];
        for (int64_t c = 0; c < channels; c++)
            out[c][i] = sum[c];
    }
}

static void run(const ak_image *image, ak_box box, const axis *down, const axis *across,
                float *restrict row, float *const plane[3])
{
    int64_t channels = image->channels, stride = image->width * channels;
    int64_t left = across->start[0], right = across->start[across->n - 1] + across->taps;
    int64_t skip = left * channels, n = (right - left) * channels; // columns that are looked at
    const uint8_t *first = image->pixels + box.top * stride + box.left * channels + skip;

    for (int64_t y = 0; y < down->n; y++) {
        int64_t at = y * across->n;
        float *const out[3] = { plane[0] + at, plane[1] + at, plane[2] + at };

        memset(row + skip, 0, (size_t)n * sizeof *row);
        for (int64_t k = 0; k < down->taps; k++) {
            float w = down->weight[y * down->taps + k];

            if (w != 0)
                add_row(row + skip, first + (down->start[y] + k) * stride, w, n);
        }
        if (channels == 3)
            columns(out, row, across, 3);
        else
            columns(out, row, across, 1);
    }
}

AK_HOT static void clamp(float *v, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        float low = v[i] > 0 ? v[i] : 0;

        v[i] = low < 1 ? low : 1;
    }
}

void ak_resample_part(const ak_image *image, ak_box box, ak_filter filter, ak_resample_room *room,
                      float *const plane[3], int64_t height, int64_t width, ak_box part)
{
    axis down = { .in = box.height, .of = height, .first = part.top, .n = part.height };
    axis across = { .in = box.width, .of = width, .first = part.left, .n = part.width };
    // What any box of this image may need, so that a run's later boxes allocate nothing.
    int64_t line = image->width * image->channels;

    reserve(room,
            line + part.height * taps_of(image->height, height, filter) +
                part.width * taps_of(image->width, width, filter),
            part.height + part.width);
    down.taps = taps_of(box.height, height, filter);
    across.taps = taps_of(box.width, width, filter);
    down.start = room->starts;
    across.start = room->starts + part.height;
    down.weight = room->floats + line;
    across.weight = down.weight + part.height * down.taps;
    weigh(&down, filter, 1.0f / 255);
    weigh(&across, filter, 1);
    run(image, box, &down, &across, room->floats, plane);
    for (int c = 0; filter == AK_BICUBIC && c < image->channels; c++)
        clamp(plane[c], part.height * part.width);
    for (int c = image->channels; c < 3; c++)
        memcpy(plane[c], plane[0], (size_t)(part.height * part.width) * sizeof(float));
}

void ak_resample(const ak_image *image, ak_box box, ak_filter filter, ak_resample_room *room,
                 float *const plane[3], int64_t height, int64_t width)
{
    ak_resample_part(image, box, filter, room, plane, height, width,
                     (ak_box){ 0, 0, height, width });
}
