// worker/train/loader.c -- which images a step has, and their augmented views.

#include "worker/train/loader.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef _OPENMP
#include <omp.h>
#endif

#include "proto/base/alloc.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"
#include "worker/comm/board.h"
#include "worker/data/ahead.h"
#include "worker/rng/rng.h"
#include "worker/train/data.h"

enum { AHEAD = 4 }; // steps whose images are decoded beforehand

struct ak_loader {
    ak_dataset *set;
    ak_recipe *recipe;
    uint64_t seed;
    int64_t size, batch, epoch;
    uint32_t *chosen; // [size]; NULL: all of the set
    uint32_t *order;  // of `epoch`
    int64_t least;    // side that a decoded image keeps
    bool keeping;
    ak_ahead *ahead;  // NULL: nothing is decoded, or each when it is read
    uint32_t *wanted; // [wanted_room]: the next steps' images of this rank
    int64_t wanted_room;
    ak_scratch **scratch;         // [threads]
    ak_reading *reading, *beside; // [threads]: of this step's images, of later ones'
    int64_t *done;                // [threads]: when each ran out of work (ak_clock_ns)
    int threads;
    double seconds, idle;
    int64_t failed; // the first view of a step that could not be made, -1: none
    akssl_status failure;
    char sentence[1024];
};

akssl_status ak_loader_open(ak_loader **out, const ak_spec *spec, int threads)
{
    ak_loader *l = ak_alloc(1, sizeof *l);
    akssl_status rc = ak_data_open(&l->set, spec, AK_SPLIT_TRAIN);

    if (rc == AKSSL_OK)
        rc = ak_recipe_new(&l->recipe, &spec->augment, spec->image_size);
    if (rc == AKSSL_OK && ak_dataset_size(l->set) < spec->batch)
        rc = ak_fail(AKSSL_ERR_INVALID,
                     "dataset '%s' has %" PRId64 " images, fewer than a batch of %" PRId64
                     ": lower --batch",
                     spec->dataset, ak_dataset_size(l->set), spec->batch);
    if (rc < 0) {
        ak_loader_close(l);
        return rc;
    }
    l->seed = (uint64_t)spec->seed;
    l->size = ak_dataset_size(l->set);
    l->batch = spec->batch;
    l->epoch = -1;
    l->threads = threads;
    l->order = ak_alloc((size_t)l->size, sizeof *l->order);
    l->scratch = ak_alloc((size_t)threads, sizeof *l->scratch);
    l->reading = ak_alloc((size_t)threads, sizeof *l->reading);
    l->beside = ak_alloc((size_t)threads, sizeof *l->beside);
    l->done = ak_alloc((size_t)threads, sizeof *l->done);
    l->least = ak_recipe_least(l->recipe);
    for (int i = 0; i < threads; i++)
        l->scratch[i] = ak_scratch_new();
    *out = l;
    return AKSSL_OK;
}

void ak_loader_close(ak_loader *l)
{
    if (!l)
        return;
    ak_ahead_free(l->ahead);
    for (int i = 0; l->scratch && i < l->threads; i++)
        ak_scratch_free(l->scratch[i]);
    for (int i = 0; l->done && i < l->threads; i++) {
        ak_reading_fini(&l->reading[i]);
        ak_reading_fini(&l->beside[i]);
    }
    free(l->scratch);
    free(l->reading);
    free(l->beside);
    free(l->done);
    free(l->wanted);
    free(l->order);
    free(l->chosen);
    ak_recipe_free(l->recipe);
    ak_dataset_close(l->set);
    free(l);
}

const ak_dataset *ak_loader_set(const ak_loader *l)
{
    return l->set;
}

int64_t ak_loader_classes(const ak_loader *l)
{
    return ak_dataset_classes(l->set);
}

int64_t ak_loader_images(const ak_loader *l)
{
    return l->size;
}

int64_t ak_loader_steps(const ak_loader *l)
{
    return l->size / l->batch;
}

double ak_loader_seconds(const ak_loader *l)
{
    return l->seconds;
}

double ak_loader_idle(const ak_loader *l)
{
    return l->idle;
}

static void turn_to(ak_loader *l, int64_t epoch)
{
    ak_rng rng = ak_rng_at(l->seed, AK_RNG_ORDER, (uint32_t)epoch, 0, 0);

    if (l->epoch == epoch)
        return;
    ak_rng_permute(&rng, l->order, (uint32_t)l->size);
    for (int64_t i = 0; l->chosen && i < l->size; i++)
        l->order[i] = l->chosen[l->order[i]];
    l->epoch = epoch;
}

// Threads meet here; the first view's failure is the step's, whoever comes first.
static void note_failure(ak_loader *l, int64_t index, akssl_status rc)
{
#pragma omp critical(loader_failure)
    if (l->failed < 0 || index < l->failed) {
        l->failed = index;
        l->failure = rc;
        snprintf(l->sentence, sizeof l->sentence, "%s", ak_error_text());
    }
}

// Which view it is that has an index: the views of an image follow each other.
typedef struct place {
    int view, shard; // the shard of this rank
    int64_t i;
} place;

static place place_of(const ak_trainer *t, int64_t index)
{
    int64_t row = index / t->view_count;

    return (place){ (int)(index % t->view_count), (int)(row / t->per_shard), row % t->per_shard };
}

static void make_view(ak_loader *l, ak_trainer *t, const uint32_t *images, int64_t index,
                      int thread)
{
    place p = place_of(t, index);
    uint32_t sample = images[ak_trainer_sample(t, p.view, p.shard, p.i)];
    ak_image image;
    akssl_status rc = ak_dataset_read(l->set, sample, l->least, &l->reading[thread], &image);

    if (rc < 0)
        note_failure(l, index, rc);
    else
        ak_recipe_view(l->recipe, &image, l->seed, (uint32_t)l->epoch, sample, (uint32_t)p.view,
                       l->scratch[thread], ak_trainer_view(t, p.view, p.shard, p.i));
}

akssl_status ak_loader_choose(ak_loader *l, uint32_t *images, int64_t count)
{
    free(l->chosen);
    l->chosen = images;
    l->size = count;
    if (count < l->batch)
        return ak_fail(AKSSL_ERR_INVALID,
                       "%" PRId64 " chosen images are fewer than a batch of %" PRId64
                       ": lower --batch",
                       count, l->batch);
    return AKSSL_OK;
}

const uint32_t *ak_loader_turn(ak_loader *l, ak_trainer *t, int64_t step)
{
    int64_t steps = ak_loader_steps(l);
    const uint32_t *images;

    turn_to(l, step / steps);
    images = l->order + step % steps * l->batch;
    for (int64_t i = 0; i < l->batch; i++)
        t->labels[i] = (int32_t)ak_dataset_label(l->set, images[i]);
    return images;
}

// Views that a thread takes at once: small images by some, large ones, of which there are few, by
// one.
static int chunk(const ak_loader *l, const ak_trainer *t, int64_t count)
{
    int64_t even = count / (8 * l->threads);

    return (int)(even > 16 ? 16 : even > t->view_count ? even : t->view_count);
}

// Has the ranks of this node keep images together; false, on all of them: they cannot.
static bool keep_together(ak_loader *l, ak_comm *comm, size_t room)
{
    int mates = ak_comm_mates(comm), mate = ak_comm_rank(comm) % mates;
    void *parts[AK_BOARD_MATES];
    bool all[AK_BOARD_MATES], together = true;

    if (!ak_comm_share(comm, sizeof(ak_kept_key), parts))
        return false;
    if (mate == 0) {
        ak_dataset_keep(l->set, l->least, room);
        *(ak_kept_key *)parts[0] = ak_dataset_kept(l->set);
    }
    ak_comm_barrier(comm);
    if (mate > 0)
        together = ak_dataset_keep_with(l->set, l->least, room, parts[0]);
    ak_comm_gather_mates(comm, &together, all, sizeof together);
    ak_comm_unshare(comm, parts[mate]);
    for (int i = 0; i < mates; i++)
        together = together && all[i];
    if (!together)
        ak_dataset_keep_nothing(l->set);
    return together;
}

// Keeps what is costly to decode, and decodes it before its step.  Collective.
static void begin_keeping(ak_loader *l, ak_comm *comm)
{
    size_t room = (size_t)(AK_LOADER_KEPT / ak_comm_size(comm));
    int mates = ak_comm_mates(comm);

    if (l->keeping)
        return;
    l->keeping = true;
    if (!ak_dataset_decodes(l->set))
        return;
    if (mates == 1 || !keep_together(l, comm, room * (size_t)mates))
        ak_dataset_keep(l->set, l->least, room);
    l->ahead = ak_ahead_new(l->set);
}

// The images that this rank will need in a step, to `wanted`, behind others; how many there are
// then.  Turns to the step's epoch.
static int64_t list_step(ak_loader *l, const ak_trainer *t, int64_t step, int64_t views,
                         int64_t wanted)
{
    int64_t steps = ak_loader_steps(l);
    const uint32_t *images;

    turn_to(l, step / steps);
    images = l->order + step % steps * l->batch;
    for (int64_t index = 0; index < views; index++) {
        place p = place_of(t, index);
        uint32_t image = images[ak_trainer_sample(t, p.view, p.shard, p.i)];

        if (!wanted || l->wanted[wanted - 1] != image)
            l->wanted[wanted++] = image;
    }
    return wanted;
}

static int64_t list_wanted(ak_loader *l, const ak_trainer *t, int64_t step, int64_t views)
{
    int64_t wanted = 0;

    if (!l->ahead)
        return 0;
    if (AHEAD * views > l->wanted_room) {
        l->wanted_room = AHEAD * views;
        l->wanted = ak_realloc(l->wanted, (size_t)l->wanted_room, sizeof *l->wanted);
    }
    for (int i = 1; i <= AHEAD; i++)
        wanted = list_step(l, t, step + i, views, wanted);
    return wanted;
}

// A step's views, dealt out to threads, and behind them the next steps' images.
typedef struct fill {
    const uint32_t *images;
    int64_t views, wanted;
    int at_once;
    atomic_llong view, made, image; // the next view; how many are made; the next of wanted
} fill;

// Whoever finds no view left decodes for later steps while others still make theirs: one large
// photograph takes as long as many small ones.
static void work(ak_loader *l, ak_trainer *t, fill *f, int thread)
{
    int64_t image;

    for (int64_t at; (at = atomic_fetch_add(&f->view, f->at_once)) < f->views;) {
        int64_t end = at + f->at_once < f->views ? at + f->at_once : f->views;

        for (int64_t index = at; index < end; index++)
            make_view(l, t, f->images, index, thread);
        atomic_fetch_add(&f->made, end - at);
    }
    while (atomic_load(&f->made) < f->views && (image = atomic_fetch_add(&f->image, 1)) < f->wanted)
        ak_dataset_ahead(l->set, l->wanted[image], &l->beside[thread]);
    l->done[thread] = ak_clock_ns();
}

static void note_times(ak_loader *l, int64_t start)
{
    int64_t end = ak_clock_ns();

    l->seconds += (double)(end - start) * 1e-9;
    for (int i = 0; i < l->threads; i++)
        l->idle += (double)(end - (l->done[i] > start ? l->done[i] : start)) * 1e-9 / l->threads;
}

akssl_status ak_loader_fill(ak_loader *l, ak_trainer *t, int64_t step)
{
    int64_t start = ak_clock_ns(), views = t->world.local * t->per_shard * t->view_count;
    fill f = { .views = views, .at_once = chunk(l, t, views) };

    begin_keeping(l, t->world.comm);
    f.wanted = list_wanted(l, t, step, views);
    f.images = ak_loader_turn(l, t, step);
    l->failed = -1;
#pragma omp parallel num_threads(l->threads) if (l->threads > 1)
    {
#ifdef _OPENMP
        work(l, t, &f, omp_get_thread_num());
#else
        work(l, t, &f, 0);
#endif
    }
    note_times(l, start);
    ak_data_tell(l->set, t->world.comm);
    ak_ahead_want(l->ahead, l->wanted, f.wanted);
    return l->failed < 0 ? AKSSL_OK : ak_fail(l->failure, "%s", l->sentence);
}
