// tests/unit/worker/train/pictures.c -- tests worker/train/pictures.c: what a map says of a set.

#include "worker/train/pictures.h"

#include <signal.h>
#include <sys/resource.h>

#include <jansson.h>

#include "tests/unit/worker/image/png.h"
#include "tests/unit/worker/train/labelled.h"
#include "worker/augment/recipe.h"
#include "worker/train/data.h"

enum { IMAGES = 64, CLASSES = 4, SIDE = AK_LABELLED_SIDE, COLUMNS = 40 };

static ak_session session_of(const ak_labelled *l)
{
    return (ak_session){ .spec = &l->spec, .comm = l->comm, .folder = l->folder };
}

static char *path_of(const ak_labelled *l, const char *name)
{
    ak_str path = AK_STR_INIT;

    ak_str_format(&path, "%s/pictures/%s", l->folder, name);
    return ak_str_take(&path);
}

static void draw_map(const ak_session *session, const char *weights)
{
    ak_outcome outcome = { 0 };

    ak_rig_ok(ak_pictures_map(session, weights, &outcome));
    ck_assert(!outcome.unwritten);
}

static json_t *read_map(const ak_labelled *l)
{
    char *path = path_of(l, "map.json");
    json_error_t error;
    json_t *map = json_load_file(path, 0, &error);

    ck_assert_msg(map != NULL, "%s: %s", path, error.text);
    free(path);
    return map;
}

static int64_t number(const json_t *map, const char *list, size_t i)
{
    return json_integer_value(json_array_get(json_object_get(map, list), i));
}

START_TEST(a_map_of_all_images)
{
    ak_labelled l = ak_labelled_job("embed");
    ak_session session = session_of(&l);
    static const char *const axes[] = { "x", "y", "tsne_x", "tsne_y" };
    json_t *map;

    draw_map(&session, l.spec.weights);
    map = read_map(&l);
    ck_assert_int_eq(json_integer_value(json_object_get(map, "images")), IMAGES);
    ck_assert_int_eq(json_integer_value(json_object_get(map, "of")), IMAGES);
    ck_assert_int_eq(json_integer_value(json_object_get(map, "side")), SIDE);
    ck_assert_uint_eq(json_array_size(json_object_get(map, "classes")), CLASSES);
    for (size_t i = 0; i < IMAGES; i++) {
        const json_t *near = json_array_get(json_object_get(map, "neighbours"), i);
        const json_t *cosine = json_array_get(json_object_get(map, "cosine"), i);

        ck_assert_int_eq(number(map, "index", i), i);
        ck_assert_int_eq(number(map, "label", i), i % CLASSES);
        for (size_t axis = 0; axis < 4; axis++)
            ck_assert(json_is_number(json_array_get(json_object_get(map, axes[axis]), i)));
        ck_assert_uint_eq(json_array_size(near), AK_PICTURES_NEIGHBOURS);
        ck_assert_uint_eq(json_array_size(cosine), AK_PICTURES_NEIGHBOURS);
        ck_assert_int_lt(json_integer_value(json_array_get(near, 0)), IMAGES);
    }
    json_decref(map);
    ak_labelled_end(&l);
}
END_TEST

// Each thumbnail is its image as evaluations see it.
START_TEST(thumbnails_are_the_images)
{
    ak_labelled l = ak_labelled_job("embed");
    ak_session session = session_of(&l);
    char *path = path_of(&l, "thumbnails.png");
    static float view[3 * SIDE * SIDE];
    uint8_t *pixels, want[3 * SIDE * SIDE];
    ak_scratch *scratch = ak_scratch_new();
    ak_reading reading = { 0 };
    int64_t height, width;
    ak_recipe *recipe;
    ak_dataset *set;

    draw_map(&session, l.spec.weights);
    pixels = ak_test_png(path, &height, &width);
    ck_assert_int_eq(width, COLUMNS * SIDE);
    ck_assert_int_eq(height, 2 * SIDE);
    ak_rig_ok(ak_data_open(&set, &l.spec, AK_SPLIT_TRAIN));
    ak_rig_ok(ak_recipe_new(&recipe, &l.spec.augment, SIDE));
    for (int64_t i = 0; i < IMAGES; i++) {
        ak_image image;

        ak_rig_ok(ak_dataset_read(set, i, SIDE, &reading, &image));
        ak_recipe_plain(recipe, &image, SIDE, scratch, view);
        ak_recipe_bytes(recipe, view, SIDE, want);
        for (int64_t y = 0; y < SIDE; y++)
            ck_assert_mem_eq(pixels + 3 * ((i / COLUMNS * SIDE + y) * width + i % COLUMNS * SIDE),
                             want + 3 * y * SIDE, 3 * SIDE);
    }
    ak_recipe_free(recipe);
    ak_reading_fini(&reading);
    ak_dataset_close(set);
    ak_scratch_free(scratch);
    free(pixels);
    free(path);
    ak_labelled_end(&l);
}
END_TEST

static char *read_text(const ak_labelled *l, const char *name, size_t *size)
{
    ak_str path = AK_STR_INIT, text = AK_STR_INIT;
    FILE *file;
    int c;

    ak_str_format(&path, "%s/%s", l->folder, name);
    file = fopen(path.text, "rb");
    ck_assert_msg(file != NULL, "no %s", path.text);
    while ((c = getc(file)) != EOF)
        ak_str_append_n(&text, &(char){ (char)c }, 1);
    fclose(file);
    ak_str_fini(&path);
    *size = text.length;
    return ak_str_take(&text);
}

static int count(const char *text, char what)
{
    int found = 0;

    for (; *text; text++)
        found += *text == what;
    return found;
}

// An embedding a line, its image beside it, its thumbnail in the sprite.
START_TEST(a_projector_has_the_map)
{
    ak_labelled l = ak_labelled_job("embed");
    ak_session session = session_of(&l);
    char *tensors, *metadata, *config, *sprite, *thumbnails, want[64], *line;
    size_t size, same;

    draw_map(&session, l.spec.weights);
    config = read_text(&l, "tensorboard/pictures/projector_config.pbtxt", &size);
    snprintf(want, sizeof want, "tensor_shape: %d\n  tensor_shape: %d\n", IMAGES, 512);
    ck_assert_msg(strstr(config, want) != NULL, "no %s in %s", want, config);
    ck_assert_ptr_nonnull(strstr(config, "image_path: \"sprite.png\""));
    tensors = read_text(&l, "tensorboard/pictures/tensors.tsv", &size);
    ck_assert_int_eq(count(tensors, '\n'), IMAGES);
    ck_assert_int_eq(count(tensors, '\t'), IMAGES * 511);
    ck_assert(strtod(tensors, NULL) >= 0); // a mean behind ReLU
    metadata = read_text(&l, "tensorboard/pictures/metadata.tsv", &size);
    ck_assert_int_eq(count(metadata, '\n'), IMAGES + 1);
    line = strchr(strchr(metadata, '\n') + 1, '\n') + 1; // of image 1, whose label is 1
    ck_assert_int_eq(atoi(line), 1);
    ck_assert_int_eq(atoi(strrchr(metadata, '\t') + 1), IMAGES - 1);
    sprite = read_text(&l, "tensorboard/pictures/sprite.png", &size);
    thumbnails = read_text(&l, "pictures/thumbnails.png", &same);
    ck_assert_uint_eq(size, same);
    ck_assert_mem_eq(sprite, thumbnails, size);
    free(read_text(&l, "tensorboard/pictures/events.out.tfevents.akssl", &size));
    ck_assert_uint_gt(size, 16); // its version
    free(tensors);
    free(metadata);
    free(config);
    free(sprite);
    free(thumbnails);
    ak_labelled_end(&l);
}
END_TEST

// What cannot be drawn is left, without a failure; what was there before stays whole.
START_TEST(nothing_to_draw_with)
{
    ak_labelled l = ak_labelled_job("embed");
    ak_session session = session_of(&l), elsewhere = session;
    char *path = path_of(&l, "map.json");

    draw_map(&session, "/nowhere.safetensors");
    ck_assert_int_ne(access(path, F_OK), 0);
    elsewhere.folder = "/nowhere/job";
    draw_map(&elsewhere, l.spec.weights);
    draw_map(&session, l.spec.weights);
    ck_assert_int_eq(access(path, F_OK), 0);
    draw_map(&session, "/nowhere.safetensors");
    json_decref(read_map(&l));
    free(path);
    ak_labelled_end(&l);
}
END_TEST

// A file that may not grow stands for a disk that is full.
static akssl_status draw_without_room(const ak_session *session, const ak_labelled *l,
                                      const ak_dataset *set, const ak_trainer *t,
                                      ak_outcome *outcome)
{
    struct rlimit most, before;
    akssl_status rc;

    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    most = before;
    most.rlim_cur = 100;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &most), 0);
    rc = t ? ak_pictures_views(session, set, t, outcome)
           : ak_pictures_map(session, l->spec.weights, outcome);
    setrlimit(RLIMIT_FSIZE, &before); // no assertion until here: check keeps a file of its own
    return rc;
}

START_TEST(a_full_disk_ends_the_run)
{
    ak_labelled l = ak_labelled_job("embed");
    ak_trainer *t = ak_small_trainer(&l.spec, l.comm);
    ak_session session = session_of(&l);
    ak_outcome views = { 0 }, map = { 0 };
    char *path = path_of(&l, "map.json"), *sheet = path_of(&l, "views.png");
    ak_dataset *set;

    ak_rig_ok(ak_data_open(&set, &l.spec, AK_SPLIT_TRAIN));
    ak_rig_refused(draw_without_room(&session, &l, set, t, &views), AKSSL_ERR_IO, "views.png");
    ck_assert(views.unwritten);
    ck_assert_int_ne(access(sheet, F_OK), 0);
    ak_rig_refused(draw_without_room(&session, &l, set, NULL, &map), AKSSL_ERR_IO,
                   "thumbnails.png");
    ck_assert(map.unwritten);
    ck_assert_int_ne(access(path, F_OK), 0);
    views.unwritten = false;
    ak_rig_ok(ak_pictures_views(&session, set, t, &views));
    ck_assert_int_eq(access(sheet, F_OK), 0);
    draw_map(&session, l.spec.weights);
    ck_assert_int_eq(access(path, F_OK), 0);
    ak_dataset_close(set);
    ak_trainer_free(t);
    free(sheet);
    free(path);
    ak_labelled_end(&l);
}
END_TEST

AK_TEST_MAIN(AK_CASE(a_map_of_all_images), AK_CASE(thumbnails_are_the_images),
             AK_CASE(a_projector_has_the_map), AK_CASE(nothing_to_draw_with),
             AK_CASE(a_full_disk_ends_the_run))
