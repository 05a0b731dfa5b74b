// worker/command/views.c -- `akssl-worker views`: a contact sheet of what a recipe makes of images.
//
// A row an image: its plain view, the two global views, the local crops; each magnified by whole
// pixels, with a white edge around it.

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "proto/spec/spec.h"
#include "worker/augment/recipe.h"
#include "worker/command/command.h"
#include "worker/data/dataset.h"
#include "worker/image/png.h"

enum { EDGE = 2, COMFORTABLE = 96, GLOBALS = 2 };

typedef struct views {
    char *dataset, *split, *recipe, *augment, *out;
    int64_t image_size, images, locals, seed, zoom;
} views;

static const ak_option options[] = {
    AK_OPTION_STRING(views, dataset, "fashion-mnist", NULL, "images: KIND or KIND:WHERE"),
    AK_OPTION_STRING(views, split, "train", "train|test", "which part of it"),
    AK_OPTION_STRING(views, recipe, "", NULL, "the augmentation's name (default: simclr)"),
    AK_OPTION_STRING(views, augment, "", NULL, "its options, key=value; may be given again"),
    AK_OPTION_STRING(views, out, "", NULL, "PNG to write"),
    AK_OPTION_INT(views, image_size, 32, 8, 1024, "side of a global view in pixels"),
    AK_OPTION_INT(views, images, 8, 1, 1024, "rows of the sheet: the first N images"),
    AK_OPTION_INT(views, locals, -1, -1, 64, "local crops in a row (-1: as many as the paper)"),
    AK_OPTION_INT(views, seed, 0, 0, 9007199254740992, "seed of the random choices"),
    AK_OPTION_INT(views, zoom, 0, 0, 32, "magnification (0: views of 96 pixels or more)"),
    AK_OPTION_END,
};

typedef struct sheet {
    const ak_recipe *recipe;
    uint64_t seed;
    int64_t side, zoom, cell;             // of a tile, magnified by, with its edge
    int64_t rows, columns, height, width; // tiles and pixels
    uint8_t *pixels, *tile;               // (height, width, 3), (side, side, 3)
    float *view;
    ak_scratch *scratch;
} sheet;

// Copies the tile's size x size pixels, magnified, into a cell of the sheet.
static void place(sheet *s, int64_t row, int64_t column, int64_t size)
{
    int64_t shift = EDGE + (s->side - size) / 2 * s->zoom, n = size * s->zoom;
    uint8_t *corner =
        s->pixels + 3 * ((row * s->cell + shift) * s->width + column * s->cell + shift);

    for (int64_t y = 0; y < n; y++)
        for (int64_t x = 0; x < n; x++)
            memcpy(corner + 3 * (y * s->width + x),
                   s->tile + 3 * (y / s->zoom * size + x / s->zoom), 3);
}

static void draw(sheet *s, int64_t row, const ak_image *image)
{
    for (int64_t column = 0; column < s->columns; column++) {
        int64_t view = column - 1, size = view < 0 ? s->side : ak_recipe_size(s->recipe, (int)view);

        if (view < 0)
            ak_recipe_plain(s->recipe, image, size, s->scratch, s->view);
        else
            ak_recipe_view(s->recipe, image, s->seed, 0, (uint32_t)row, (uint32_t)view, s->scratch,
                           s->view);
        ak_recipe_bytes(s->recipe, s->view, size, s->tile);
        place(s, row, column, size);
    }
}

static akssl_status prepare(sheet *s, const views *v, int64_t images)
{
    int64_t locals = v->locals < 0 ? ak_recipe_locals(s->recipe) : v->locals;

    s->side = v->image_size;
    s->zoom = v->zoom ? v->zoom : (COMFORTABLE + s->side - 1) / s->side;
    s->cell = s->side * s->zoom + 2 * EDGE;
    s->rows = images;
    s->columns = 1 + GLOBALS + locals;
    s->height = s->rows * s->cell;
    s->width = s->columns * s->cell;
    if (s->height * s->width > AK_PNG_MOST)
        return ak_fail(AKSSL_ERR_LIMIT,
                       "a sheet of %" PRId64 " x %" PRId64
                       " pixels is too large: lower --images, --locals or --zoom",
                       s->width, s->height);
    s->pixels = ak_try_alloc((size_t)(s->height * s->width), 3);
    s->tile = ak_alloc((size_t)(s->side * s->side), 3);
    s->view = ak_alloc((size_t)(s->side * s->side), 3 * sizeof *s->view);
    s->scratch = ak_scratch_new();
    if (!s->pixels)
        return AKSSL_ERR_NO_MEMORY;
    memset(s->pixels, 255, (size_t)(s->height * s->width * 3));
    return AKSSL_OK;
}

static akssl_status write(const views *v, const ak_recipe *recipe, const ak_dataset *set)
{
    sheet s = { .recipe = recipe, .seed = (uint64_t)v->seed };
    akssl_status rc = prepare(&s, v, ak_dataset_size(set));
    int64_t least = ak_recipe_least(recipe);
    ak_reading reading = { 0 };

    for (int64_t row = 0; rc == AKSSL_OK && row < s.rows; row++) {
        ak_image image;

        rc = ak_dataset_read(set, row, least, &reading, &image);
        if (rc == AKSSL_OK)
            draw(&s, row, &image);
    }
    ak_reading_fini(&reading);
    if (rc == AKSSL_OK)
        rc = ak_png_write(v->out, s.pixels, s.height, s.width);
    ak_scratch_free(s.scratch);
    free(s.pixels);
    free(s.tile);
    free(s.view);
    return rc;
}

static akssl_status make_recipe(ak_recipe **out, const views *v)
{
    akssl_status rc = AKSSL_OK;
    ak_spec spec;

    ak_spec_init(&spec);
    if (v->augment[0])
        rc = ak_spec_set(&spec, "augment", v->augment);
    if (rc == AKSSL_OK && v->recipe[0])
        rc = ak_spec_pair(&spec.augment, "recipe", v->recipe);
    if (rc == AKSSL_OK)
        rc = ak_recipe_new(out, &spec.augment, v->image_size);
    ak_spec_fini(&spec);
    return rc;
}

static int run(void *self)
{
    const views *v = self;
    ak_split split = strcmp(v->split, "train") == 0 ? AK_SPLIT_TRAIN : AK_SPLIT_TEST;
    ak_recipe *recipe = NULL;
    ak_dataset *set = NULL;
    akssl_status rc;

    if (!v->out[0])
        rc = ak_fail(AKSSL_ERR_INVALID, "views needs --out FILE");
    else
        rc = make_recipe(&recipe, v);
    if (rc == AKSSL_OK)
        rc = ak_dataset_open(
            &set, &(ak_dataset_ask){ .name = v->dataset, .split = split, .limit = v->images });
    if (rc == AKSSL_OK)
        rc = write(v, recipe, set);
    ak_dataset_close(set);
    ak_recipe_free(recipe);
    return ak_command_exit(rc);
}

const ak_command ak_command_views = {
    .name = "views",
    .help = "draw a contact sheet of augmented views",
    .options = options,
    .self_size = sizeof(views),
    .run = run,
};
