// tests/unit/worker/augment/recipe.c -- tests recipes: options, randomness, what each option does.

#include <math.h>
#include <stdbool.h>

#include "proto/base/error.h"
#include "tests/check.h"
#include "worker/augment/augment.h"
#include "worker/augment/recipe.h"

enum { S = 32, N = 3 * S * S, SIDE = 28 };

static const float mean[3] = { 0.485f, 0.456f, 0.406f }, std[3] = { 0.229f, 0.224f, 0.225f };

static uint8_t colours[SIDE * SIDE * 3], grays[SIDE * SIDE];
static const ak_image colour = { colours, SIDE, SIDE, 3 }, gray = { grays, SIDE, SIDE, 1 };

static void fill(void)
{
    ak_rng rng = ak_rng_at(3, AK_RNG_BENCH, 0, 0, 0);

    for (int i = 0; i < SIDE * SIDE * 3; i++)
        colours[i] = (uint8_t)ak_rng_below(&rng, 256);
    for (int i = 0; i < SIDE * SIDE; i++)
        grays[i] = (uint8_t)ak_rng_below(&rng, 256);
}

// A recipe of "key=value" words, ended by NULL.
static akssl_status make(ak_recipe **out, const char *const *words)
{
    ak_spec spec;
    akssl_status rc;

    ak_spec_init(&spec);
    for (; *words; words++)
        ck_assert_int_eq(ak_spec_set(&spec, "augment", *words), 0);
    rc = ak_recipe_new(out, &spec.augment, S);
    ak_spec_fini(&spec);
    return rc;
}

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define NOTHING "min_scale=1", "flip=0", "jitter_prob=0", "gray_prob=0", "blur_prob=0"

static ak_recipe *made(const char *const *words)
{
    ak_recipe *recipe;

    ck_assert_msg(make(&recipe, words) == 0, "%s", ak_error_text());
    return recipe;
}

static void view(const ak_recipe *recipe, const ak_image *image, uint32_t sample, float *out)
{
    ak_scratch *scratch = ak_scratch_new();

    ak_recipe_view(recipe, image, 1, 2, sample, 0, scratch, out);
    ak_scratch_free(scratch);
}

static void plain(const ak_image *image, float *out)
{
    ak_scratch *scratch = ak_scratch_new();

    ak_recipe_plain(NULL, image, S, scratch, out);
    ak_scratch_free(scratch);
}

static bool near(const float *a, const float *b)
{
    for (int i = 0; i < N; i++)
        if (!(fabsf(a[i] - b[i]) <= 1e-5f))
            return false;
    return true;
}

START_TEST(a_view_is_a_function)
{
    ak_recipe *recipe = made(WORDS("min_scale=0.2"));
    ak_scratch *scratch = ak_scratch_new();
    static float first[N], again[N], big[3 * 64 * 64];
    static const struct {
        uint64_t seed;
        uint32_t epoch, sample, view;
    } others[] = { { 8, 1, 2, 0 }, { 7, 0, 2, 0 }, { 7, 1, 3, 0 }, { 7, 1, 2, 1 } };

    fill();
    ck_assert_int_eq(ak_recipe_size(recipe, 1), S);
    ak_recipe_view(recipe, &colour, 7, 1, 2, 0, scratch, first);
    ak_recipe_plain(recipe, &gray, 64, scratch,
                    big); // what else the scratch served does not matter
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        ak_recipe_view(recipe, &colour, others[i].seed, others[i].epoch, others[i].sample,
                       others[i].view, scratch, again);
        ck_assert(!near(first, again));
    }
    ak_recipe_view(recipe, &colour, 7, 1, 2, 0, scratch, again);
    ck_assert_mem_eq(first, again, sizeof first);
    ak_scratch_free(scratch);
    ak_scratch_free(NULL);
    ak_recipe_free(recipe);
    ak_recipe_free(NULL);
}
END_TEST

START_TEST(nothing_random_is_the_plain_view)
{
    ak_recipe *recipe = made(WORDS(NOTHING));
    static float got[N], want[N];

    fill();
    for (uint32_t sample = 0; sample < 20; sample++) {
        view(recipe, &colour, sample, got);
        plain(&colour, want);
        ck_assert(near(got, want));
        view(recipe, &gray, sample, got);
        plain(&gray, want);
        ck_assert(near(got, want));
    }
    ak_recipe_free(recipe);
}
END_TEST

START_TEST(plain_is_normalised)
{
    static uint8_t white[SIDE * SIDE * 3];
    static float out[N];

    memset(white, 255, sizeof white);
    plain(&(ak_image){ white, SIDE, SIDE, 3 }, out);
    for (int i = 0; i < N; i++)
        ck_assert_float_eq_tol(out[i], (1 - mean[i % 3]) / std[i % 3], 1e-5f);
}
END_TEST

// An image that is black in the part that an evaluation sees, and white around it.
static ak_image framed(int64_t height, int64_t width, ak_box seen)
{
    static uint8_t pixels[128 * 128];
    ak_image image = { pixels, height, width, 1 };

    ck_assert_int_le(height * width, (int64_t)sizeof pixels);
    for (int64_t i = 0; i < height * width; i++) {
        int64_t y = i / width - seen.top, x = i % width - seen.left;

        pixels[i] = y >= 0 && y < seen.height && x >= 0 && x < seen.width ? 0 : 255;
    }
    return image;
}

// The middle 7/8 of the shorter side, as much of the longer one: nothing is squeezed.
START_TEST(a_photograph_is_judged_by_its_middle)
{
    static const struct {
        int64_t height, width;
        ak_box black; // all that is seen, with what the filter adds
        ak_box hit;   // a part of what is seen, so that a smaller black box would show
    } rows[] = {
        { 72, 128, { 2, 30, 68, 68 }, { 6, 34, 60, 60 } }, // 72 -> 36: 64 x 64 from 4, 32 on
        { 128, 72, { 30, 2, 68, 68 }, { 34, 6, 60, 60 } },
        { 72, 72, { 2, 2, 68, 68 }, { 6, 6, 60, 60 } },
        { 18, 27, { 0, 4, 18, 18 }, { 2, 6, 14, 14 } }, // 18 -> 36: smaller, but no square
    };
    static float out[N];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ak_image image = framed(rows[i].height, rows[i].width, rows[i].black);
        bool white = false;

        plain(&image, out);
        for (int k = 0; k < N; k++)
            ck_assert_float_eq_tol(out[k], -mean[k % 3] / std[k % 3], 1e-5f);
        image = framed(rows[i].height, rows[i].width, rows[i].hit);
        plain(&image, out);
        for (int k = 0; k < N; k++)
            white = white || out[k] > 0;
        ck_assert(white);
    }
}
END_TEST

// Not cut: a square image that is no larger than what the network takes.
START_TEST(a_small_image_is_judged_whole)
{
    static const int64_t sides[] = { 1, 16, SIDE, S };
    static float out[N];

    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
        int64_t side = sides[i];
        ak_image image = framed(side, side, (ak_box){ 0, 0, side, side });

        *(uint8_t *)image.pixels = 255; // a corner
        plain(&image, out);
        ck_assert_float_eq_tol(out[0], (1 - mean[0]) / std[0], 1e-5f);
    }
}
END_TEST

START_TEST(how_much_is_seen)
{
    static const struct {
        const char *word;
        int64_t size, least;
    } rows[] = {
        { "flip=0", 224, 256 },     { "flip=0", 96, 109 },        { "flip=0", 8, 9 },
        { "crop_pct=1", 224, 224 }, { "crop-pct=0.9", 224, 248 }, { "crop_pct=0.5", 224, 448 },
    };
    static float out[N];
    ak_image image = framed(72, 128, (ak_box){ 0, 28, 72, 72 });
    ak_scratch *scratch = ak_scratch_new();
    ak_recipe *recipe;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        recipe = made(WORDS(rows[i].word));
        ck_assert_int_eq(ak_recipe_plain_least(recipe, rows[i].size), rows[i].least);
        ak_recipe_free(recipe);
    }
    ck_assert_int_eq(ak_recipe_plain_least(NULL, 224), 256);
    recipe = made(WORDS("crop_pct=1", "normalize=none"));
    ak_recipe_plain(recipe, &image, S, scratch, out);
    for (int i = 0; i < N; i += 3 * S) { // all rows, and of each what lies in the square
        ck_assert(out[i + 3] == 0 && out[i + 3 * S - 6] == 0);
        ck_assert(out[i + 3 * S / 2] == 0);
    }
    ak_recipe_free(recipe);
    recipe = made(WORDS("recipe=none", "crop_pct=0.5"));
    ck_assert_int_eq(ak_recipe_least(recipe), 2 * S);
    ak_recipe_free(recipe);
    ak_scratch_free(scratch);
}
END_TEST

// A picture of what is seen in fewer pixels: what is small for the network is small for it.
START_TEST(a_thumbnail_shows_what_is_seen)
{
    ak_recipe *recipe = made(WORDS("normalize=none"));
    ak_scratch *scratch = ak_scratch_new();
    ak_image image = framed(SIDE, SIDE, (ak_box){ 2, 2, SIDE - 4, SIDE - 4 });
    static float out[3 * 16 * 16];
    double sum = 0;

    ak_recipe_thumbnail(recipe, &image, 16, scratch, out);
    ck_assert_float_gt(out[0], 0.9f);
    image = framed(72, 128, (ak_box){ 1, 29, 70, 70 });
    ak_recipe_thumbnail(recipe, &image, 16, scratch, out);
    for (int i = 0; i < 3 * 16 * 16; i++)
        sum += (double)out[i];
    ck_assert_double_eq(sum, 0);
    ak_scratch_free(scratch);
    ak_recipe_free(recipe);
}
END_TEST

START_TEST(flip_and_gray)
{
    ak_recipe *flip = made(WORDS(NOTHING, "flip=1")), *gone = made(WORDS(NOTHING, "gray_prob=1"));
    static float got[N], want[N];

    fill();
    plain(&colour, want);
    view(flip, &colour, 0, got);
    for (int i = 0; i < N; i++) {
        int y = i / 3 / S, x = i / 3 % S, c = i % 3;

        ck_assert_float_eq_tol(got[i], want[3 * (y * S + S - 1 - x) + c], 1e-5f);
    }
    view(gone, &colour, 0, got);
    for (int i = 0; i < N; i += 3) {
        float v = got[i] * std[0] + mean[0];

        ck_assert_float_eq_tol(got[i + 1] * std[1] + mean[1], v, 1e-5f);
        ck_assert_float_eq_tol(got[i + 2] * std[2] + mean[2], v, 1e-5f);
    }
    ak_recipe_free(flip);
    ak_recipe_free(gone);
}
END_TEST

// How often, of 4000 samples, the view differs from the plain one.
static double share(const char *const *words)
{
    ak_recipe *recipe = made(words);
    ak_scratch *scratch = ak_scratch_new();
    static float got[N], want[N];
    int differ = 0;

    fill();
    plain(&colour, want);
    for (uint32_t sample = 0; sample < 4000; sample++) {
        ak_recipe_view(recipe, &colour, 1, 0, sample, 1, scratch, got);
        differ += !near(got, want);
    }
    ak_scratch_free(scratch);
    ak_recipe_free(recipe);
    return differ / 4000.0;
}

START_TEST(probabilities)
{
    ck_assert_double_eq_tol(share(WORDS(NOTHING, "flip=0.5")), 0.5, 0.03);
    ck_assert_double_eq_tol(share(WORDS(NOTHING, "jitter_prob=0.8")), 0.8, 0.03);
    ck_assert_double_eq_tol(share(WORDS(NOTHING, "gray_prob=0.2")), 0.2, 0.03);
    ck_assert_double_eq_tol(share(WORDS(NOTHING, "blur_prob=0.5", "blur_min=1")), 0.5, 0.03);
    ck_assert_double_eq(share(WORDS(NOTHING, "jitter_prob=1", "jitter=0")), 0);
}
END_TEST

START_TEST(values_stay_in_range)
{
    ak_recipe *recipe = made(WORDS("jitter=2.5", "jitter_prob=1", "blur_prob=1"));
    ak_scratch *scratch = ak_scratch_new();
    static float out[N];

    fill();
    for (uint32_t sample = 0; sample < 500; sample++) {
        ak_recipe_view(recipe, sample % 2 ? &gray : &colour, 1, 0, sample, 0, scratch, out);
        for (int i = 0; i < N; i++) {
            float v = out[i] * std[i % 3] + mean[i % 3];

            ck_assert(v >= -1e-5f && v <= 1 + 1e-5f); // NaN fails too
        }
    }
    ak_scratch_free(scratch);
    ak_recipe_free(recipe);
}
END_TEST

START_TEST(bad_options)
{
    static const struct {
        const char *word, *other;
        akssl_status code;
    } rows[] = {
        { "recipe=simclrr", NULL, AKSSL_ERR_NOT_FOUND },
        { "min_scal=0.2", NULL, AKSSL_ERR_NOT_FOUND },
        { "min_scale=0", NULL, AKSSL_ERR_INVALID },
        { "min_scale=1.5", NULL, AKSSL_ERR_INVALID },
        { "jitter=-1", NULL, AKSSL_ERR_INVALID },
        { "jitter=3", NULL, AKSSL_ERR_INVALID },
        { "flip=2", NULL, AKSSL_ERR_INVALID },
        { "flip=often", NULL, AKSSL_ERR_INVALID },
        { "crop_pct=87.5", NULL, AKSSL_ERR_INVALID },
        { "crop_pct=0", NULL, AKSSL_ERR_INVALID },
        { "min_scale=0.5", "max_scale=0.4", AKSSL_ERR_INVALID },
        { "blur_min=3", "blur_max=2", AKSSL_ERR_INVALID },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ak_recipe *recipe = NULL;
        akssl_status rc = make(&recipe, WORDS(rows[i].word, rows[i].other));

        ck_assert_msg(rc == rows[i].code, "%s: %d %s", rows[i].word, rc, ak_error_text());
        ck_assert_ptr_null(recipe);
        ck_assert_ptr_nonnull(strstr(ak_error_text(), "augment: "));
    }
    ak_recipe_free(made(WORDS("recipe=simclr", "min-scale=0.3")));
}
END_TEST

START_TEST(settles_how_pixels_are_prepared)
{
    static const char *const rows[][3] = {
        { "recipe=dino", "imagenet", "bicubic" },
        { "recipe=cifar-symmetric", "cifar10", "bicubic" },
        { "recipe=cifar_symmetric,normalize=none", "none", "bicubic" },
        { "recipe=none,interpolation=bicubic", "imagenet", "bicubic" },
    };
    ak_spec spec;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ak_spec_init(&spec);
        ck_assert_int_eq(ak_spec_set(&spec, "augment", rows[i][0]), 0);
        ck_assert_int_eq(ak_recipe_settle(&spec.augment), 0);
        ck_assert_str_eq(ak_spec_pair_find(&spec.augment, "normalize"), rows[i][1]);
        ck_assert_str_eq(ak_spec_pair_find(&spec.augment, "interpolation"), rows[i][2]);
        ak_spec_fini(&spec);
    }
    ak_spec_init(&spec);
    ck_assert_int_eq(ak_recipe_settle(&spec.augment), 0);
    ck_assert_int_eq(spec.augment.count, 0); // the default's pixels are every default's
    ck_assert_int_eq(ak_spec_set(&spec, "augment", "recipe=nothing"), 0);
    ck_assert_int_eq(ak_recipe_settle(&spec.augment), AKSSL_ERR_NOT_FOUND);
    ak_spec_fini(&spec);
}
END_TEST

START_TEST(catalogue)
{
    ak_str text = AK_STR_INIT;

    ak_recipes_json(&text);
    ck_assert_ptr_nonnull(strstr(text.text, "[{\"name\": \"simclr\", "));
    ck_assert_ptr_nonnull(strstr(text.text, "{\"name\": \"min_scale\", \"type\": \"float\", "
                                            "\"default\": 0.08, "));
    ak_str_clear(&text);
    ak_augments_json(&text);
    ck_assert_ptr_nonnull(strstr(text.text, "{\"name\": \"solarize\", "));
    ak_str_fini(&text);
}
END_TEST

AK_TEST_MAIN(AK_CASE(a_view_is_a_function), AK_CASE(nothing_random_is_the_plain_view),
             AK_CASE(plain_is_normalised), AK_CASE(a_photograph_is_judged_by_its_middle),
             AK_CASE(a_small_image_is_judged_whole), AK_CASE(how_much_is_seen),
             AK_CASE(a_thumbnail_shows_what_is_seen), AK_CASE(flip_and_gray),
             AK_CASE(probabilities), AK_CASE(values_stay_in_range), AK_CASE(bad_options),
             AK_CASE(settles_how_pixels_are_prepared), AK_CASE(catalogue))
