// tests/unit/worker/augment/recipes.c -- tests every recipe by what its views are over many draws:
// each has its paper's numbers, view by view.

#include "tests/unit/worker/augment/kinds.h"

enum { DRAWS = 1000 };

static void check_function(const ak_recipe_kind *kind)
{
    ak_recipe *recipe = made(kind->name, NULL), *again = made(kind->name, NULL);
    ak_scratch *scratch = ak_scratch_new();
    static float all[5][2][2][ROOM];
    ak_image image = ramp();

    for (uint32_t v = 0; v < 5; v++) {
        size_t size = (size_t)ak_recipe_size(recipe, (int)v),
               bytes = 3 * size * size * sizeof(float);

        for (uint32_t k = 0; k < 4; k++) {
            float *out = all[v][k / 2][k % 2], same[ROOM];

            ak_recipe_view(recipe, &image, 3, k / 2, 8 + k % 2, v, scratch, out);
            ak_recipe_view(again, &image, 3, k / 2, 8 + k % 2, v, scratch, same);
            ck_assert_mem_eq(out, same, bytes);
            ak_recipe_view(again, &image, 4, k / 2, 8 + k % 2, v, scratch, same);
            ck_assert((memcmp(out, same, bytes) == 0) == kind->plain);
            for (uint32_t j = 0; j < k; j++)
                ck_assert((memcmp(out, all[v][j / 2][j % 2], bytes) == 0) == kind->plain);
            for (uint32_t u = 0; u < v; u++)
                if (ak_recipe_size(recipe, (int)u) == (int64_t)size)
                    ck_assert((memcmp(out, all[u][k / 2][k % 2], bytes) == 0) == kind->plain);
        }
    }
    ak_scratch_free(scratch);
    ak_recipe_free(recipe);
    ak_recipe_free(again);
}

START_TEST(views_are_functions)
{
    for (int i = 0; i < KINDS; i++)
        check_function(kinds[i]);
}
END_TEST

static const struct {
    const char *name;
    double global[2], local[2]; // shares of the area
    double blur[3], solarize[3];
    double brightness[2];
} papers[] = {
    { "simclr", { 0.08, 1 }, { 0.05, 0.4 }, { 0.5, 0.5, 0.5 }, { 0 }, { 0.8, 0.8 } },
    { "byol", { 0.08, 1 }, { 0.05, 0.4 }, { 1, 0.1, 0.5 }, { 0, 0.2, 0 }, { 0.4, 0.4 } },
    { "moco_v2", { 0.2, 1 }, { 0.05, 0.2 }, { 0.5, 0.5, 0.5 }, { 0 }, { 0.4, 0.4 } },
    { "dino", { 0.4, 1 }, { 0.05, 0.4 }, { 1, 0.1, 0.5 }, { 0, 0.2, 0 }, { 0.4, 0.4 } },
    { "swav", { 0.14, 1 }, { 0.05, 0.14 }, { 0.5, 0.5, 0.5 }, { 0 }, { 0.8, 0.8 } },
    { "cifar_symmetric", { 0.08, 1 }, { 0.05, 0.4 }, { 0.5, 0.5, 0.5 }, { 0 }, { 0.8, 0.8 } },
    { "cifar_symmetric_weak", { 0.08, 1 }, { 0.05, 0.4 }, { 0.5, 0.5, 0.5 }, { 0 }, { 0.4, 0.4 } },
    { "cifar_asymmetric", { 0.08, 1 }, { 0.05, 0.4 }, { 0 }, { 0, 0.2, 0 }, { 0.4, 0.4 } },
    { "cifar_multicrop", { 0.2, 1 }, { 0.08, 0.5 }, { 0, 0, 0.1 }, { 0, 0.2, 0.1 }, { 0.6, 0.8 } },
    { "crop_flip", { 0.08, 1 }, { 0.05, 0.4 }, { 0 }, { 0 }, { 0.8, 0.8 } },
    // The middle, 32 of 36 and 16 of 18 pixels of each side.
    { "none", { 0.79, 0.79 }, { 0.79, 0.79 }, { 0 }, { 0 }, { 0.8, 0.8 } },
};

#define STILL "flip=0", "jitter_prob=0", "gray_prob=0", "normalize=none"

// Share of the ramp's area that a view shows, from how fast its colours change.
static double area(const float *view, int64_t size)
{
    int64_t last = size - 2, row = 3 * size; // the ends themselves see only a part of the filter
    double across = (double)(view[3 * last + 3 * row] - view[3 + 3 * row]);
    double down = (double)(view[last * row + 3 + 1] - view[row + 3 + 1]);
    double step = 2 * 255.0 / (double)(last - 1) * (double)size / SIDE;

    return across * step * down * step;
}

static void check_areas(const ak_recipe *recipe, uint32_t view, double least, double most)
{
    double low = 1, high = 0, sum = 0;
    ak_image image = ramp();
    float out[ROOM];

    for (uint32_t sample = 0; sample < DRAWS; sample++) {
        double share;

        draw(recipe, &image, sample, view, out);
        share = area(out, ak_recipe_size(recipe, (int)view));
        low = fmin(low, share);
        high = fmax(high, share);
        sum += share;
    }
    // Boxes are of whole pixels; the largest ones must fit, which makes them rarer.
    ck_assert_msg(low > least * 0.85 - 0.003 && low < least + 0.03, "least %g, not %g", low, least);
    ck_assert_msg(high < most * 1.05 + 0.003 && high > most * 0.85, "most %g, not %g", high, most);
    ck_assert_double_eq_tol(sum / DRAWS, (least + most) / 2, 0.08);
}

START_TEST(shares_of_the_area)
{
    for (int i = 0; i < KINDS; i++) {
        ak_recipe *own = made(papers[i].name, WORDS(STILL, "blur_prob=0"));
        ak_recipe *set = made(papers[i].name, WORDS(STILL, "blur_prob=0", "min_scale=0.3",
                                                    "max_scale=0.5", "local_scale=0.1-0.2"));

        for (uint32_t view = 0; view < 3; view++) {
            const double *share = view < 2 ? papers[i].global : papers[i].local;

            check_areas(own, view, share[0], share[1]);
            check_areas(set, view, view < 2 ? 0.3 : 0.1, view < 2 ? 0.5 : 0.2);
        }
        ak_recipe_free(own);
        ak_recipe_free(set);
    }
}
END_TEST

// How often a view of an image in which nothing else shows is not what it would be untouched.
static double changed(const char *name, const char *const *words, ak_image image, uint32_t view)
{
    ak_recipe *recipe = made(name, words), *none = made("none", WORDS("normalize=none"));
    static float out[ROOM], same[ROOM];
    int count = 0;

    draw(none, &image, 0, 0, same);
    for (uint32_t sample = 0; sample < DRAWS; sample++) {
        float most = 0;

        draw(recipe, &image, sample, view, out);
        for (int i = 0; i < 3 * S * S; i++)
            most = fmaxf(most, fabsf(out[i] - same[i]));
        count += most > 0.01f;
    }
    ak_recipe_free(recipe);
    ak_recipe_free(none);
    return (double)count / DRAWS;
}

static void check_share(double got, double want, const char *what, uint32_t view)
{
    bool sure = want == 0 || want == 1;

    ck_assert_msg(sure ? got == want : fabs(got - want) < 0.05, "%s of view %u: %g, not %g", what,
                  view, got, want);
}

// White stays white whatever box is cut out or blurred; inverted, it is black.
static void check_solarising(int i)
{
    const char *name = papers[i].name;

    for (uint32_t view = 0; view < 3; view++) {
        double own = papers[i].solarize[view];

        check_share(changed(name, WORDS(STILL, "local_size=32"), even(255), view), own,
                    "solarising", view);
        check_share(
            changed(name, WORDS(STILL, "local_size=32", "solarize_prob=0.6"), even(255), view),
            view == 1 ? 0.6 : own, "solarising", view);
        check_share(
            changed(name, WORDS(STILL, "local_size=32", "solarize_prob=1"), even(127), view), 0,
            "solarising what is dark", view);
    }
}

// Dark stripes show blurring alone, solarising of values under 1/2 changes nothing.
static void check_blurring(int i)
{
    const char *name = papers[i].name;
    uint8_t stripes[S * S];

    for (int k = 0; k < S * S; k++)
        stripes[k] = k % 2 ? 100 : 0;
    for (uint32_t view = 0; view < 3; view++) {
        ak_image image = { stripes, S, S, 1 };

        check_share(changed(name,
                            WORDS(STILL, "local_size=32", "min_scale=1", "max_scale=1",
                                  "local_scale=1-1", "blur_min=1"),
                            image, view),
                    papers[i].blur[view], "blurring", view);
        check_share(changed(name,
                            WORDS(STILL, "local_size=32", "min_scale=1", "max_scale=1",
                                  "local_scale=1-1", "blur_min=1", "blur_prob=0.3"),
                            image, view),
                    0.3, "blurring as asked", view);
    }
}

// On an even gray, of all jitter only brightness shows: the factor is 1 - b to 1 + b.
static void check_brightness(const ak_recipe *recipe, uint32_t view, double strength)
{
    double low = 1, high = 0;
    ak_image image = even(51);
    float out[ROOM];

    for (uint32_t sample = 0; sample < DRAWS; sample++) {
        draw(recipe, &image, sample, view, out);
        low = fmin(low, (double)out[3 * 100] / 0.2);
        high = fmax(high, (double)out[3 * 100] / 0.2);
    }
    ck_assert_double_eq_tol(low, fmax(0, 1 - strength), 0.03);
    ck_assert_double_eq_tol(high, 1 + strength, 0.03);
}

static void check_jitter(int i)
{
    const char *name = papers[i].name;
    ak_recipe *full = made(name, WORDS("jitter_prob=1", "normalize=none"));
    ak_recipe *half = made(name, WORDS("jitter_prob=1", "normalize=none", "jitter=0.5"));

    for (uint32_t view = 0; view < 3; view++) {
        check_brightness(full, view, papers[i].brightness[view > 1]);
        check_brightness(half, view, papers[i].brightness[view > 1] / 2);
    }
    ak_recipe_free(full);
    ak_recipe_free(half);
}

START_TEST(solarising_by_view)
{
    for (int i = 0; i < KINDS; i++)
        check_solarising(i);
}
END_TEST

START_TEST(blurring_by_view)
{
    for (int i = 0; i < KINDS; i++)
        check_blurring(i);
}
END_TEST

START_TEST(strength_of_jitter)
{
    for (int i = 0; i < KINDS; i++)
        check_jitter(i);
}
END_TEST

// What the kernel of a blur may be: SimCLR's and BYOL's code a tenth of the side, the others' 3
// sigma.
START_TEST(widths_of_blur)
{
    uint8_t dot[S * S] = { 0 };
    ak_image image = { dot, S, S, 1 };
    static float out[ROOM];

    dot[16 * S + 16] = 255;
    for (int i = 0; i < KINDS; i++) {
        ak_recipe *recipe = made(kinds[i]->name, WORDS(STILL, "min_scale=1", "max_scale=1",
                                                       "blur_prob=1", "blur_min=2", "blur_max=2"));
        int reach = 0;

        draw(recipe, &image, 0, 0, out);
        for (int x = 16; x < S; x++)
            reach += out[3 * (16 * S + x)] > 0;
        ck_assert_msg(reach == (kinds[i]->narrow_blur ? 2 : 7), "%s: %d", kinds[i]->name, reach);
        ak_recipe_free(recipe);
    }
}
END_TEST

// A recipe has its row in the table above.
START_TEST(all_are_known)
{
    ck_assert_int_eq(sizeof papers / sizeof *papers, KINDS);
    for (int i = 0; i < KINDS; i++)
        ck_assert_str_eq(papers[i].name, kinds[i]->name);
}
END_TEST

AK_TEST_MAIN(AK_CASE(all_are_known), AK_CASE(views_are_functions), AK_CASE(shares_of_the_area),
             AK_CASE(solarising_by_view), AK_CASE(blurring_by_view), AK_CASE(strength_of_jitter),
             AK_CASE(widths_of_blur))
