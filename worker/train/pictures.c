// worker/train/pictures.c -- a sheet of views, a map of embeddings.

#include "worker/train/pictures.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "proto/base/error.h"
#include "worker/augment/recipe.h"
#include "worker/eval/map.h"
#include "worker/format/draft.h"
#include "worker/format/folder.h"
#include "worker/image/png.h"
#include "worker/tensor/gemm.h"
#include "worker/train/agree.h"
#include "worker/train/data.h"
#include "worker/train/events.h"
#include "worker/train/features.h"
#include "worker/train/frozen.h"
#include "worker/train/projector.h"
#include "worker/train/sheet.h"

enum { COLUMNS = 40 }; // thumbnails in a row

// The path of one of the pictures, whose folder is made.
static akssl_status path_of(const ak_session *session, const char *name, ak_str *path)
{
    akssl_status rc;

    ak_str_clear(path);
    ak_str_format(path, "%s/pictures", session->folder);
    rc = ak_folder_make(path->text);
    ak_str_format(path, "/%s", name);
    return rc;
}

static uint32_t *spread(int64_t count, int64_t size)
{
    uint32_t *images = ak_alloc((size_t)count, sizeof *images);

    for (int64_t i = 0; i < count; i++)
        images[i] = (uint32_t)(i * size / count);
    return images;
}

static int64_t least_of(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

// wrote is ak_outcome_wrote for pictures, one of which may also be too large.
static akssl_status wrote(ak_outcome *outcome, akssl_status rc)
{
    return ak_is_unwritten(rc) ? ak_outcome_wrote(outcome, rc) : rc;
}

// left gives the failure that a write had; another one is told, and the job goes on.
static akssl_status left(const ak_session *session, const ak_outcome *outcome, const char *what,
                         akssl_status rc)
{
    if (rc < 0 && outcome->unwritten)
        return rc;
    if (rc < 0 && ak_comm_rank(session->comm) == 0)
        fprintf(stderr, "akssl-worker: %s is not drawn, and the job goes on without: %s\n", what,
                ak_error_text());
    return AKSSL_OK;
}

// ---- TensorBoard's

#define RUN "pictures"

static akssl_status read_png(const char *path, ak_str *out)
{
    FILE *file = fopen(path, "re");
    char piece[1 << 14];
    size_t n;
    bool failed;

    if (!file)
        return ak_fail_errno(errno, "picture '%s' cannot be read", path);
    while ((n = fread(piece, 1, sizeof piece, file)) > 0 && out->length < AK_EVENTS_RECORD)
        ak_str_append_n(out, piece, n);
    failed = ferror(file);
    fclose(file);
    return failed ? ak_fail(AKSSL_ERR_IO, "picture '%s' cannot be read", path) : AKSSL_OK;
}

// Begun anew each time: what is in it is drawn again whenever a run starts.
static akssl_status show_png(const ak_session *session, const char *path, const char *tag)
{
    ak_events *events = NULL;
    ak_str bytes = AK_STR_INIT;
    akssl_status rc = read_png(path, &bytes);

    if (rc == AKSSL_OK)
        rc = ak_events_open(&events, session->folder, RUN, -1);
    if (rc == AKSSL_OK) {
        ak_events_begin(events, 0);
        ak_events_png(events, tag, bytes.text, bytes.length);
        rc = ak_events_end(events);
    }
    ak_events_close(events);
    ak_str_fini(&bytes);
    return rc;
}

// ---- views.png

static akssl_status draw_views(const ak_session *session, const ak_dataset *set,
                               const ak_trainer *trainer)
{
    const ak_spec *spec = session->spec;
    ak_sheet sheet = { .set = set,
                       .seed = (uint64_t)spec->seed,
                       .side = spec->image_size,
                       .views = trainer->view_count };
    int64_t size = ak_dataset_size(set), cell = ak_sheet_cell(&sheet), places;
    uint32_t *images;
    ak_recipe *recipe;
    ak_str path = AK_STR_INIT;
    akssl_status rc = ak_recipe_new(&recipe, &spec->augment, spec->image_size);

    if (rc < 0)
        return rc;
    places = AK_PICTURES_MOST / (cell * cell); // 1 or more: the largest side is 1024
    sheet.views = least_of(sheet.views, places - 1);
    sheet.rows = least_of(least_of(AK_PICTURES_ROWS, size), places / (1 + sheet.views));
    sheet.images = images = spread(sheet.rows, size);
    sheet.recipe = recipe;
    rc = path_of(session, "views.png", &path);
    if (rc == AKSSL_OK)
        rc = ak_sheet_write(&sheet, path.text);
    if (rc == AKSSL_OK)
        rc = show_png(session, path.text, "views");
    ak_str_fini(&path);
    free(images);
    ak_recipe_free(recipe);
    return rc;
}

// An image that cannot be read for it would not be for training either.
akssl_status ak_pictures_views(const ak_session *session, const ak_dataset *set,
                               const ak_trainer *trainer, ak_outcome *outcome)
{
    if (ak_comm_rank(session->comm) > 0)
        return AKSSL_OK;
    return left(session, outcome, "a sheet of views",
                wrote(outcome, draw_views(session, set, trainer)));
}

// ---- thumbnails.png and map.json

typedef struct atlas {
    const ak_session *session;
    ak_outcome *outcome;
    ak_spec spec; // the session's, with weights
    ak_dataset *set;
    ak_recipe *recipe;
    ak_frozen frozen;
    uint32_t *images;
    int64_t count, side; // of a thumbnail
    float *features;
} atlas;

static akssl_status draw_thumbnail(const atlas *a, int64_t i, ak_reading *reading,
                                   ak_scratch *scratch, float *view, uint8_t *sheet)
{
    int64_t side = a->side;
    uint8_t tile[3 * AK_PICTURES_SIDE * AK_PICTURES_SIDE];
    uint8_t *corner = sheet + 3 * side * (i / COLUMNS * side * COLUMNS + i % COLUMNS);
    ak_image image;
    akssl_status rc =
        ak_dataset_read(a->set, a->images[i], ak_recipe_plain_least(a->recipe, a->spec.image_size),
                        reading, &image);

    if (rc < 0)
        return rc;
    ak_recipe_thumbnail(a->recipe, &image, side, scratch, view);
    ak_recipe_bytes(a->recipe, view, side, tile);
    for (int64_t y = 0; y < side; y++)
        memcpy(corner + 3 * y * side * COLUMNS, tile + 3 * y * side, (size_t)(3 * side));
    return AKSSL_OK;
}

static akssl_status draw_thumbnails(const atlas *a, const char *path)
{
    int64_t rows = (a->count + COLUMNS - 1) / COLUMNS, side = a->side;
    uint8_t *sheet = ak_alloc((size_t)(rows * COLUMNS * side * side), 3);
    float *view = ak_alloc((size_t)(side * side), 3 * sizeof *view);
    ak_scratch *scratch = ak_scratch_new();
    ak_reading reading = { 0 };
    akssl_status rc = AKSSL_OK;

    for (int64_t i = 0; rc == AKSSL_OK && i < a->count; i++)
        rc = draw_thumbnail(a, i, &reading, scratch, view, sheet);
    if (rc == AKSSL_OK)
        rc = wrote(a->outcome, ak_png_write(path, sheet, rows * side, COLUMNS * side));
    ak_reading_fini(&reading);
    ak_scratch_free(scratch);
    free(view);
    free(sheet);
    return rc;
}

// The classes of these images by their numbers; names that are no text are left out.
static void tell_classes(const atlas *a, ak_str *json)
{
    int64_t classes = ak_dataset_classes(a->set);
    const char *between = "";

    ak_str_append(json, ", \"classes\": [");
    for (int64_t c = 0; c < classes; c++) {
        const char *name = ak_dataset_class(a->set, c);
        bool seen = false;

        for (int64_t i = 0; i < a->count && !seen; i++)
            seen = ak_dataset_label(a->set, a->images[i]) == c;
        if (!seen)
            continue;
        ak_str_format(json, "%s[%" PRId64 ", ", between, c);
        ak_str_json(json, name && ak_str_is_utf8(name) ? name : NULL);
        ak_str_append(json, "]");
        between = ", ";
    }
    ak_str_append(json, "]");
}

static void tell_neighbours(const ak_map *map, ak_str *json)
{
    ak_str_append(json, ", \"neighbours\": [");
    for (int64_t i = 0; i < map->n * map->k; i++)
        ak_str_format(json, "%s%" PRId64 "%s",
                      i % map->k ? ","
                      : i        ? ",["
                                 : "[",
                      map->neighbour[i], (i + 1) % map->k ? "" : "]");
    ak_str_append(json, "], \"cosine\": [");
    for (int64_t i = 0; i < map->n * map->k; i++)
        ak_str_format(json, "%s%.4f%s",
                      i % map->k ? ","
                      : i        ? ",["
                                 : "[",
                      (double)map->cosine[i], (i + 1) % map->k ? "" : "]");
    ak_str_append(json, "]");
}

static void tell_plane(const char *prefix, const double *at, int64_t n, ak_str *json)
{
    for (int axis = 0; axis < 2; axis++) {
        ak_str_format(json, ", \"%s%c\": [", prefix, "xy"[axis]);
        for (int64_t i = 0; i < n; i++)
            ak_str_format(json, "%s%.5g", i ? "," : "", at[2 * i + axis]);
        ak_str_append(json, "]");
    }
}

static void tell_map(const atlas *a, const ak_map *map, ak_str *json)
{
    ak_str_format(json,
                  "{\"images\": %" PRId64 ", \"of\": %" PRId64 ", \"side\": %" PRId64
                  ", \"columns\": %d, \"variance\": [%.4f, %.4f]",
                  a->count, ak_dataset_size(a->set), a->side, COLUMNS, map->share[0],
                  map->share[1]);
    tell_classes(a, json);
    ak_str_append(json, ", \"index\": [");
    for (int64_t i = 0; i < a->count; i++)
        ak_str_format(json, "%s%" PRIu32, i ? "," : "", a->images[i]);
    ak_str_append(json, "], \"label\": [");
    for (int64_t i = 0; i < a->count; i++)
        ak_str_format(json, "%s%" PRId64, i ? "," : "", ak_dataset_label(a->set, a->images[i]));
    ak_str_append(json, "]");
    tell_plane("", map->pca, a->count, json);
    tell_plane("tsne_", map->tsne, a->count, json);
    tell_neighbours(map, json);
    ak_str_append(json, "}\n");
}

// A run that TensorBoard looks into needs an event file, which jobs without views have none of.
static akssl_status project(const atlas *a, const char *thumbnails)
{
    ak_projection p = { .name = "backbone",
                        .features = a->features,
                        .set = a->set,
                        .images = a->images,
                        .count = a->count,
                        .width = a->frozen.encoder.backbone->width,
                        .sprite = "sprite.png",
                        .side = a->side };
    ak_str folder = AK_STR_INIT, sprite = AK_STR_INIT, bytes = AK_STR_INIT;
    ak_events *events = NULL;
    akssl_status rc = ak_events_open(&events, a->session->folder, RUN, INT64_MAX);

    ak_events_close(events);
    if (rc == AKSSL_OK)
        rc = read_png(thumbnails, &bytes);
    ak_str_format(&folder, "%s/" AK_EVENTS_FOLDER "/" RUN, a->session->folder);
    ak_str_format(&sprite, "%s/%s", folder.text, p.sprite);
    if (rc == AKSSL_OK)
        rc = ak_draft_put(sprite.text, bytes.text, bytes.length);
    if (rc == AKSSL_OK)
        rc = ak_projector_write(&p, folder.text);
    ak_str_fini(&bytes);
    ak_str_fini(&sprite);
    ak_str_fini(&folder);
    return rc;
}

// Rank 0, from everybody's features.
static akssl_status draw_map(const atlas *a)
{
    ak_str path = AK_STR_INIT, thumbnails = AK_STR_INIT, json = AK_STR_INIT;
    ak_map map = { 0 };
    akssl_status rc;

    ak_gemm_threads(1);
    rc = ak_eval_map(&map, a->features, a->count, a->frozen.encoder.backbone->width,
                     AK_PICTURES_NEIGHBOURS);
    ak_gemm_threads(a->frozen.world.threads);
    if (rc == AKSSL_OK)
        rc = wrote(a->outcome, path_of(a->session, "thumbnails.png", &thumbnails));
    if (rc == AKSSL_OK)
        rc = draw_thumbnails(a, thumbnails.text);
    if (rc == AKSSL_OK)
        rc = wrote(a->outcome, path_of(a->session, "map.json", &path));
    if (rc == AKSSL_OK) {
        tell_map(a, &map, &json);
        rc = wrote(a->outcome, ak_draft_put(path.text, json.text, json.length));
    }
    if (rc == AKSSL_OK)
        rc = wrote(a->outcome, project(a, thumbnails.text));
    ak_map_fini(&map);
    ak_str_fini(&json);
    ak_str_fini(&thumbnails);
    ak_str_fini(&path);
    return rc;
}

static akssl_status prepare_map(atlas *a)
{
    ak_comm *comm = a->session->comm;
    akssl_status rc = ak_data_open(&a->set, &a->spec, AK_SPLIT_TRAIN);

    if (rc == AKSSL_OK)
        rc = ak_recipe_new(&a->recipe, &a->spec.augment, a->spec.image_size);
    if (rc == AKSSL_OK)
        rc = ak_frozen_open(&a->frozen, &a->spec, comm);
    if (rc == AKSSL_OK) {
        a->count = least_of(AK_PICTURES_IMAGES, ak_dataset_size(a->set));
        a->side = least_of(AK_PICTURES_SIDE, a->spec.image_size);
        a->images = spread(a->count, ak_dataset_size(a->set));
    }
    return ak_agree(comm, rc);
}

akssl_status ak_pictures_map(const ak_session *session, const char *weights, ak_outcome *outcome)
{
    atlas a = { .session = session, .outcome = outcome };
    akssl_status rc;

    ak_spec_copy(&a.spec, session->spec);
    rc = ak_agree(session->comm, ak_spec_set(&a.spec, "weights", weights));
    if (rc == AKSSL_OK)
        rc = prepare_map(&a);
    if (rc == AKSSL_OK)
        rc = ak_agree(session->comm,
                      ak_features(&a.frozen.world, &a.frozen.encoder, a.recipe, a.spec.image_size,
                                  a.set, a.images, a.count, false, &a.features));
    if (rc == AKSSL_OK && ak_comm_rank(session->comm) == 0)
        rc = draw_map(&a);
    rc = left(session, outcome, "a map of the embeddings", rc);
    ak_frozen_close(&a.frozen);
    ak_recipe_free(a.recipe);
    ak_dataset_close(a.set);
    ak_spec_fini(&a.spec);
    free(a.images);
    free(a.features);
    return ak_agree(session->comm, rc);
}
