// worker/command/views.c -- `akssl-worker views`: a contact sheet of what a recipe makes of images:
// a row an image, with its plain view, the two global views, the local crops.

#include <string.h>

#include "proto/base/error.h"
#include "proto/spec/spec.h"
#include "worker/augment/recipe.h"
#include "worker/command/command.h"
#include "worker/data/dataset.h"
#include "worker/train/sheet.h"

enum { GLOBALS = 2 };

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

static akssl_status draw(const views *v, const ak_recipe *recipe, const ak_dataset *set)
{
    int64_t locals = v->locals < 0 ? ak_recipe_locals(recipe) : v->locals;
    const ak_sheet sheet = { .recipe = recipe,
                             .set = set,
                             .seed = (uint64_t)v->seed,
                             .side = v->image_size,
                             .zoom = v->zoom,
                             .rows = ak_dataset_size(set),
                             .views = GLOBALS + locals };
    akssl_status rc = ak_sheet_write(&sheet, v->out);

    return rc == AKSSL_ERR_LIMIT ? ak_wrap(rc, "lower --images, --locals or --zoom") : rc;
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
        rc = draw(v, recipe, set);
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
