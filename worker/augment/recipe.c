// worker/augment/recipe.c -- the table of recipes, and views made with one.

#include "worker/augment/recipe.h"

#include <math.h>
#include <stdlib.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "worker/augment/recipe_kind.h"

#define AK_RECIPE(name) extern const ak_recipe_kind ak_recipe_##name;
#include "worker/augment/recipes.def"
#undef AK_RECIPE

static const ak_recipe_kind *const kinds[] = {
#define AK_RECIPE(name) &ak_recipe_##name,
#include "worker/augment/recipes.def"
#undef AK_RECIPE
};

enum { KINDS = sizeof kinds / sizeof *kinds };

struct ak_scratch {
    ak_canvas canvas;
};

static const ak_recipe_kind *find(const char *name)
{
    for (int i = 0; i < KINDS; i++)
        if (ak_option_same_name(kinds[i]->name, name))
            return kinds[i];
    return NULL;
}

static akssl_status unknown(const char *name)
{
    ak_str known = AK_STR_INIT;

    for (int i = 0; i < KINDS; i++)
        ak_str_format(&known, "%s%s", i ? ", " : "", kinds[i]->name);
    (void)ak_fail(AKSSL_ERR_NOT_FOUND, "augment: no recipe '%.64s': there are %s", name,
                  known.text);
    ak_str_fini(&known);
    return AKSSL_ERR_NOT_FOUND;
}

akssl_status ak_recipe_new(ak_recipe **out, const ak_spec_pairs *augment, int64_t image_size)
{
    const char *name = ak_spec_pair_find(augment, "recipe");
    const ak_recipe_kind *kind = find(name ? name : "simclr");
    ak_recipe *recipe;
    akssl_status rc;

    if (!kind)
        return unknown(name);
    recipe = ak_alloc(1, sizeof *recipe);
    rc = ak_recipe_build(recipe, kind, augment, image_size);
    if (rc < 0) {
        free(recipe);
        return ak_wrap(rc, "augment");
    }
    recipe->locals = kind->locals;
    *out = recipe;
    return AKSSL_OK;
}

akssl_status ak_recipe_settle(ak_spec_pairs *augment)
{
    static const char *const keys[] = { "normalize", "interpolation" };
    const char *name = ak_spec_pair_find(augment, "recipe");
    const ak_recipe_kind *kind = name ? find(name) : NULL;
    ak_option table[AK_RECIPE_OPTIONS];
    akssl_status rc = AKSSL_OK;

    if (!name)
        return AKSSL_OK;
    if (!kind)
        return unknown(name);
    ak_recipe_options(kind, table);
    for (int i = 0; i < 2 && rc == AKSSL_OK; i++)
        if (!ak_spec_pair_find(augment, keys[i]))
            rc = ak_spec_pair(augment, keys[i], ak_option_find(table, keys[i])->initial_string);
    return rc;
}

void ak_recipe_free(ak_recipe *recipe)
{
    free(recipe);
}

static const ak_look *look_of(const ak_recipe *recipe, uint32_t view)
{
    return &recipe->look[view < AK_LOOKS ? view : AK_LOOKS - 1];
}

int64_t ak_recipe_size(const ak_recipe *recipe, int view)
{
    return look_of(recipe, (uint32_t)view)->size;
}

// The first step of a look is its crop, whose shorter side may be 3/4 of its longer one.
int64_t ak_recipe_least(const ak_recipe *recipe)
{
    double least = 0;

    for (int i = 0; i < AK_LOOKS; i++) {
        const ak_crop *crop = &recipe->look[i].steps[0].settings.crop;
        double side = crop->plain ? (double)ak_plain_side(&crop->as, crop->size)
                                  : (double)crop->size / sqrt(0.75 * crop->min_scale);

        least = fmax(least, side);
    }
    return (int64_t)ceil(least);
}

static ak_plain plain_of(const ak_recipe *recipe, int64_t image_size)
{
    return (ak_plain){ image_size, recipe ? recipe->plain.share : AK_PLAIN_SHARE };
}

int64_t ak_recipe_plain_least(const ak_recipe *recipe, int64_t image_size)
{
    ak_plain plain = plain_of(recipe, image_size);

    return ak_plain_side(&plain, image_size);
}

int ak_recipe_locals(const ak_recipe *recipe)
{
    return recipe->locals;
}

ak_scratch *ak_scratch_new(void)
{
    return ak_alloc(1, sizeof(ak_scratch));
}

void ak_scratch_free(ak_scratch *scratch)
{
    if (!scratch)
        return;
    ak_canvas_fini(&scratch->canvas);
    free(scratch);
}

void ak_recipe_view(const ak_recipe *recipe, const ak_image *image, uint64_t seed, uint32_t epoch,
                    uint32_t sample, uint32_t view, ak_scratch *scratch, float *out)
{
    ak_rng rng = ak_rng_at(seed, AK_RNG_AUGMENT, epoch, sample, view);
    const ak_look *look = look_of(recipe, view);
    ak_canvas *x = &scratch->canvas;

    x->image = image;
    for (int i = 0; i < look->count; i++) {
        const ak_step *s = &look->steps[i];

        if (s->probability >= 1 || ak_rng_uniform(&rng) < s->probability)
            s->augment->apply(&s->settings, &rng, x);
    }
    ak_canvas_store(x, out);
    x->image = NULL;
}

static void make_plain(const ak_recipe *recipe, const ak_image *image, ak_plain plain, int64_t side,
                       ak_scratch *scratch, float *out)
{
    static const ak_normalize imagenet = AK_NORMALIZE_IMAGENET;
    ak_canvas *x = &scratch->canvas;

    x->image = image;
    ak_plain_crop(x, &plain, recipe ? recipe->filter : AK_BILINEAR, side);
    if (!recipe || recipe->normalized)
        ak_standardize(x, recipe ? &recipe->normalize : &imagenet);
    ak_canvas_store(x, out);
    x->image = NULL;
}

void ak_recipe_plain(const ak_recipe *recipe, const ak_image *image, int64_t image_size,
                     ak_scratch *scratch, float *out)
{
    make_plain(recipe, image, plain_of(recipe, image_size), image_size, scratch, out);
}

void ak_recipe_thumbnail(const ak_recipe *recipe, const ak_image *image, int64_t side,
                         ak_scratch *scratch, float *out)
{
    make_plain(recipe, image, recipe->plain, side, scratch, out);
}

ak_recipe_pixels ak_recipe_prepares(const ak_recipe *recipe)
{
    ak_recipe_pixels pixels = { .normalize = recipe->normalized ? recipe->normalize_name : "none",
                                .interpolation = ak_filter_name(recipe->filter),
                                .crop_pct = recipe->plain.share,
                                .std = { 1, 1, 1 } };

    for (int c = 0; recipe->normalized && c < 3; c++) {
        pixels.mean[c] = recipe->normalize.mean[c];
        pixels.std[c] = recipe->normalize.std[c];
    }
    return pixels;
}

void ak_recipe_bytes(const ak_recipe *recipe, const float *view, int64_t size, uint8_t *out)
{
    const ak_normalize *by = &recipe->normalize;

    for (int64_t i = 0; i < 3 * size * size; i++) {
        double v = (double)view[i];

        if (recipe->normalized)
            v = v * by->std[i % 3] + by->mean[i % 3];
        out[i] = (uint8_t)fmin(fmax(rint(255 * v), 0), 255);
    }
}

void ak_recipes_json(ak_str *text)
{
    ak_option table[AK_RECIPE_OPTIONS];

    ak_str_append(text, "[");
    for (int i = 0; i < KINDS; i++) {
        ak_str_format(text, "%s{\"name\": \"%s\", \"title\": ", i ? ", " : "", kinds[i]->name);
        ak_str_json(text, kinds[i]->title);
        ak_str_format(text, ", \"views\": 2, \"locals\": %d, \"options\": ", kinds[i]->locals);
        ak_recipe_options(kinds[i], table);
        ak_option_json(table, text);
        ak_str_append(text, "}");
    }
    ak_str_append(text, "]");
}
