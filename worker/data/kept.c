// worker/data/kept.c -- decoded images that are kept in memory.

#include "worker/data/kept.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"

enum { LOOKED_AT = 8 }; // images, to find one that is worth less than another

struct ak_kept_image {
    int64_t index, slot; // slot: where it is in the list
    ak_image image;      // pixels are behind this struct
    size_t size;
    double worth;
    int held;
    bool wanted; // stays until it is held
};

struct ak_kept {
    pthread_mutex_t lock;
    ak_kept_image **at; // [images]: NULL is not kept
    ak_kept_image **list;
    int64_t count, places, hand; // of list; hand: the place that is looked at next
    size_t room, used, wanted;   // wanted: of used
};

ak_kept *ak_kept_new(int64_t count, size_t room)
{
    ak_kept *k = ak_alloc(1, sizeof *k);

    k->at = ak_try_alloc((size_t)count, sizeof *k->at);
    if (!k->at) {
        free(k);
        return NULL;
    }
    pthread_mutex_init(&k->lock, NULL);
    k->room = room;
    return k;
}

void ak_kept_free(ak_kept *k)
{
    if (!k)
        return;
    for (int64_t i = 0; i < k->count; i++)
        free(k->list[i]);
    pthread_mutex_destroy(&k->lock);
    free(k->list);
    free(k->at);
    free(k);
}

static void want(ak_kept *k, ak_kept_image *image, bool wanted)
{
    if (wanted && !image->wanted)
        k->wanted += image->size;
    else if (!wanted && image->wanted)
        k->wanted -= image->size;
    image->wanted = wanted;
}

ak_kept_image *ak_kept_hold(ak_kept *k, int64_t index, ak_image *out)
{
    ak_kept_image *image;

    pthread_mutex_lock(&k->lock);
    image = k->at[index];
    if (image) {
        image->held++;
        want(k, image, false);
        *out = image->image;
    }
    pthread_mutex_unlock(&k->lock);
    return image;
}

void ak_kept_rele(ak_kept *k, ak_kept_image *image)
{
    pthread_mutex_lock(&k->lock);
    image->held--;
    pthread_mutex_unlock(&k->lock);
}

// The least worth of the next few, below `worth` and neither held nor wanted; NULL: none.
static ak_kept_image *find_lesser(ak_kept *k, double worth)
{
    ak_kept_image *least = NULL;

    for (int i = 0; i < LOOKED_AT && i < k->count; i++) {
        ak_kept_image *one = k->list[k->hand++ % k->count];

        if (!one->held && !one->wanted && one->worth < (least ? least->worth : worth))
            least = one;
    }
    return least;
}

static void let_go(ak_kept *k, ak_kept_image *image)
{
    ak_kept_image *last = k->list[--k->count];

    k->list[image->slot] = last;
    last->slot = image->slot;
    k->at[image->index] = NULL;
    k->used -= image->size;
    free(image);
}

static void add(ak_kept *k, int64_t index, const ak_image *from, size_t size, double worth,
                bool wanted)
{
    ak_kept_image *image = malloc(sizeof *image + size);

    if (!image)
        return;
    if (k->count == k->places) {
        k->places = k->places ? 2 * k->places : 64;
        k->list = ak_realloc(k->list, (size_t)k->places, sizeof(ak_kept_image *));
    }
    *image = (ak_kept_image){ .index = index, .slot = k->count, .size = size, .worth = worth };
    image->image = *from;
    image->image.pixels = memcpy(image + 1, from->pixels, size);
    k->list[k->count++] = image;
    k->at[index] = image;
    k->used += size;
    want(k, image, wanted);
}

bool ak_kept_want(ak_kept *k, int64_t index)
{
    ak_kept_image *image;

    pthread_mutex_lock(&k->lock);
    image = k->at[index];
    if (image && k->wanted + image->size <= k->room / 2)
        want(k, image, true);
    pthread_mutex_unlock(&k->lock);
    return image;
}

void ak_kept_offer(ak_kept *k, int64_t index, const ak_image *image, size_t file_size, bool wanted)
{
    size_t size = (size_t)(image->height * image->width * image->channels);
    double worth = (double)file_size / (double)size;
    ak_kept_image *lesser;

    if (size > k->room)
        return;
    pthread_mutex_lock(&k->lock);
    wanted = wanted && k->wanted + size <= k->room / 2;
    while (k->used + size > k->room && (lesser = find_lesser(k, wanted ? INFINITY : worth)))
        let_go(k, lesser);
    if (k->used + size <= k->room && !k->at[index])
        add(k, index, image, size, worth, wanted);
    pthread_mutex_unlock(&k->lock);
}

size_t ak_kept_used(ak_kept *k)
{
    size_t used;

    pthread_mutex_lock(&k->lock);
    used = k->used;
    pthread_mutex_unlock(&k->lock);
    return used;
}
