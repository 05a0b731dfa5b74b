// tests/unit/worker/augment/augment.c -- tests the operations where the reference values are thin.

#include <math.h>
#include <stdbool.h>

#include "tests/check.h"
#include "worker/augment/augment.h"

// A canvas of random colours with grays, pure colours, black and white among them.
static ak_canvas colours(int64_t height, int64_t width)
{
    ak_canvas x = { 0 };
    ak_rng rng = ak_rng_at(5, AK_RNG_BENCH, 0, 0, 0);

    ak_canvas_resize(&x, height, width);
    for (int64_t i = 0; i < height * width; i++) {
        for (int c = 0; c < 3; c++)
            x.plane[c][i] = i < 8 ? (float)(i >> c & 1) : (float)ak_rng_uniform(&rng);
        if (i % 5 == 0)
            x.plane[1][i] = x.plane[2][i] = x.plane[0][i];
        if (i % 7 == 0)
            x.plane[2][i] = x.plane[1][i];
    }
    return x;
}

// HSV as the textbooks have it: one sextant after the other.
static void turn(double *r, double *g, double *b, double turns)
{
    double v = fmax(*r, fmax(*g, *b)), low = fmin(*r, fmin(*g, *b)), d = v - low;
    double s = v > 0 ? d / v : 0, h = 0, f, p, q, t;

    if (d > 0)
        h = v == *r ? (*g - *b) / d : v == *g ? 2 + (*b - *r) / d : 4 + (*r - *g) / d;
    h = fmod(h / 6 + 1 + turns + 1, 1) * 6;
    f = h - floor(h);
    p = v * (1 - s);
    q = v * (1 - s * f);
    t = v * (1 - s * (1 - f));
    switch ((int)floor(h) % 6) {
    case 0:
        *r = v, *g = t, *b = p;
        break;
    case 1:
        *r = q, *g = v, *b = p;
        break;
    case 2:
        *r = p, *g = v, *b = t;
        break;
    case 3:
        *r = p, *g = q, *b = v;
        break;
    case 4:
        *r = t, *g = p, *b = v;
        break;
    default:
        *r = v, *g = p, *b = q;
        break;
    }
}

START_TEST(hue_turns)
{
    static const float turns[] = { 0, 0.5f, -0.5f, 0.2f, -0.2f, 1.0f / 3, 0.01f, -0.49f };

    for (size_t k = 0; k < sizeof turns / sizeof *turns; k++) {
        ak_canvas x = colours(9, 13), before = colours(9, 13);

        ak_hue(&x, turns[k]);
        for (int64_t i = 0; i < 9 * 13; i++) {
            double r = before.plane[0][i], g = before.plane[1][i], b = before.plane[2][i];

            turn(&r, &g, &b, turns[k]);
            ck_assert_double_eq_tol(x.plane[0][i], r, 5e-6);
            ck_assert_double_eq_tol(x.plane[1][i], g, 5e-6);
            ck_assert_double_eq_tol(x.plane[2][i], b, 5e-6);
        }
        ak_canvas_fini(&x);
        ak_canvas_fini(&before);
    }
}
END_TEST

static int64_t reflect(int64_t i, int64_t n)
{
    return i < 0 ? -i : i >= n ? 2 * (n - 1) - i : i;
}

START_TEST(blur_equals_the_definition)
{
    static const struct {
        int64_t height, width, kernel;
        double sigma;
    } rows[] = { { 8, 9, 1, 1 }, { 8, 9, 3, 0.1 }, { 9, 8, 15, 2 }, { 20, 33, 7, 0.7 } };

    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        int64_t h = rows[k].height, w = rows[k].width, half = rows[k].kernel / 2;
        ak_canvas x = colours(h, w), before = colours(h, w);

        ak_gaussian_blur(&x, rows[k].kernel, rows[k].sigma);
        for (int64_t i = 0; i < h * w; i++) {
            double sum = 0, total = 0;

            for (int64_t a = -half; a <= half; a++) {
                for (int64_t b = -half; b <= half; b++) {
                    double weight =
                        exp(-(double)(a * a + b * b) / (2 * rows[k].sigma * rows[k].sigma));

                    sum +=
                        weight * before.plane[2][reflect(i / w + a, h) * w + reflect(i % w + b, w)];
                    total += weight;
                }
            }
            ck_assert_double_eq_tol(x.plane[2][i], sum / total, 2e-6);
        }
        ak_canvas_fini(&x);
        ak_canvas_fini(&before);
    }
}
END_TEST

START_TEST(boxes)
{
    ak_rng rng = ak_rng_at(1, AK_RNG_AUGMENT, 0, 0, 0);
    double area = 0;
    bool edge[4] = { false };

    for (int i = 0; i < 20000; i++) {
        ak_box b = ak_crop_box(&rng, 100, 120, 0.2, 0.6);
        double aspect = (double)b.width / (double)b.height, share = (double)(b.width * b.height);

        ck_assert(b.top >= 0 && b.left >= 0 && b.height > 0 && b.width > 0);
        ck_assert(b.top + b.height <= 100 && b.left + b.width <= 120);
        ck_assert(aspect > 0.73 && aspect < 1.37 && share / 12000 > 0.19 && share / 12000 < 0.61);
        area += share / 12000;
        edge[0] |= b.top == 0;
        edge[1] |= b.left == 0;
        edge[2] |= b.top + b.height == 100;
        edge[3] |= b.left + b.width == 120;
    }
    ck_assert_double_eq_tol(area / 20000, 0.4, 0.005);
    ck_assert(edge[0] && edge[1] && edge[2] && edge[3]);
}
END_TEST

START_TEST(box_of_last_resort)
{
    ak_rng rng = ak_rng_at(1, AK_RNG_AUGMENT, 0, 0, 0);
    ak_box wide = ak_crop_box(&rng, 30, 1000, 1, 1), high = ak_crop_box(&rng, 1000, 30, 1, 1);
    ak_box one = ak_crop_box(&rng, 1, 1, 0.01, 0.02);

    ck_assert(wide.height == 30 && wide.width == 40 && wide.top == 0 && wide.left == 480);
    ck_assert(high.width == 30 && high.height == 40 && high.left == 0 && high.top == 480);
    ck_assert(one.height == 1 && one.width == 1 && one.top == 0 && one.left == 0);
}
END_TEST

static double distance(const ak_canvas *a, const ak_canvas *b)
{
    double most = 0;

    for (int64_t i = 0; i < 3 * a->height * a->width; i++)
        most = fmax(most, fabs((double)a->plane[0][i] - (double)b->plane[0][i]));
    return most;
}

// Brightness and contrast do not commute: each order is met half of the time.
START_TEST(jitter_order_is_random)
{
    const ak_jitter jitter = { .brightness = 0.8, .contrast = 0.8 };
    int brightness_first = 0, contrast_first = 0;

    for (uint32_t sample = 0; sample < 2000; sample++) {
        ak_canvas x = colours(6, 6), bc = colours(6, 6), cb = colours(6, 6);
        ak_rng rng = ak_rng_at(1, AK_RNG_AUGMENT, 0, sample, 0), again = rng;
        uint32_t order[4];
        float b, c;

        ak_augment_jitter.apply(&jitter, &rng, &x);
        ak_rng_permute(&again, order, 4);
        b = (float)ak_rng_between(&again, 1 - 0.8, 1 + 0.8);
        c = (float)ak_rng_between(&again, 1 - 0.8, 1 + 0.8);
        ak_brightness(&bc, b);
        ak_contrast(&bc, c);
        ak_contrast(&cb, c);
        ak_brightness(&cb, b);
        ck_assert(distance(&x, &bc) == 0 || distance(&x, &cb) == 0);
        brightness_first += distance(&x, &cb) != 0;
        contrast_first += distance(&x, &bc) != 0;
        ak_canvas_fini(&x);
        ak_canvas_fini(&bc);
        ak_canvas_fini(&cb);
    }
    ck_assert_int_gt(brightness_first, 800);
    ck_assert_int_gt(contrast_first, 800);
}
END_TEST

START_TEST(table)
{
    int count = 0;

    for (const ak_augment *const *row = ak_augment_table(); *row; row++, count++) {
        ck_assert((*row)->name && (*row)->title && (*row)->apply && (*row)->self_size > 0);
        for (int i = 0; i < count; i++)
            ck_assert_str_ne((*row)->name, ak_augment_table()[i]->name);
    }
    ck_assert_int_ge(count, 7);
}
END_TEST

// Every row with plain settings keeps size and range; normalize alone may leave [0,1].
START_TEST(rows_keep_the_range)
{
    static const ak_jitter jitter = { 0.8, 0.8, 0.8, 0.5 };
    static const ak_blur blur = { 5, 0.1, 2 };
    static const ak_solarize solarize = { 0.5 };
    static const ak_flip flip;
    static const ak_grayscale grayscale;
    static const struct {
        const ak_augment *row;
        const void *settings;
    } rows[] = {
        { &ak_augment_flip, &flip },           { &ak_augment_jitter, &jitter },
        { &ak_augment_grayscale, &grayscale }, { &ak_augment_blur, &blur },
        { &ak_augment_solarize, &solarize },
    };

    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        for (uint32_t sample = 0; sample < 50; sample++) {
            ak_canvas x = colours(11, 10);
            ak_rng rng = ak_rng_at(1, AK_RNG_AUGMENT, 0, sample, 0);

            rows[k].row->apply(rows[k].settings, &rng, &x);
            ck_assert(x.height == 11 && x.width == 10);
            for (int c = 0; c < 3; c++)
                for (int i = 0; i < 110; i++)
                    ck_assert(x.plane[c][i] >= -1e-6f && x.plane[c][i] <= 1 + 1e-6f);
            ak_canvas_fini(&x);
        }
    }
}
END_TEST

AK_TEST_MAIN(AK_CASE(hue_turns), AK_CASE(blur_equals_the_definition), AK_CASE(boxes),
             AK_CASE(box_of_last_resort), AK_CASE(jitter_order_is_random), AK_CASE(table),
             AK_CASE(rows_keep_the_range))
