// worker/augment/recipe.c -- builds a recipe from its options and makes views with it.

#include "worker/augment/recipe.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

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

enum { KINDS = sizeof kinds / sizeof *kinds, MAX_STEPS = 32 };

typedef struct step {
    const ak_augment *augment;
    unsigned views; // bit v: part of view v
    double probability;
    void *settings;
} step;

struct ak_recipe {
    const ak_recipe_kind *kind;
    step steps[MAX_STEPS];
    int count;
};

struct ak_scratch {
    ak_canvas canvas;
};

static const ak_recipe_kind *find(const char *name)
{
    for (int i = 0; i < KINDS; i++)
        if (strcmp(kinds[i]->name, name) == 0)
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

static akssl_status set_options(const ak_recipe_kind *kind, void *self, const ak_spec_pairs *pairs)
{
    for (int i = 0; i < pairs->count; i++) {
        akssl_status rc;

        if (strcmp(pairs->keys[i], "recipe") == 0)
            continue;
        rc = ak_option_set(kind->options, self, pairs->keys[i], pairs->values[i]);
        if (rc < 0)
            return rc;
    }
    return AKSSL_OK;
}

akssl_status ak_recipe_new(ak_recipe **out, const ak_spec_pairs *augment, int64_t image_size)
{
    const char *name = ak_spec_pair_find(augment, "recipe");
    const ak_recipe_kind *kind = find(name ? name : "simclr");
    ak_recipe *recipe;
    void *self;
    akssl_status rc;

    if (!kind)
        return unknown(name);
    recipe = ak_alloc(1, sizeof *recipe);
    recipe->kind = kind;
    self = ak_alloc(1, kind->self_size);
    ak_option_defaults(kind->options, self);
    rc = set_options(kind, self, augment);
    if (rc == AKSSL_OK)
        rc = kind->build(self, recipe, image_size);
    ak_option_fini(kind->options, self);
    free(self);
    if (rc < 0) {
        ak_recipe_free(recipe);
        return ak_wrap(rc, "augment");
    }
    *out = recipe;
    return AKSSL_OK;
}

void ak_recipe_step(ak_recipe *recipe, unsigned views, const ak_augment *augment,
                    double probability, const void *settings)
{
    step *s = &recipe->steps[recipe->count++];

    assert(recipe->count <= MAX_STEPS);
    *s = (step){ augment, views, probability, ak_alloc(1, augment->self_size) };
    memcpy(s->settings, settings, augment->self_size);
}

void ak_recipe_free(ak_recipe *recipe)
{
    if (!recipe)
        return;
    for (int i = 0; i < recipe->count; i++)
        free(recipe->steps[i].settings);
    free(recipe);
}

int ak_recipe_views(const ak_recipe *recipe)
{
    return recipe->kind->views;
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
    ak_canvas *x = &scratch->canvas;

    x->image = image;
    for (int i = 0; i < recipe->count; i++) {
        const step *s = &recipe->steps[i];

        if (!(s->views >> view & 1))
            continue;
        if (s->probability >= 1 || ak_rng_uniform(&rng) < s->probability)
            s->augment->apply(s->settings, &rng, x);
    }
    ak_canvas_store(x, out);
    x->image = NULL;
}

void ak_recipe_plain(const ak_image *image, int64_t image_size, ak_scratch *scratch, float *out)
{
    static const ak_normalize imagenet = AK_NORMALIZE_IMAGENET;
    ak_canvas *x = &scratch->canvas;

    x->image = image;
    ak_resized_crop(x, (ak_box){ 0, 0, image->height, image->width }, image_size, image_size);
    ak_standardize(x, &imagenet);
    ak_canvas_store(x, out);
    x->image = NULL;
}

void ak_recipes_json(ak_str *text)
{
    ak_str_append(text, "[");
    for (int i = 0; i < KINDS; i++) {
        ak_str_format(text, "%s{\"name\": \"%s\", \"title\": ", i ? ", " : "", kinds[i]->name);
        ak_str_json(text, kinds[i]->title);
        ak_str_format(text, ", \"views\": %d, \"options\": ", kinds[i]->views);
        ak_option_json(kinds[i]->options, text);
        ak_str_append(text, "}");
    }
    ak_str_append(text, "]");
}
