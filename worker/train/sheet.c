// worker/train/sheet.c -- a contact sheet of augmented views.

#include "worker/train/sheet.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "worker/image/png.h"

enum { EDGE = 2, COMFORTABLE = 96 };

typedef struct drawing {
    const ak_sheet *sheet;
    int64_t zoom, cell;
    int64_t columns, height, width; // views, the plain one included; pixels
    int64_t least;                  // side that an image keeps for training's views
    uint8_t *pixels, *tile;         // (height, width, 3), (side, side, 3)
    float *view;
    ak_scratch *scratch;
} drawing;

static int64_t zoom_of(const ak_sheet *s)
{
    return s->zoom ? s->zoom : (COMFORTABLE + s->side - 1) / s->side;
}

int64_t ak_sheet_cell(const ak_sheet *s)
{
    return s->side * zoom_of(s) + 2 * EDGE;
}

// Copies the tile's size x size pixels, magnified, into a cell of the sheet.
static void place(drawing *d, int64_t row, int64_t column, int64_t size)
{
    int64_t shift = EDGE + (d->sheet->side - size) / 2 * d->zoom, n = size * d->zoom;
    uint8_t *corner =
        d->pixels + 3 * ((row * d->cell + shift) * d->width + column * d->cell + shift);

    for (int64_t y = 0; y < n; y++)
        for (int64_t x = 0; x < n; x++)
            memcpy(corner + 3 * (y * d->width + x),
                   d->tile + 3 * (y / d->zoom * size + x / d->zoom), 3);
}

// The plain view is drawn from what an evaluation reads, the others from what training reads.
static akssl_status draw(drawing *d, int64_t row, uint32_t sample, ak_reading *reading)
{
    const ak_sheet *s = d->sheet;
    int64_t least = ak_recipe_plain_least(s->recipe, s->side);

    for (int64_t column = 0; column < d->columns; column++) {
        int64_t view = column - 1, size = view < 0 ? s->side : ak_recipe_size(s->recipe, (int)view);
        ak_image image;
        akssl_status rc =
            ak_dataset_read(s->set, sample, view < 0 ? least : d->least, reading, &image);

        if (rc < 0)
            return rc;
        if (view < 0)
            ak_recipe_plain(s->recipe, &image, size, d->scratch, d->view);
        else
            ak_recipe_view(s->recipe, &image, s->seed, 0, sample, (uint32_t)view, d->scratch,
                           d->view);
        ak_recipe_bytes(s->recipe, d->view, size, d->tile);
        place(d, row, column, size);
    }
    return AKSSL_OK;
}

static akssl_status prepare(drawing *d)
{
    const ak_sheet *s = d->sheet;

    d->zoom = zoom_of(s);
    d->cell = ak_sheet_cell(s);
    d->columns = 1 + s->views;
    d->height = s->rows * d->cell;
    d->width = d->columns * d->cell;
    d->least = ak_recipe_least(s->recipe);
    if (d->height * d->width > AK_PNG_MOST)
        return ak_fail(AKSSL_ERR_LIMIT, "a sheet of %" PRId64 " x %" PRId64 " pixels is too large",
                       d->width, d->height);
    d->pixels = ak_try_alloc((size_t)(d->height * d->width), 3);
    d->tile = ak_alloc((size_t)(s->side * s->side), 3);
    d->view = ak_alloc((size_t)(s->side * s->side), 3 * sizeof *d->view);
    d->scratch = ak_scratch_new();
    if (!d->pixels)
        return AKSSL_ERR_NO_MEMORY;
    memset(d->pixels, 255, (size_t)(d->height * d->width * 3));
    return AKSSL_OK;
}

akssl_status ak_sheet_write(const ak_sheet *s, const char *path)
{
    drawing d = { .sheet = s };
    akssl_status rc = prepare(&d);
    ak_reading reading = { 0 };

    for (int64_t row = 0; rc == AKSSL_OK && row < s->rows; row++)
        rc = draw(&d, row, s->images ? s->images[row] : (uint32_t)row, &reading);
    ak_reading_fini(&reading);
    if (rc == AKSSL_OK)
        rc = ak_png_write(path, d.pixels, d.height, d.width);
    ak_scratch_free(d.scratch);
    free(d.pixels);
    free(d.tile);
    free(d.view);
    return rc;
}
