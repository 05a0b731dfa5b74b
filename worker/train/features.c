// worker/train/features.c -- a backbone's features of a data set, in evaluation mode.

#include "worker/train/features.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"
#include "worker/augment/recipe.h"
#include "worker/train/agree.h"
#include "worker/train/data.h"

enum { IMAGES = 32 }; // of a shard in one forward

typedef struct selection {
    const ak_dataset *set;
    ak_reading *reading;
    const uint32_t *images; // NULL: all
    int64_t count;
} selection;

// The views of one forward of IMAGES images a shard, from image `first` on; what lies behind the
// end repeats the last image and is dropped.
static akssl_status fill(ak_graph *g, const ak_tensor *x, const ak_recipe *recipe,
                         const selection *of, int64_t first, ak_scratch *scratch)
{
    const ak_world *world = ak_graph_world(g);
    int64_t last = of->count - 1, image_size = x->shape[1];
    int64_t least = ak_recipe_plain_least(recipe, image_size);

    for (int s = 0; s < world->local; s++)
        for (int64_t i = 0; i < IMAGES; i++) {
            int64_t index = first + (world->first + s) * IMAGES + i,
                    at = index < last ? index : last;
            ak_image image;
            akssl_status rc = ak_dataset_read(of->set, of->images ? of->images[at] : at, least,
                                              of->reading, &image);

            if (rc < 0)
                return rc;
            ak_recipe_plain(recipe, &image, image_size, scratch,
                            ak_value(g, x, s) + i * image_size * image_size * 3);
        }
    return AKSSL_OK;
}

static void collect(ak_graph *g, const ak_tensor *y, float *mine, float *all, float *out,
                    int64_t first, int64_t size)
{
    const ak_world *world = ak_graph_world(g);
    int64_t width = y->shape[1], count = world->shards * IMAGES;
    size_t shard = (size_t)(IMAGES * width);

    for (int s = 0; s < world->local; s++)
        memcpy(mine + (size_t)s * shard, ak_value(g, y, s), shard * sizeof(float));
    ak_comm_all_gather(world->comm, mine, all, (size_t)world->local * shard * sizeof(float));
    count = first + count < size ? count : size - first;
    if (out)
        memcpy(out + first * width, all, (size_t)(count * width) * sizeof(float));
}

akssl_status ak_features(const ak_world *world, ak_encoder *encoder, const ak_recipe *recipe,
                         int64_t image_size, const ak_dataset *set, const uint32_t *images,
                         int64_t count, bool everywhere, float **out)
{
    ak_reading reading = { 0 };
    selection of = { set, &reading, images, images ? count : ak_dataset_size(set) };
    const int64_t shape[4] = { IMAGES, image_size, image_size, 3 };
    int64_t width = encoder->backbone->width, size = of.count;
    size_t room = (size_t)(world->shards * IMAGES * width);
    ak_graph_mode mode = { .training = false };
    bool here = everywhere || ak_comm_rank(world->comm) == 0;
    float *features = here ? ak_try_alloc((size_t)size, (size_t)width * sizeof(float)) : NULL;
    float *mine = ak_try_alloc(room, sizeof(float)), *all = ak_try_alloc(room, sizeof(float));
    ak_scratch *scratch = ak_scratch_new();
    ak_graph *g = NULL;
    ak_tensor *x = NULL, *y = NULL;
    akssl_status rc =
        (features || !here) && mine && all ? ak_graph_new(&g, world, mode) : AKSSL_ERR_NO_MEMORY;

    if (rc == AKSSL_OK) {
        x = ak_graph_input(g, 4, shape);
        y = ak_encode(g, encoder, x);
        rc = ak_graph_compile(g, NULL, y);
    }
    rc = ak_agree(world->comm, rc); // none waits for one that has no memory
    if (rc == AKSSL_OK) {
        for (int64_t first = 0; rc == AKSSL_OK && first < size; first += world->shards * IMAGES) {
            rc = ak_agree(world->comm, fill(g, x, recipe, &of, first, scratch));
            ak_data_tell(set, world->comm);
            if (rc < 0)
                break;
            ak_graph_forward(g);
            collect(g, y, mine, all, features, first, size);
        }
    }
    ak_graph_free(g);
    ak_scratch_free(scratch);
    ak_reading_fini(&reading);
    free(mine);
    free(all);
    if (rc < 0) {
        free(features);
        return rc;
    }
    *out = features;
    return AKSSL_OK;
}
