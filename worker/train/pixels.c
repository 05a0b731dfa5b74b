// worker/train/pixels.c -- how images are prepared for a backbone, as its exported file says.

#include "worker/train/pixels.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/error.h"
#include "proto/format/safetensors.h"
#include "worker/augment/recipe.h"

static akssl_status tell_numbers(ak_spec_pairs *about, const char *key, const double numbers[3])
{
    char text[96];

    snprintf(text, sizeof text, "%g,%g,%g", numbers[0], numbers[1], numbers[2]);
    return ak_spec_pair(about, key, text);
}

// In the fewest digits that read back the same.
static akssl_status tell_number(ak_spec_pairs *about, const char *key, double number)
{
    char text[32];
    int digits = 1;

    do
        snprintf(text, sizeof text, "%.*g", digits, number);
    while (strtod(text, NULL) != number && digits++ < 17);
    return ak_spec_pair(about, key, text);
}

akssl_status ak_pixels_tell(ak_spec_pairs *about, const ak_spec *spec)
{
    ak_recipe *recipe;
    ak_recipe_pixels pixels;
    char size[32];
    akssl_status rc = ak_recipe_new(&recipe, &spec->augment, spec->image_size);

    if (rc < 0)
        return rc;
    pixels = ak_recipe_prepares(recipe);
    ak_recipe_free(recipe);
    snprintf(size, sizeof size, "%" PRId64, spec->image_size);
    rc = ak_spec_pair(about, "image_size", size);
    if (rc == AKSSL_OK)
        rc = ak_spec_pair(about, "normalize", pixels.normalize);
    if (rc == AKSSL_OK)
        rc = ak_spec_pair(about, "interpolation", pixels.interpolation);
    if (rc == AKSSL_OK)
        rc = tell_number(about, "crop_pct", pixels.crop_pct);
    if (rc == AKSSL_OK)
        rc = tell_numbers(about, "normalize_mean", pixels.mean);
    return rc == AKSSL_OK ? tell_numbers(about, "normalize_std", pixels.std) : rc;
}

static akssl_status settle_size(ak_spec *spec, const ak_safetensors *file)
{
    const char *size = ak_safetensors_meta(file, "image_size");

    if (spec->image_size)
        return AKSSL_OK;
    if (!size)
        return ak_fail(AKSSL_ERR_INVALID,
                       "they do not say which size of images they take: give --image-size");
    return ak_spec_set(spec, "image_size", size);
}

static akssl_status settle_pair(ak_spec *spec, const ak_safetensors *file, const char *key)
{
    const char *value = ak_safetensors_meta(file, key);

    return !value || ak_spec_pair_find(&spec->augment, key)
               ? AKSSL_OK
               : ak_spec_pair(&spec->augment, key, value);
}

static akssl_status settle(ak_spec *spec, const ak_safetensors *file)
{
    akssl_status rc = settle_size(spec, file);

    if (rc == AKSSL_OK)
        rc = settle_pair(spec, file, "normalize");
    if (rc == AKSSL_OK)
        rc = settle_pair(spec, file, "interpolation");
    if (rc == AKSSL_OK)
        rc = settle_pair(spec, file, "crop_pct");
    if (rc == AKSSL_OK && !ak_spec_pair_find(&spec->augment, "normalize") &&
        !ak_spec_pair_find(&spec->augment, "recipe"))
        rc = ak_fail(AKSSL_ERR_INVALID, "they do not say how images are normalised: give "
                                        "normalize=NAME (submit: --augment normalize=NAME)");
    return rc;
}

akssl_status ak_pixels_settle(ak_spec *spec)
{
    bool enough = spec->image_size && ak_spec_pair_find(&spec->augment, "normalize");
    ak_safetensors *file;
    akssl_status rc;

    if (enough && ak_spec_pair_find(&spec->augment, "interpolation") &&
        ak_spec_pair_find(&spec->augment, "crop_pct"))
        return AKSSL_OK;
    rc = ak_safetensors_open(&file, spec->weights);
    if (rc < 0 && enough) // whether they can be read is asked elsewhere
        return AKSSL_OK;
    if (rc < 0)
        return ak_wrap(rc, "weights");
    rc = settle(spec, file);
    ak_safetensors_close(file);
    return rc < 0 ? ak_wrap(rc, "weights '%s'", spec->weights) : rc;
}
