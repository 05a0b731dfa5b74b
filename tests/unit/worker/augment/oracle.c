// tests/unit/worker/augment/oracle.c -- each operation against torchvision's result.

#include "tests/oracle.h"
#include "worker/augment/augment.h"

typedef struct fixture {
    ak_safetensors *file;
    ak_image image;
    ak_canvas x;
} fixture;

// Also for filters, which may be off by 2/255 where rounding to bytes happens between passes.
static const double close_enough = 1e-5;

static fixture start(void)
{
    fixture f = { .file = ak_oracle_open("augment_ops") };

    f.image = ak_oracle_image(f.file, "image");
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
    free((void *)f->image.pixels);
}

START_TEST(same_size_is_the_image)
{
    fixture f = start();
    int64_t n = f.image.height * f.image.width;

    whole(&f);
    for (int64_t i = 0; i < n; i++)
        for (int c = 0; c < 3; c++)
            ck_assert_float_eq_tol(f.x.plane[c][i], (float)f.image.pixels[3 * i + c] / 255, 1e-6f);
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

static void check_plain(const ak_safetensors *file, const char *name, ak_canvas *x)
{
    ak_filter filter = strncmp(name, "bicubic.", 8) == 0 ? AK_BICUBIC : AK_BILINEAR;
    ak_plain plain;
    char which[16];
    ak_image image;
    long size;

    ck_assert_int_eq(sscanf(ak_oracle_text(file, name), "%15s size %ld crop_pct %lf", which, &size,
                            &plain.share),
                     3);
    plain.image_size = size;
    image = ak_oracle_image(file, which);
    x->image = &image;
    ak_plain_crop(x, &plain, filter, size);
    ak_oracle_check(file, name, x->plane[0], 3 * size * size, 2e-6, 0);
    free((void *)image.pixels);
}

// As evaluations see images: torchvision's Resize and CenterCrop.
START_TEST(plain)
{
    ak_safetensors *file = ak_oracle_open_own("plain");
    ak_canvas x = { 0 };
    int count = 0;

    for (int i = 0; i < ak_safetensors_count(file); i++) {
        const char *name = ak_safetensors_at(file, i)->name;

        if (!strchr(name, '.')) // an image
            continue;
        count++;
        check_plain(file, name, &x);
    }
    ck_assert_int_ge(count, 22);
    ak_canvas_fini(&x);
    ak_safetensors_close(file);
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
             AK_CASE(plain), AK_CASE(every_tensor_is_known))
