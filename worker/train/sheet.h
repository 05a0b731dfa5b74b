// worker/train/sheet.h -- a contact sheet of augmented views, as a PNG.
//
// A row an image: its plain view, then its views as training makes them in the first epoch; each
// magnified by whole pixels, smaller ones in the middle of their place, with a white edge around.

#ifndef AK_TRAIN_SHEET_H
#define AK_TRAIN_SHEET_H

#include "worker/augment/recipe.h"
#include "worker/data/dataset.h"

typedef struct ak_sheet {
    const ak_recipe *recipe;
    const ak_dataset *set;
    const uint32_t *images; // [rows]; NULL: the first ones
    uint64_t seed;
    int64_t side, zoom; // of a global view in pixels; pixels drawn for one (0: views of 96 or more)
    int64_t rows, views; // images; views of each, behind the plain one
} ak_sheet;

// ak_sheet_cell is the side of a view's place, edge included, in drawn pixels.
int64_t ak_sheet_cell(const ak_sheet *sheet);

// ak_sheet_write draws it to path (worker/image/png.h).  ERR_LIMIT when it would be larger than a
// picture may be; what reading an image gives.
akssl_status ak_sheet_write(const ak_sheet *sheet, const char *path) AKSSL_MUST_CHECK;

#endif
