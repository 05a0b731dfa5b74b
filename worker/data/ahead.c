// worker/data/ahead.c -- decodes images before they are asked for.

#include "worker/data/ahead.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proto/base/alloc.h"

enum { NICEST = 19 };

struct ak_ahead {
    const ak_dataset *set;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t more;
    // Under the lock.
    uint32_t *images;
    int64_t count, at, room; // images[at..count) are to be decoded
    bool over;
};

// The next image; false: there will be none.
static bool next(ak_ahead *a, uint32_t *image)
{
    bool over;

    pthread_mutex_lock(&a->lock);
    while (a->at == a->count && !a->over)
        pthread_cond_wait(&a->more, &a->lock); // free() ends it
    over = a->over;
    if (!over)
        *image = a->images[a->at++];
    pthread_mutex_unlock(&a->lock);
    return !over;
}

static void *run(void *arg)
{
    ak_ahead *a = arg;
    ak_reading reading = { 0 };
    uint32_t image;

    // Linux's threads have a niceness each; where it is not granted, the thread is only less nice.
    (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICEST);
    while (next(a, &image))
        ak_dataset_ahead(a->set, image, &reading);
    ak_reading_fini(&reading);
    return NULL;
}

ak_ahead *ak_ahead_new(const ak_dataset *set)
{
    ak_ahead *a;

    if (!ak_dataset_keeps(set))
        return NULL;
    a = ak_alloc(1, sizeof *a);
    a->set = set;
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->more, NULL);
    if (pthread_create(&a->thread, NULL, run, a) == 0)
        return a;
    pthread_cond_destroy(&a->more);
    pthread_mutex_destroy(&a->lock);
    free(a);
    return NULL;
}

void ak_ahead_free(ak_ahead *a)
{
    if (!a)
        return;
    pthread_mutex_lock(&a->lock);
    a->over = true;
    pthread_cond_signal(&a->more);
    pthread_mutex_unlock(&a->lock);
    pthread_join(a->thread, NULL);
    pthread_cond_destroy(&a->more);
    pthread_mutex_destroy(&a->lock);
    free(a->images);
    free(a);
}

void ak_ahead_want(ak_ahead *a, const uint32_t *images, int64_t count)
{
    if (!a)
        return;
    pthread_mutex_lock(&a->lock);
    if (count > a->room) {
        a->images = ak_realloc(a->images, (size_t)count, sizeof *a->images);
        a->room = count;
    }
    memcpy(a->images, images, (size_t)count * sizeof *images);
    a->count = count;
    a->at = 0;
    pthread_cond_signal(&a->more);
    pthread_mutex_unlock(&a->lock);
}
