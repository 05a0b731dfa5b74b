// tests/unit/worker/augment/oracle.c -- each operation against torchvision's result.

#include "tests/oracle.h"
#include "worker/augment/augment.h"

typedef struct fixture {
    ak_safetensors *file;
    uint8_t *bytes; // interleaved
    ak_image image;
    ak_canvas x;
} fixture;

// Also for filters, which may be off by 2/255 where rounding to bytes happens between passes.
static const double close_enough = 1e-5;

static fixture start(void)
{
    fixture f = { .file = ak_oracle_open("augment_ops") };
    const ak_safetensors_entry *e = ak_safetensors_find(f.file, "image");
    const uint8_t *chw;
    int64_t n;

    ck_assert(e && e->dtype == AK_U8 && e->dims == 3 && e->shape[0] == 3);
    chw = ak_safetensors_data(f.file, e);
    n = e->shape[1] * e->shape[2];
    f.bytes = malloc((size_t)n * 3);
    for (int64_t i = 0; i < n; i++)
        for (int64_t c = 0; c < 3; c++)
            f.bytes[3 * i + c] = chw[c * n + i];
    f.image = (ak_image){ f.bytes, e->shape[1], e->shape[2], 3 };
    return f;
}

// The whole image as floats, from the bytes.
static void whole(fixture *f)
{
    f->x.image = &f->image;
    ak_resized_crop(&f->x, (ak_box){ 0, 0, f->image.height, f->image.width }, AK_BILINEAR,
                    f->image.height, f->image.width);
}

static void check(const fixture *f, const char *name, double tolerance)
{
    ak_oracle_check(f->file, name, f->x.plane[0], 3 * f->x.height * f->x.width, tolerance, 0);
}

static void finish(fixture *f)
{
    ak_canvas_fini(&f->x);
    ak_safetensors_close(f->file);
    free(f->bytes);
}

START_TEST(same_size_is_the_image)
{
    fixture f = start();
    int64_t n = f.image.height * f.image.width;

    whole(&f);
    for (int64_t i = 0; i < n; i++)
        for (int c = 0; c < 3; c++)
            ck_assert_float_eq_tol(f.x.plane[c][i], (float)f.bytes[3 * i + c] / 255, 1e-6f);
    finish(&f);
}
END_TEST

START_TEST(crop)
{
    static const char *const names[] = { "resized_crop.down", "resized_crop.up" };
    fixture f = start();

    f.x.image = &f.image;
    for (int i = 0; i < 2; i++) {
        long top, left, height, width, h, w;

        ck_assert_int_eq(sscanf(ak_oracle_text(f.file, names[i]),
                                "top %ld left %ld height %ld width %ld -> %ldx%ld", &top, &left,
                                &height, &width, &h, &w),
                         6);
        ak_resized_crop(&f.x, (ak_box){ top, left, height, width }, AK_BILINEAR, h, w);
        check(&f, names[i], close_enough);
    }
    finish(&f);
}
END_TEST

START_TEST(flip)
{
    fixture f = start();

    whole(&f);
    ak_mirror(&f.x);
    check(&f, "hflip", close_enough);
    finish(&f);
}
END_TEST

START_TEST(jitter)
{
    static const struct {
        const char *name;
        void (*run)(ak_canvas *x, float number);
    } rows[] = {
        { "brightness", ak_brightness }, { "contrast", ak_contrast },
        { "saturation", ak_saturation }, { "hue", ak_hue },
        { "hue_negative", ak_hue },
    };
    fixture f = start();

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        whole(&f);
        rows[i].run(&f.x, (float)ak_oracle_number(f.file, rows[i].name));
        check(&f, rows[i].name, close_enough);
    }
    finish(&f);
}
END_TEST

START_TEST(grayscale)
{
    fixture f = start();

    whole(&f);
    ak_gray(&f.x);
    check(&f, "grayscale", close_enough);
    finish(&f);
}
END_TEST

START_TEST(blur)
{
    static const char *const names[] = { "blur", "blur_wide" };
    fixture f = start();

    for (int i = 0; i < 2; i++) {
        long kernel;
        double sigma;

        ck_assert_int_eq(
            sscanf(ak_oracle_text(f.file, names[i]), "kernel %ld sigma %lf", &kernel, &sigma), 2);
        whole(&f);
        ak_gaussian_blur(&f.x, kernel, sigma);
        check(&f, names[i], close_enough);
    }
    finish(&f);
}
END_TEST

START_TEST(solarize)
{
    fixture f = start();
    double above, below;

    ck_assert_int_eq(
        sscanf(ak_oracle_text(f.file, "solarize"), "threshold %lf/%lf", &above, &below), 2);
    whole(&f);
    ak_invert_from(&f.x, (float)above / (float)below);
    check(&f, "solarize", close_enough);
    finish(&f);
}
END_TEST

START_TEST(normalize)
{
    static const ak_normalize imagenet = AK_NORMALIZE_IMAGENET;
    fixture f = start();

    whole(&f);
    ak_standardize(&f.x, &imagenet);
    check(&f, "normalize", close_enough);
    finish(&f);
}
END_TEST

START_TEST(every_tensor_is_known)
{
    static const char known[] = " image resized_crop.down resized_crop.up hflip brightness "
                                "contrast saturation hue hue_negative grayscale blur blur_wide "
                                "solarize normalize ";
    fixture f = start();

    for (int i = 0; i < ak_safetensors_count(f.file); i++) {
        char word[64];

        snprintf(word, sizeof word, " %s ", ak_safetensors_at(f.file, i)->name);
        ck_assert_msg(strstr(known, word) != NULL, "no test for%s", word);
    }
    finish(&f);
}
END_TEST

AK_TEST_MAIN(AK_CASE(same_size_is_the_image), AK_CASE(crop), AK_CASE(flip), AK_CASE(jitter),
             AK_CASE(grayscale), AK_CASE(blur), AK_CASE(solarize), AK_CASE(normalize),
             AK_CASE(every_tensor_is_known))
