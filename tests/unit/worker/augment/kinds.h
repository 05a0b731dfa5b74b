// tests/unit/worker/augment/kinds.h -- what tests of recipes share: all of them, images, views.

#ifndef AK_TESTS_KINDS_H
#define AK_TESTS_KINDS_H

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

#include "proto/base/error.h"
#include "tests/check.h"
#include "worker/augment/recipe_kind.h"

#define AK_RECIPE(name) extern const ak_recipe_kind ak_recipe_##name;
#include "worker/augment/recipes.def"
#undef AK_RECIPE

static const ak_recipe_kind *const kinds[] = {
#define AK_RECIPE(name) &ak_recipe_##name,
#include "worker/augment/recipes.def"
#undef AK_RECIPE
};

enum { KINDS = sizeof kinds / sizeof *kinds, S = 32, SIDE = 200, ROOM = 3 * 64 * 64 };

static inline akssl_status make(ak_recipe **out, const char *name, int64_t size,
                                const char *const *words)
{
    ak_spec spec;
    akssl_status rc;

    ak_spec_init(&spec);
    ck_assert_int_eq(ak_spec_pair(&spec.augment, "recipe", name), 0);
    for (; words && *words; words++)
        ck_assert_int_eq(ak_spec_set(&spec, "augment", *words), 0);
    rc = ak_recipe_new(out, &spec.augment, size);
    ak_spec_fini(&spec);
    return rc;
}

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static inline ak_recipe *made(const char *name, const char *const *words)
{
    ak_recipe *recipe;

    ck_assert_msg(make(&recipe, name, S, words) == 0, "%s: %s", name, ak_error_text());
    return recipe;
}

// An image of SIDE x SIDE, too dark to be solarised, in which red is half the column, green half
// the row.
static inline ak_image ramp(void)
{
    static uint8_t pixels[SIDE * SIDE * 3];

    for (int i = 0; i < SIDE * SIDE; i++) {
        pixels[3 * i] = (uint8_t)(i % SIDE / 2);
        pixels[3 * i + 1] = (uint8_t)(i / SIDE / 2);
        pixels[3 * i + 2] = (uint8_t)(i * 7 % 127);
    }
    return (ak_image){ pixels, SIDE, SIDE, 3 };
}

// An image of one gray.
static inline ak_image even(uint8_t value)
{
    static uint8_t pixels[S * S];

    memset(pixels, value, sizeof pixels);
    return (ak_image){ pixels, S, S, 1 };
}

static inline void draw(const ak_recipe *recipe, const ak_image *image, uint32_t sample,
                        uint32_t view, float *out)
{
    ak_scratch *scratch = ak_scratch_new();

    ak_recipe_view(recipe, image, 5, 1, sample, view, scratch, out);
    ak_scratch_free(scratch);
}

#endif
