// worker/augment/build.c -- the options that every recipe has, and the steps that follow from them.

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/error.h"
#include "worker/augment/recipe_kind.h"

typedef struct numbers {
    double min_scale, max_scale, flip, jitter, jitter_prob, gray_prob;
    double blur_prob, blur_min, blur_max, solarize_prob, crop_pct;
    int64_t local_size;
    char *local_scale, *interpolation, *normalize;
} numbers;

static const ak_option options[] = {
    AK_OPTION_FLOAT(numbers, min_scale, 0, 0.001, 1,
                    "smallest share of the area to crop, of global views"),
    AK_OPTION_FLOAT(numbers, max_scale, 0, 0.001, 1,
                    "largest share of the area to crop, of global views"),
    AK_OPTION_INT(numbers, local_size, 0, 0, 1024,
                  "side of local crops, 8 to the image size (0: half, rounded down to even)"),
    AK_OPTION_STRING(numbers, local_scale, "", NULL,
                     "share of the area to crop, of local crops: MIN-MAX"),
    AK_OPTION_FLOAT(numbers, flip, 0, 0, 1, "probability of mirroring"),
    AK_OPTION_FLOAT(numbers, jitter, 0, 0, 0,
                    "strength of the colour jitter, times the recipe's numbers"),
    AK_OPTION_FLOAT(numbers, jitter_prob, 0, 0, 1, "probability of the colour jitter"),
    AK_OPTION_FLOAT(numbers, gray_prob, 0, 0, 1, "probability of losing colour"),
    AK_OPTION_FLOAT(numbers, blur_prob, 0, 0, 1,
                    "probability of blurring; once given, that of every view"),
    AK_OPTION_FLOAT(numbers, blur_min, 0, 0.01, 100, "smallest sigma of the blur, in pixels"),
    AK_OPTION_FLOAT(numbers, blur_max, 0, 0.01, 100, "largest sigma of the blur, in pixels"),
    AK_OPTION_FLOAT(numbers, solarize_prob, 0, 0, 1, "probability of solarising the second view"),
    AK_OPTION_FLOAT(numbers, crop_pct, 0, 0.1, 1,
                    "share of the shorter side that evaluations see of a photograph"),
    AK_OPTION_STRING(numbers, interpolation, "", "bilinear|bicubic", "how images are resized"),
    AK_OPTION_STRING(numbers, normalize, "", "imagenet|cifar10|cifar100|stl10|none",
                     "whose mean and standard deviation are taken out"),
    AK_OPTION_END,
};

static const struct {
    const char *name;
    ak_normalize by;
} normalizations[] = {
    { "imagenet", AK_NORMALIZE_IMAGENET },
    { "cifar10", { { 0.4914, 0.4822, 0.4465 }, { 0.2470, 0.2435, 0.2616 } } },
    { "cifar100", { { 0.5071, 0.4865, 0.4409 }, { 0.2673, 0.2564, 0.2762 } } },
    { "stl10", { { 0.4914, 0.4823, 0.4466 }, { 0.247, 0.243, 0.261 } } },
};

static const double least_share = 0.001, most_hue = 0.5;

static double strongest(const ak_recipe_kind *kind)
{
    return most_hue / fmax(kind->jitter[0][3], kind->jitter[1][3]);
}

const char *ak_filter_name(ak_filter filter)
{
    return filter == AK_BICUBIC ? "bicubic" : "bilinear";
}

void ak_recipe_options(const ak_recipe_kind *kind, ak_option table[AK_RECIPE_OPTIONS])
{
    const numbers own = {
        .min_scale = kind->scale[0],
        .max_scale = kind->scale[1],
        .flip = kind->flip,
        .jitter = 1,
        .jitter_prob = kind->jitter_prob,
        .gray_prob = kind->gray_prob,
        .blur_prob = kind->blur_prob[0],
        .blur_min = 0.1,
        .blur_max = 2,
        .solarize_prob = kind->solarize_prob[1],
        .crop_pct = AK_PLAIN_SHARE,
    };

    static_assert(sizeof options / sizeof *options <= AK_RECIPE_OPTIONS, "room for all options");
    memcpy(table, options, sizeof options);
    for (ak_option *row = table; row->name; row++)
        if (row->type == AK_OPTION_TYPE_FLOAT)
            row->initial = *(const double *)((const char *)&own + row->offset);
        else if (row->offset == offsetof(numbers, local_scale))
            row->initial_string = kind->local_scale;
        else if (row->offset == offsetof(numbers, interpolation))
            row->initial_string = ak_filter_name(kind->filter);
        else if (row->offset == offsetof(numbers, normalize))
            row->initial_string = kind->normalize;
    for (ak_option *row = table; row->name; row++)
        if (row->offset == offsetof(numbers, jitter))
            row->max = strongest(kind);
}

static bool given(const ak_spec_pairs *pairs, const char *name)
{
    for (int i = 0; i < pairs->count; i++)
        if (ak_option_same_name(pairs->keys[i], name))
            return true;
    return false;
}

static akssl_status read_pairs(const ak_option *table, numbers *o, const ak_spec_pairs *pairs)
{
    for (int i = 0; i < pairs->count; i++) {
        akssl_status rc;

        if (strcmp(pairs->keys[i], "recipe") == 0)
            continue;
        rc = ak_option_set(table, o, pairs->keys[i], pairs->values[i]);
        if (rc < 0)
            return rc;
    }
    return AKSSL_OK;
}

static akssl_status read_range(const char *text, double range[2])
{
    char *end, *last;

    range[0] = strtod(text, &end);
    range[1] = *end == '-' ? strtod(end + 1, &last) : 0;
    if (end == text || *end != '-' || last == end + 1 || *last || !(range[0] >= least_share) ||
        !(range[1] <= 1) || !(range[0] <= range[1]))
        return ak_fail(AKSSL_ERR_INVALID,
                       "local_scale '%.64s': give MIN-MAX, each %g to 1, such as 0.05-0.4", text,
                       least_share);
    return AKSSL_OK;
}

static akssl_status settle_size(const ak_recipe_kind *kind, int64_t image_size, int64_t *size)
{
    if (*size == 0) {
        int64_t half = image_size / 2 & ~INT64_C(1);

        *size = image_size == kind->size_as[0] ? kind->size_as[1] : half < 8 ? 8 : half;
    }
    if (*size < 8 || *size > image_size)
        return ak_fail(AKSSL_ERR_INVALID,
                       "local_size %" PRId64 ": give 8 to the image size, %" PRId64, *size,
                       image_size);
    return AKSSL_OK;
}

static akssl_status check(const numbers *o)
{
    if (o->min_scale > o->max_scale)
        return ak_fail(AKSSL_ERR_INVALID, "min_scale %g is over max_scale %g", o->min_scale,
                       o->max_scale);
    if (o->blur_min > o->blur_max)
        return ak_fail(AKSSL_ERR_INVALID, "blur_min %g is over blur_max %g", o->blur_min,
                       o->blur_max);
    return AKSSL_OK;
}

static void add(ak_look *look, const ak_augment *augment, double probability, ak_settings settings)
{
    assert(look->count < AK_STEPS);
    look->steps[look->count++] = (ak_step){ augment, probability, settings };
}

// The random choices of a view are drawn step by step: an order is part of a recipe's bits.
static void list(ak_look *look, const ak_recipe_kind *kind, const numbers *o, ak_crop crop, int at,
                 double blur_prob)
{
    const double *jitter = kind->jitter[at == 2];
    double solarize_prob = at == 1 ? o->solarize_prob : kind->solarize_prob[at];
    int64_t kernel = kind->narrow_blur ? crop.size / 20 * 2 + 1 : 0;

    look->size = crop.size;
    add(look, &ak_augment_crop, 1, (ak_settings){ .crop = crop });
    if (!kind->flip_last)
        add(look, &ak_augment_flip, o->flip, (ak_settings){ 0 });
    add(look, &ak_augment_jitter, o->jitter_prob,
        (ak_settings){ .jitter = { .brightness = jitter[0] * o->jitter,
                                   .contrast = jitter[1] * o->jitter,
                                   .saturation = jitter[2] * o->jitter,
                                   .hue = fmin(jitter[3] * o->jitter, most_hue) } });
    add(look, &ak_augment_grayscale, o->gray_prob, (ak_settings){ 0 });
    add(look, &ak_augment_blur, blur_prob,
        (ak_settings){ .blur = { kernel, o->blur_min, o->blur_max } });
    if (solarize_prob > 0)
        add(look, &ak_augment_solarize, solarize_prob, (ak_settings){ .solarize = { 0.5 } });
    if (kind->flip_last)
        add(look, &ak_augment_flip, o->flip, (ak_settings){ 0 });
}

static void set_normalize(ak_recipe *recipe, const char *name)
{
    for (size_t i = 0; i < sizeof normalizations / sizeof *normalizations; i++)
        if (strcmp(normalizations[i].name, name) == 0) {
            recipe->normalized = true;
            recipe->normalize = normalizations[i].by;
            recipe->normalize_name = normalizations[i].name;
        }
    for (int at = 0; recipe->normalized && at < AK_LOOKS; at++)
        add(&recipe->look[at], &ak_augment_normalize, 1,
            (ak_settings){ .normalize = recipe->normalize });
}

static akssl_status settle(ak_recipe *recipe, const ak_recipe_kind *kind, numbers *o,
                           const ak_spec_pairs *pairs, int64_t image_size)
{
    bool bicubic = strcmp(o->interpolation, "bicubic") == 0;
    double local[2] = { 0 };
    akssl_status rc = check(o);

    if (rc == AKSSL_OK)
        rc = read_range(o->local_scale, local);
    if (rc == AKSSL_OK)
        rc = settle_size(kind, image_size, &o->local_size);
    if (rc < 0)
        return rc;
    recipe->filter = bicubic ? AK_BICUBIC : AK_BILINEAR;
    recipe->plain = (ak_plain){ image_size, o->crop_pct };
    for (int at = 0; at < AK_LOOKS; at++) {
        bool scaled = at == 2 ? given(pairs, "local_scale")
                              : given(pairs, "min_scale") || given(pairs, "max_scale");
        ak_crop crop = { .size = at == 2 ? o->local_size : image_size,
                         .min_scale = at == 2 ? local[0] : o->min_scale,
                         .max_scale = at == 2 ? local[1] : o->max_scale,
                         .plain = kind->plain && !scaled,
                         .as = recipe->plain,
                         .filter = recipe->filter };

        list(&recipe->look[at], kind, o, crop, at,
             given(pairs, "blur_prob") ? o->blur_prob : kind->blur_prob[at]);
    }
    set_normalize(recipe, o->normalize);
    return AKSSL_OK;
}

akssl_status ak_recipe_build(ak_recipe *recipe, const ak_recipe_kind *kind,
                             const ak_spec_pairs *pairs, int64_t image_size)
{
    ak_option table[AK_RECIPE_OPTIONS];
    numbers o = { 0 };
    akssl_status rc;

    ak_recipe_options(kind, table);
    ak_option_defaults(table, &o);
    rc = read_pairs(table, &o, pairs);
    if (rc == AKSSL_OK)
        rc = settle(recipe, kind, &o, pairs, image_size);
    ak_option_fini(table, &o);
    return rc;
}
