// tests/unit/worker/image/resample.c -- tests worker/image/resample.c.

#include <math.h>

#include "tests/check.h"
#include "worker/image/resample.h"
#include "worker/rng/rng.h"

// Keys's kernel with a = -1/2, as the paper writes it.
static double keys(double t)
{
    const double a = -0.5;

    if (t < 1)
        return (a + 2) * pow(t, 3) - (a + 3) * pow(t, 2) + 1;
    return t < 2 ? a * pow(t, 3) - 5 * a * pow(t, 2) + 8 * a * t - 4 * a : 0;
}

// Weight of input j for output i of n, from m inputs, by the definition.
static double weight(ak_filter filter, int64_t j, int64_t i, int64_t m, int64_t n)
{
    double step = (double)m / (double)n, support = step > 1 ? step : 1;
    double centre = ((double)i + 0.5) * step, distance = fabs((double)j + 0.5 - centre) / support;

    if (filter == AK_BICUBIC)
        return keys(distance);
    return distance < 1 ? 1 - distance : 0;
}

static double naive(const ak_image *image, ak_box box, ak_filter filter, int c, int64_t y,
                    int64_t x, int64_t h, int64_t w)
{
    double sum = 0, total = 0;

    for (int64_t i = 0; i < box.height; i++) {
        for (int64_t j = 0; j < box.width; j++) {
            int64_t at = (box.top + i) * image->width + box.left + j;
            double k = weight(filter, i, y, box.height, h) * weight(filter, j, x, box.width, w);

            sum += k * image->pixels[at * image->channels + c % image->channels] / 255.0;
            total += k;
        }
    }
    return fmin(fmax(sum / total, 0), 1);
}

static void compare(const ak_image *image, ak_box box, ak_filter filter, ak_resample_room *room,
                    int64_t h, int64_t w)
{
    float *planes = malloc((size_t)(3 * h * w) * sizeof *planes);
    float *plane[3] = { planes, planes + h * w, planes + 2 * h * w };

    ak_resample(image, box, filter, room, plane, h, w);
    for (int c = 0; c < 3; c++)
        for (int64_t i = 0; i < h * w; i++)
            ck_assert_double_eq_tol(plane[c][i], naive(image, box, filter, c, i / w, i % w, h, w),
                                    2e-6);
    free(planes);
}

START_TEST(equals_the_definition)
{
    static const struct {
        int64_t image_h, image_w;
        ak_box box;
        int64_t h, w;
    } rows[] = {
        { 28, 28, { 0, 0, 28, 28 }, 32, 32 }, { 28, 28, { 3, 5, 11, 9 }, 32, 32 },
        { 28, 28, { 27, 27, 1, 1 }, 8, 8 },   { 1, 1, { 0, 0, 1, 1 }, 9, 8 },
        { 40, 61, { 0, 1, 40, 60 }, 8, 8 },   { 60, 33, { 2, 2, 57, 31 }, 17, 23 },
        { 97, 90, { 1, 0, 96, 90 }, 8, 64 },  { 16, 16, { 0, 0, 16, 16 }, 16, 16 },
        { 3, 50, { 0, 0, 3, 50 }, 10, 10 },
    };
    ak_resample_room room = { 0 };
    ak_rng rng = ak_rng_at(1, AK_RNG_BENCH, 0, 0, 0);

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (int channels = 1; channels <= 3; channels += 2) {
            size_t size = (size_t)(rows[i].image_h * rows[i].image_w * channels);
            uint8_t *pixels = malloc(size); // exactly, so that a read beyond it is seen
            ak_image image = { pixels, rows[i].image_h, rows[i].image_w, channels };

            for (size_t k = 0; k < size; k++)
                pixels[k] = (uint8_t)ak_rng_below(&rng, 256);
            compare(&image, rows[i].box, AK_BILINEAR, &room, rows[i].h, rows[i].w);
            compare(&image, rows[i].box, AK_BICUBIC, &room, rows[i].h, rows[i].w);
            free(pixels);
        }
    }
    ak_resample_room_fini(&room);
}
END_TEST

// A part of a result has the bits of the whole.
static void cut(ak_filter filter, int channels)
{
    static const ak_box parts[] = {
        { 0, 0, 17, 29 }, { 3, 5, 8, 8 }, { 16, 28, 1, 1 }, { 0, 28, 17, 1 }, { 9, 0, 1, 29 }
    };
    enum { H = 17, W = 29 };
    static uint8_t pixels[40 * 61 * 3];
    static float all[3 * H * W], got[3 * H * W];
    const ak_image image = { pixels, 40, 61, channels };
    ak_resample_room room = { 0 };
    ak_rng rng = ak_rng_at(2, AK_RNG_BENCH, 0, 0, 0);

    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)ak_rng_below(&rng, 256);
    ak_resample(&image, (ak_box){ 1, 2, 38, 55 }, filter, &room,
                (float *const[]){ all, all + H * W, all + 2 * H * W }, H, W);
    for (size_t k = 0; k < sizeof parts / sizeof *parts; k++) {
        ak_box part = parts[k];
        int64_t n = part.height * part.width;

        ak_resample_part(&image, (ak_box){ 1, 2, 38, 55 }, filter, &room,
                         (float *const[]){ got, got + n, got + 2 * n }, H, W, part);
        for (int64_t i = 0; i < 3 * n; i++) {
            int64_t y = part.top + i % n / part.width, x = part.left + i % part.width;

            ck_assert(got[i] == all[i / n * H * W + y * W + x]);
        }
    }
    ak_resample_room_fini(&room);
}

START_TEST(a_part_is_of_the_whole)
{
    for (int channels = 1; channels <= 3; channels += 2) {
        cut(AK_BILINEAR, channels);
        cut(AK_BICUBIC, channels);
    }
}
END_TEST

static void settle(ak_filter filter)
{
    uint8_t pixels[50 * 40 * 3] = { 0 };
    ak_image image = { pixels, 50, 40, 3 };
    ak_resample_room room = { 0 };
    float planes[3 * 16 * 16], *plane[3] = { planes, planes + 256, planes + 512 };
    int64_t floats, starts;

    ak_resample(&image, (ak_box){ 0, 0, 3, 3 }, filter, &room, plane, 16, 16);
    floats = room.floats_room;
    starts = room.starts_room;
    for (int64_t h = 1; h <= 50; h++)
        ak_resample(&image, (ak_box){ 0, 0, h, h < 40 ? h : 40 }, filter, &room, plane, 16, 16);
    ck_assert_int_eq(room.floats_room, floats);
    ck_assert_int_eq(room.starts_room, starts);
    ak_resample_room_fini(&room);
}

START_TEST(memory_settles)
{
    settle(AK_BILINEAR);
    settle(AK_BICUBIC);
}
END_TEST

AK_TEST_MAIN(AK_CASE(equals_the_definition), AK_CASE(a_part_is_of_the_whole),
             AK_CASE(memory_settles))
