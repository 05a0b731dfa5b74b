// tests/unit/worker/augment/build.c -- tests the options of every recipe, at their ends and beyond.

#include "tests/unit/worker/augment/kinds.h"

static void check_views(const ak_recipe *recipe, const char *what)
{
    ak_image image = ramp();
    static float out[ROOM];

    for (uint32_t view = 0; view < 4; view++) {
        int64_t size = ak_recipe_size(recipe, (int)view), n = 3 * size * size;

        for (uint32_t sample = 0; sample < 3; sample++) {
            ck_assert_int_lt(n, ROOM);
            out[n] = 77;
            draw(recipe, &image, sample, view, out);
            for (int64_t i = 0; i < n; i++)
                if (!(out[i] > -3 && out[i] < 3)) // NaN too
                    ck_abort_msg("%s: value %g", what, (double)out[i]);
            ck_assert_msg(out[n] == 77, "%s: a view of more than %d x %d", what, (int)size,
                          (int)size);
        }
    }
}

// One option of one recipe: it makes views, or is refused in a sentence that names the option.
static void try(const ak_recipe_kind *kind, const char *name, const char *value, bool must_fail)
{
    ak_recipe *recipe = NULL;
    char word[128];
    akssl_status rc;

    snprintf(word, sizeof word, "%s=%s", name, value);
    rc = make(&recipe, kind->name, S, WORDS(word));
    if (rc == AKSSL_OK) {
        ck_assert_msg(!must_fail, "%s takes %s", kind->name, word);
        check_views(recipe, word);
        ak_recipe_free(recipe);
        return;
    }
    ck_assert_msg(rc == AKSSL_ERR_INVALID, "%s %s: %s", kind->name, word, ak_error_text());
    ck_assert_msg(strstr(ak_error_text(), name) != NULL, "%s %s: %s", kind->name, word,
                  ak_error_text());
    ck_assert_ptr_null(recipe);
}

static void try_number(const ak_recipe_kind *kind, const ak_option *row, double value,
                       bool must_fail)
{
    char text[64];

    snprintf(text, sizeof text, "%.17g", value);
    try(kind, row->name, text, must_fail);
}

static void try_choices(const ak_recipe_kind *kind, const ak_option *row)
{
    char word[32];
    int length;

    for (const char *at = row->choices; *at; at += length + (at[length] == '|')) {
        length = (int)strcspn(at, "|");
        snprintf(word, sizeof word, "%.*s", length, at);
        try(kind, row->name, word, false);
    }
    try(kind, row->name, "nearest", true);
}

static void try_table(const ak_recipe_kind *kind)
{
    ak_option table[AK_RECIPE_OPTIONS];

    ak_recipe_options(kind, table);
    for (const ak_option *row = table; row->name; row++) {
        if (row->type == AK_OPTION_TYPE_STRING && row->choices) {
            try_choices(kind, row);
        } else if (row->type != AK_OPTION_TYPE_STRING) {
            ck_assert(row->initial >= row->min && row->initial <= row->max);
            try_number(kind, row, row->min, false);
            try_number(kind, row, row->max, false);
            try_number(kind, row, row->min - 0.1, true);
            try_number(kind, row, row->max + 0.1, true);
        }
    }
}

START_TEST(options_at_their_ends)
{
    for (int i = 0; i < KINDS; i++)
        try_table(kinds[i]);
}
END_TEST

static void try_locals(const ak_recipe_kind *kind)
{
    static const char *const bad[] = { "",      "0.4",     "0.4-",     "-0.4",        "0.4-0.3",
                                       "0-0.4", "0.1-1.1", "0.1-0.2x", "0.1-0.2-0.3", "a-b",
                                       "nan-1", "0.1-inf" };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        try(kind, "local_scale", bad[i], true);
    try(kind, "local_scale", "0.001-0.001", false);
    try(kind, "local_scale", "0.001-1", false);
    try(kind, "local_scale", "1-1", false);
    try(kind, "local_scale", "1e-2-5e-1", false);
    try(kind, "local_size", "7", true);
    try(kind, "local_size", "8", false);
    try(kind, "local_size", "32", false);
    try(kind, "local_size", "33", true);
}

static void try_pair(const char *name, const char *const *words)
{
    ak_recipe *recipe = made(name, words);

    check_views(recipe, words[0]);
    ak_recipe_free(recipe);
}

START_TEST(local_crops_and_pairs)
{
    for (int i = 0; i < KINDS; i++) {
        try_locals(kinds[i]);
        try_pair(kinds[i]->name, WORDS("blur_min=100", "blur_max=100", "blur_prob=1"));
        try_pair(kinds[i]->name, WORDS("min_scale=0.001", "max_scale=0.001"));
    }
}
END_TEST

START_TEST(sizes)
{
    static const struct {
        const char *name;
        int64_t image, local;
    } rows[] = {
        { "simclr", 32, 16 },          { "simclr", 8, 8 },  { "simclr", 27, 12 },
        { "simclr", 224, 112 },        { "dino", 224, 96 }, { "dino", 32, 16 },
        { "swav", 224, 96 },           { "swav", 96, 48 },  { "cifar_multicrop", 32, 18 },
        { "cifar_multicrop", 64, 32 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ak_recipe *recipe;

        ck_assert_int_eq(make(&recipe, rows[i].name, rows[i].image, NULL), 0);
        for (int view = 0; view < 12; view++)
            ck_assert_int_eq(ak_recipe_size(recipe, view),
                             view < 2 ? rows[i].image : rows[i].local);
        ak_recipe_free(recipe);
        ck_assert_int_eq(make(&recipe, rows[i].name, rows[i].image, WORDS("local-size=8")), 0);
        ck_assert_int_eq(ak_recipe_size(recipe, 1), rows[i].image);
        ck_assert_int_eq(ak_recipe_size(recipe, 2), 8);
        ak_recipe_free(recipe);
    }
}
END_TEST

START_TEST(normalisations)
{
    static const struct {
        const char *name;
        double mean[3], std[3];
    } rows[] = {
        { "imagenet", { 0.485, 0.456, 0.406 }, { 0.229, 0.224, 0.225 } },
        { "cifar10", { 0.4914, 0.4822, 0.4465 }, { 0.2470, 0.2435, 0.2616 } },
        { "cifar100", { 0.5071, 0.4865, 0.4409 }, { 0.2673, 0.2564, 0.2762 } },
        { "stl10", { 0.4914, 0.4823, 0.4466 }, { 0.247, 0.243, 0.261 } },
        { "none", { 0, 0, 0 }, { 1, 1, 1 } },
    };
    ak_scratch *scratch = ak_scratch_new();
    ak_image image = even(51);
    static float out[ROOM];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char word[64];
        ak_recipe *recipe;

        snprintf(word, sizeof word, "normalize=%s", rows[i].name);
        recipe = made("crop-flip", WORDS(word));
        for (int plain = 0; plain < 2; plain++) {
            if (plain)
                ak_recipe_plain(recipe, &image, S, scratch, out);
            else
                draw(recipe, &image, 0, 0, out);
            for (int k = 0; k < 3 * S * S; k++)
                ck_assert_double_eq_tol((double)out[k],
                                        (0.2 - rows[i].mean[k % 3]) / rows[i].std[k % 3], 1e-5);
        }
        ak_recipe_free(recipe);
    }
    ak_scratch_free(scratch);
}
END_TEST

// The interpolation of views and of the plain view is ak_resample's of that name.
START_TEST(interpolation)
{
    static const char *const words[] = { "interpolation=bilinear", "interpolation=bicubic" };
    ak_scratch *scratch = ak_scratch_new();
    static float out[ROOM], planes[ROOM];
    ak_resample_room room = { 0 };
    ak_image image = ramp();

    for (int filter = AK_BILINEAR; filter <= AK_BICUBIC; filter++) {
        ak_recipe *recipe = made("none", WORDS(words[filter], "normalize=none"));

        ak_resample_part(&image, (ak_box){ 0, 0, SIDE, SIDE }, (ak_filter)filter, &room,
                         (float *const[]){ planes, planes + S * S, planes + 2 * S * S }, S + 4,
                         S + 4, (ak_box){ 2, 2, S, S });
        for (int plain = 0; plain < 2; plain++) {
            if (plain)
                ak_recipe_plain(recipe, &image, S, scratch, out);
            else
                draw(recipe, &image, 0, 1, out);
            for (int i = 0; i < S * S; i++)
                for (int c = 0; c < 3; c++)
                    ck_assert(out[3 * i + c] == planes[c * S * S + i]);
        }
        ak_recipe_free(recipe);
    }
    ak_resample_room_fini(&room);
    ak_scratch_free(scratch);
}
END_TEST

START_TEST(names)
{
    ak_recipe *recipe = NULL;

    ak_recipe_free(made("moco-v2", NULL));
    ak_recipe_free(made("cifar-symmetric_weak", NULL));
    ck_assert_int_eq(make(&recipe, "mocov2", S, NULL), AKSSL_ERR_NOT_FOUND);
    for (int i = 0; i < KINDS; i++)
        ck_assert_ptr_nonnull(strstr(ak_error_text(), kinds[i]->name));
    ck_assert_int_eq(ak_recipe_locals(recipe = made("dino", NULL)), 8);
    ak_recipe_free(recipe);
}
END_TEST

AK_TEST_MAIN(AK_CASE(options_at_their_ends), AK_CASE(local_crops_and_pairs), AK_CASE(sizes),
             AK_CASE(normalisations), AK_CASE(interpolation), AK_CASE(names))
