// tests/unit/worker/augment/recipe.c -- tests recipes: options, randomness, what each option does.

#include <math.h>
#include <stdbool.h>

#include "proto/base/error.h"
#include "tests/check.h"
#include "worker/augment/recipe.h"
#include "worker/rng/rng.h"

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
             AK_CASE(plain_is_normalised), AK_CASE(flip_and_gray), AK_CASE(probabilities),
             AK_CASE(values_stay_in_range), AK_CASE(bad_options),
             AK_CASE(settles_how_pixels_are_prepared), AK_CASE(catalogue))
