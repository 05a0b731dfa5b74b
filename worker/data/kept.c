// worker/data/kept.c -- decoded images that are kept in memory, which processes may share.
//
// The memory is a file without a name (memfd), which ends with the last process that has it:
//
//     desk | at [images] | list [slots] | slots | two bits a page | pages of pixels
//
// Nothing in it is an address.  It is as large as could be needed, and takes only what was written:
// pages of pixels are four times the room, so that a run of free ones is soon found whatever sizes
// came and went.  Those of an image that goes serve the next ones, and go back to the system when
// an eighth of the room lies idle.

#include "worker/data/kept.h"

#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/alloc.h"

enum {
    LOOKED_AT = 8, // images, to find one that is worth less than another
    PAGE = 4096,
    SPREAD = 4, // pages for a page of room
};

struct ak_kept_image {
    int64_t index, place; // place: in the list
    int64_t height, width, channels;
    int64_t page, pages;
    double worth;
    int64_t held;
    int64_t next;   // of the free ones
    uint8_t wanted; // stays until it is held
};

typedef struct desk {
    pthread_mutex_t lock;
    int64_t count, hand;  // of list; hand: the place that is looked at next
    int64_t slots, free;  // slots that were ever used; the first free one of them, or -1
    int64_t used, wanted; // pages; wanted: of used
    int64_t backed;       // pages that take memory: used ones, and some that were
} desk;

struct ak_kept {
    desk *desk;          // where the memory begins
    uint32_t *at, *list; // slots; at: and 1, 0 is not kept
    ak_kept_image *slot;
    uint64_t *taken, *backed; // a bit a page
    uint8_t *pixels;
    int64_t images, room, pages; // room, pages: in pages
    size_t bytes;
    int memory;
};

// ---- memory

static size_t take(size_t *bytes, size_t count, size_t size)
{
    size_t start = *bytes;

    *bytes += (count * size + PAGE - 1) / PAGE * PAGE;
    return start;
}

// Makes a file for memory; -1 where none may be so large, which Linux otherwise answers by SIGXFSZ.
static int make_memory(size_t bytes)
{
    struct rlimit most;
    int memory = -1;

    if (getrlimit(RLIMIT_FSIZE, &most) == 0 && most.rlim_cur >= bytes)
        memory = memfd_create("akssl-images", MFD_CLOEXEC);
    if (memory < 0 || ftruncate(memory, (off_t)bytes) == 0)
        return memory;
    close(memory);
    return -1;
}

static void close_memory(const ak_kept *k)
{
    if (k->memory >= 0)
        close(k->memory);
}

static bool has_size(int memory, size_t bytes)
{
    struct stat file;

    return fstat(memory, &file) == 0 && file.st_size == (off_t)bytes;
}

// Maps memory, which it owns from now on; -1: new memory, of this process alone where there is no
// file for it.
static ak_kept *map(int64_t count, size_t room, int memory)
{
    ak_kept *k = ak_alloc(1, sizeof *k);
    size_t bytes = 0, at, list, slot, taken, backed, pixels;
    char *start = MAP_FAILED;

    k->images = count;
    k->room = (int64_t)(room / PAGE);
    k->pages = SPREAD * k->room;
    (void)take(&bytes, 1, sizeof(desk));
    at = take(&bytes, (size_t)count, sizeof *k->at);
    list = take(&bytes, (size_t)k->room, sizeof *k->list);
    slot = take(&bytes, (size_t)k->room, sizeof *k->slot);
    taken = take(&bytes, (size_t)k->pages / 64 + 1, sizeof *k->taken);
    backed = take(&bytes, (size_t)k->pages / 64 + 1, sizeof *k->backed);
    pixels = take(&bytes, (size_t)k->pages, PAGE);
    k->bytes = bytes;
    k->memory = memory < 0 ? make_memory(bytes) : memory;
    if (memory < 0 || has_size(memory, bytes))
        start = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                     MAP_SHARED | (k->memory < 0 ? MAP_ANONYMOUS : 0), k->memory, 0);
    if (start == MAP_FAILED) {
        close_memory(k);
        free(k);
        return NULL;
    }
    k->desk = (desk *)start;
    k->at = (uint32_t *)(start + at);
    k->list = (uint32_t *)(start + list);
    k->slot = (ak_kept_image *)(start + slot);
    k->taken = (uint64_t *)(start + taken);
    k->backed = (uint64_t *)(start + backed);
    k->pixels = (uint8_t *)start + pixels;
    return k;
}

ak_kept *ak_kept_new(int64_t count, size_t room)
{
    ak_kept *k = map(count, room, -1);
    pthread_mutexattr_t shared;

    if (!k)
        return NULL;
    pthread_mutexattr_init(&shared);
    pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&k->desk->lock, &shared);
    pthread_mutexattr_destroy(&shared);
    k->desk->free = -1;
    return k;
}

void ak_kept_free(ak_kept *k)
{
    if (!k)
        return;
    munmap(k->desk, k->bytes);
    close_memory(k);
    free(k);
}

ak_kept_key ak_kept_key_of(const ak_kept *k)
{
    struct stat file = { 0 };

    if (k->memory < 0 || fstat(k->memory, &file) < 0)
        return (ak_kept_key){ 0 };
    return (ak_kept_key){ getpid(), k->memory, file.st_ino };
}

ak_kept *ak_kept_join(int64_t count, size_t room, const ak_kept_key *key)
{
    char path[64];
    struct stat file;
    int memory;

    snprintf(path, sizeof path, "/proc/%lld/fd/%lld", (long long)key->process,
             (long long)key->descriptor);
    memory = open(path, O_RDWR | O_CLOEXEC);
    if (memory < 0)
        return NULL;
    if (fstat(memory, &file) < 0 || file.st_ino != key->inode) {
        close(memory);
        return NULL;
    }
    return map(count, room, memory);
}

// ---- pages

static bool has(const uint64_t *bits, int64_t page)
{
    return bits[page / 64] >> page % 64 & 1;
}

// Sets or clears `count` bits; how many of them changed.
static int64_t put(uint64_t *bits, int64_t page, int64_t count, bool value)
{
    int64_t changed = 0;

    for (int64_t end = page + count; page < end; page++)
        if (has(bits, page) != value) {
            bits[page / 64] ^= (uint64_t)1 << page % 64;
            changed++;
        }
    return changed;
}

// The first run of free pages; -1: there is none.
static int64_t find_run(const ak_kept *k, int64_t count)
{
    int64_t run = 0;

    for (int64_t page = 0; page < k->pages; page++) {
        if (page % 64 == 0 && k->taken[page / 64] == UINT64_MAX) {
            page += 63;
            run = 0;
            continue;
        }
        run = has(k->taken, page) ? 0 : run + 1;
        if (run == count)
            return page - count + 1;
    }
    return -1;
}

// Gives pages that nothing lies on back to the system.
static void give_back(ak_kept *k)
{
    int64_t start, end;

    for (int64_t page = 0; page < k->pages; page = end) {
        start = page;
        while (start < k->pages && (!has(k->backed, start) || has(k->taken, start)))
            start++;
        end = start;
        while (end < k->pages && has(k->backed, end) && !has(k->taken, end))
            end++;
        if (end > start &&
            madvise(k->pixels + start * PAGE, (size_t)(end - start) * PAGE, MADV_REMOVE) == 0)
            k->desk->backed -= put(k->backed, start, end - start, false);
    }
}

static int64_t take_pages(ak_kept *k, int64_t count)
{
    int64_t page = find_run(k, count);

    if (page < 0)
        return -1;
    k->desk->used += put(k->taken, page, count, true);
    k->desk->backed += put(k->backed, page, count, true);
    if (k->desk->backed > k->room + k->room / 8)
        give_back(k);
    return page;
}

// ---- images

static void want(ak_kept *k, ak_kept_image *image, bool wanted)
{
    k->desk->wanted += (wanted - image->wanted) * image->pages;
    image->wanted = wanted;
}

static ak_kept_image *find(const ak_kept *k, int64_t index)
{
    return k->at[index] ? &k->slot[k->at[index] - 1] : NULL;
}

ak_kept_image *ak_kept_hold(ak_kept *k, int64_t index, ak_image *out)
{
    ak_kept_image *image;

    pthread_mutex_lock(&k->desk->lock);
    image = find(k, index);
    if (image) {
        image->held++;
        want(k, image, false);
        *out = (ak_image){ k->pixels + image->page * PAGE, image->height, image->width,
                           (int)image->channels };
    }
    pthread_mutex_unlock(&k->desk->lock);
    return image;
}

void ak_kept_rele(ak_kept *k, ak_kept_image *image)
{
    pthread_mutex_lock(&k->desk->lock);
    image->held--;
    pthread_mutex_unlock(&k->desk->lock);
}

// The least worth of the next few, below `worth` and neither held nor wanted; NULL: none.
static ak_kept_image *find_lesser(ak_kept *k, double worth)
{
    desk *d = k->desk;
    ak_kept_image *least = NULL;

    for (int i = 0; i < LOOKED_AT && i < d->count; i++) {
        ak_kept_image *one = &k->slot[k->list[d->hand++ % d->count]];

        if (!one->held && !one->wanted && one->worth < (least ? least->worth : worth))
            least = one;
    }
    return least;
}

static void free_slot(ak_kept *k, ak_kept_image *image)
{
    k->desk->used -= put(k->taken, image->page, image->pages, false);
    image->next = k->desk->free;
    k->desk->free = image - k->slot;
}

static void let_go(ak_kept *k, ak_kept_image *image)
{
    uint32_t last = k->list[--k->desk->count];

    k->list[image->place] = last;
    k->slot[last].place = image->place;
    k->at[image->index] = 0;
    free_slot(k, image);
}

// A slot with pages, of which others know nothing yet; NULL: what is kept is worth more.
static ak_kept_image *reserve(ak_kept *k, int64_t pages, double worth)
{
    desk *d = k->desk;
    ak_kept_image *image, *lesser;
    int64_t page;

    while (d->used + pages > k->room && (lesser = find_lesser(k, worth)))
        let_go(k, lesser);
    if (d->used + pages > k->room || (page = take_pages(k, pages)) < 0)
        return NULL;
    if (d->free < 0) {
        image = &k->slot[d->slots++];
    } else {
        image = &k->slot[d->free];
        d->free = image->next;
    }
    *image = (ak_kept_image){ .page = page, .pages = pages };
    return image;
}

static void publish(ak_kept *k, ak_kept_image *image, int64_t index)
{
    image->index = index;
    image->place = k->desk->count++;
    k->list[image->place] = (uint32_t)(image - k->slot);
    k->at[index] = (uint32_t)(image - k->slot) + 1;
}

bool ak_kept_want(ak_kept *k, int64_t index)
{
    ak_kept_image *image;

    pthread_mutex_lock(&k->desk->lock);
    image = find(k, index);
    if (image && !image->wanted && k->desk->wanted + image->pages <= k->room / 2)
        want(k, image, true);
    pthread_mutex_unlock(&k->desk->lock);
    return image;
}

// Pixels are copied without the lock: a thread of the lowest priority may do it.
void ak_kept_offer(ak_kept *k, int64_t index, const ak_image *image, size_t file_size, bool wanted)
{
    size_t size = (size_t)(image->height * image->width * image->channels);
    int64_t pages = (int64_t)((size + PAGE - 1) / PAGE);
    double worth = (double)file_size / (double)size;
    ak_kept_image *mine = NULL;

    pthread_mutex_lock(&k->desk->lock);
    wanted = wanted && k->desk->wanted + pages <= k->room / 2;
    if (pages <= k->room && !find(k, index))
        mine = reserve(k, pages, wanted ? INFINITY : worth);
    pthread_mutex_unlock(&k->desk->lock);
    if (!mine)
        return;
    mine->height = image->height;
    mine->width = image->width;
    mine->channels = image->channels;
    mine->worth = worth;
    memcpy(k->pixels + mine->page * PAGE, image->pixels, size);
    pthread_mutex_lock(&k->desk->lock);
    if (find(k, index)) {
        free_slot(k, mine); // somebody else was faster
    } else {
        publish(k, mine, index);
        want(k, mine, wanted);
    }
    pthread_mutex_unlock(&k->desk->lock);
}

size_t ak_kept_used(ak_kept *k)
{
    int64_t used;

    pthread_mutex_lock(&k->desk->lock);
    used = k->desk->used;
    pthread_mutex_unlock(&k->desk->lock);
    return (size_t)used * PAGE;
}
