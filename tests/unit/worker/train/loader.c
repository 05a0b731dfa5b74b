// tests/unit/worker/train/loader.c -- tests which images a step has, and that views depend on
// nothing else.

#include "tests/unit/worker/image/pictures.h"
#include "tests/unit/worker/train/small.h"
#include "tests/sets.h"
#include "worker/train/loader.h"

enum { IMAGES = 37, BATCH = 16, STEPS = 2 };

typedef struct setting {
    char *folder;
    ak_spec spec;
    ak_comm *comm;
} setting;

static setting make(const char *method)
{
    setting s = { .folder = ak_rig_folder(), .spec = ak_small_spec(method) };
    char name[600];

    ak_rig_idx(s.folder, IMAGES, 16);
    snprintf(name, sizeof name, "idx:%s", s.folder);
    ak_small_set(&s.spec, "dataset", name);
    ak_rig_ok(ak_comm_open(&s.comm));
    return s;
}

static void end(setting *s)
{
    ak_comm_close(s->comm);
    ak_spec_fini(&s->spec);
    ak_rig_remove(s->folder);
}

static ak_loader *load(const setting *s, int threads)
{
    ak_loader *l = NULL;

    ck_assert_msg(ak_loader_open(&l, &s->spec, threads) == AKSSL_OK, "%s", ak_error_text());
    return l;
}

// Without augmentation a view tells its image: the recipe leaves whole images alone.
static void plain(setting *s)
{
    ak_small_set(&s->spec, "augment",
                 "min_scale=1,max_scale=1,flip=0,jitter_prob=0,gray_prob=0,blur_prob=0");
}

// Which of the set's images the view is: nearest in pixels.
static int image_of(const float *view, const ak_dataset *set, int64_t size)
{
    double best = 1e30;
    int which = -1;

    for (int i = 0; i < IMAGES; i++) {
        ak_image image = set_image(set, i);
        double sum = 0;

        for (int64_t p = 0; p < size * size; p++) {
            double pixel = ((double)image.pixels[p] / 255 - 0.485) / 0.229;

            sum += pow((double)view[3 * p] - pixel, 2);
        }
        if (sum < best) {
            best = sum;
            which = i;
        }
    }
    return which;
}

static void count_epoch(ak_loader *l, ak_trainer *t, const ak_dataset *set, int64_t epoch,
                        int order[STEPS * BATCH])
{
    int seen[IMAGES] = { 0 };

    for (int64_t step = epoch * STEPS; step < (epoch + 1) * STEPS; step++) {
        ak_trainer_begin(t);
        ak_rig_ok(ak_loader_fill(l, t, step));
        for (int s = 0; s < t->world.local; s++)
            for (int64_t i = 0; i < t->per_shard; i++) {
                int a = image_of(ak_trainer_view(t, 0, s, i), set, 16);
                int b = image_of(ak_trainer_view(t, 1, s, i), set, 16);

                ck_assert_int_eq(a, b); // both views of a sample are of one image
                seen[a]++;
                order[step % STEPS * BATCH + s * t->per_shard + i] = a;
            }
    }
    for (int i = 0; i < IMAGES; i++)
        ck_assert_int_le(seen[i], 1);
}

START_TEST(each_image_once_an_epoch)
{
    setting s = make("simclr");
    int first[STEPS * BATCH], second[STEPS * BATCH], again[STEPS * BATCH];
    ak_dataset *set = NULL;
    ak_trainer *t;
    ak_loader *l;

    plain(&s);
    l = load(&s, 1);
    t = ak_small_trainer(&s.spec, s.comm);
    ak_rig_ok(set_open(&set, s.spec.dataset, AK_SPLIT_TRAIN, 0));
    ck_assert_int_eq(ak_loader_steps(l), STEPS);
    count_epoch(l, t, set, 0, first);
    count_epoch(l, t, set, 1, second);
    count_epoch(l, t, set, 0, again); // a step is a function of its number
    ck_assert_mem_ne(first, second, sizeof first);
    ck_assert_mem_eq(first, again, sizeof first);
    ck_assert(ak_loader_seconds(l) > 0);
    ak_dataset_close(set);
    ak_trainer_free(t);
    ak_loader_close(l);
    end(&s);
}
END_TEST

enum { VIEW = 16 * 16 * 3 };

typedef struct views {
    float of[2][BATCH][VIEW]; // view, sample
} views;

static views *filled(ak_loader *l, ak_trainer *t, int64_t step)
{
    views *out = ak_alloc(1, sizeof *out);

    t->step = step;
    ak_trainer_begin(t);
    ak_rig_ok(ak_loader_fill(l, t, step));
    for (int v = 0; v < 2; v++)
        for (int k = 0; k < t->world.local; k++)
            for (int64_t i = 0; i < t->per_shard; i++)
                memcpy(out->of[v][ak_trainer_sample(t, v, k, i)], ak_trainer_view(t, v, k, i),
                       sizeof out->of[v][0]);
    return out;
}

static views *views_of(ak_trainer *t, const setting *s, int threads, int64_t step)
{
    ak_loader *l = load(s, threads);
    views *out = filled(l, t, step);

    ak_loader_close(l);
    return out;
}

static bool same(views *a, views *b)
{
    bool equal = memcmp(a, b, sizeof *a) == 0;

    free(a);
    free(b);
    return equal;
}

START_TEST(views_do_not_depend_on_threads)
{
    setting s = make("simclr");
    ak_trainer *t = ak_small_trainer(&s.spec, s.comm);

    for (int64_t step = 0; step < 4; step++) {
        ck_assert(same(views_of(t, &s, 1, step), views_of(t, &s, 2, step)));
        ck_assert(same(views_of(t, &s, 1, step), views_of(t, &s, 5, step)));
        ck_assert(!same(views_of(t, &s, 1, step), views_of(t, &s, 1, step + 1)));
    }
    ak_trainer_free(t);
    end(&s);
}
END_TEST

// Pictures of 20 to 700 pixels, so that some threads are out of work while another decodes.
static setting make_folder(void)
{
    setting s = { .folder = ak_rig_folder(), .spec = ak_small_spec("simclr") };
    char name[600];

    for (int i = 0; i < IMAGES; i++) {
        int side = i % 9 == 0 ? 700 : 20 + i;
        picture p = picture_png((png_form){ side, side + 3, PNG_COLOR_TYPE_RGB, 8, false, 0 });
        FILE *file;

        snprintf(name, sizeof name, "%s/%02d.png", s.folder, i);
        file = fopen(name, "wb");
        ck_assert(file && fwrite(p.bytes, 1, p.size, file) == p.size && fclose(file) == 0);
        free(p.bytes);
    }
    snprintf(name, sizeof name, "folder:%s", s.folder);
    ak_small_set(&s.spec, "dataset", name);
    ak_rig_ok(ak_comm_open(&s.comm));
    return s;
}

// What is kept, and who decoded it for whom, changes no view.
START_TEST(views_of_decoded_images_do_not_depend_on_threads)
{
    setting s = make_folder();
    ak_trainer *t = ak_small_trainer(&s.spec, s.comm);
    ak_loader *going_on = load(&s, 3);

    for (int64_t step = 0; step < 3 * STEPS; step++) {
        views *fresh = views_of(t, &s, 1, step), *kept = filled(going_on, t, step);

        ck_assert(same(fresh, kept));
    }
    ck_assert(ak_loader_idle(going_on) >= 0);
    ck_assert(ak_loader_idle(going_on) < ak_loader_seconds(going_on));
    ak_loader_close(going_on);
    ak_trainer_free(t);
    end(&s);
}
END_TEST

// A trainer of the same run but for one key.
static ak_trainer *other_trainer(const setting *s, const char *name, const char *value)
{
    ak_trainer *t;
    ak_spec spec;

    ak_spec_copy(&spec, &s->spec);
    ak_small_set(&spec, name, value);
    t = ak_small_trainer(&spec, s->comm);
    ak_spec_fini(&spec);
    return t;
}

START_TEST(views_do_not_depend_on_shards)
{
    setting s = make("simclr");
    ak_trainer *one = other_trainer(&s, "shards", "1"), *most = other_trainer(&s, "shards", "16");

    ck_assert(same(views_of(one, &s, 1, 3), views_of(most, &s, 1, 3)));
    ak_trainer_free(one);
    ak_trainer_free(most);
    end(&s);
}
END_TEST

// MoCo's keys stand in another order when batch norm is per shard; they stay their samples'.
START_TEST(shuffled_keys_are_their_samples)
{
    setting s = make("moco_v2");
    ak_trainer *shard = other_trainer(&s, "batch-norm", "shard");
    ak_trainer *sync = other_trainer(&s, "batch-norm", "sync");
    int moved = 0;

    ck_assert(same(views_of(shard, &s, 1, 3), views_of(sync, &s, 1, 3)));
    for (int64_t i = 0; i < shard->per_shard; i++) {
        ck_assert_int_eq(ak_trainer_sample(shard, 0, 0, i), i);
        moved += ak_trainer_sample(shard, 1, 0, i) != i;
        ck_assert_int_eq(ak_trainer_sample(sync, 1, 0, i), i);
    }
    ck_assert_int_gt(moved, 0);
    ak_trainer_free(shard);
    ak_trainer_free(sync);
    end(&s);
}
END_TEST

START_TEST(the_two_views_differ)
{
    setting s = make("simclr");
    ak_trainer *t = ak_small_trainer(&s.spec, s.comm);
    views *v = views_of(t, &s, 1, 0);

    for (int i = 0; i < BATCH; i++)
        ck_assert(memcmp(v->of[0][i], v->of[1][i], sizeof v->of[0][i]) != 0);
    free(v);
    ak_trainer_free(t);
    end(&s);
}
END_TEST

START_TEST(another_seed_gives_other_views)
{
    setting s = make("simclr");
    ak_trainer *t = ak_small_trainer(&s.spec, s.comm);
    views *first = views_of(t, &s, 1, 0);

    ak_small_set(&s.spec, "seed", "6");
    ck_assert(!same(first, views_of(t, &s, 1, 0)));
    ak_trainer_free(t);
    end(&s);
}
END_TEST

START_TEST(refuses_what_cannot_be_served)
{
    setting s = make("simclr");
    ak_loader *l = NULL;

    ak_small_set(&s.spec, "batch", "64");
    ak_rig_refused(ak_loader_open(&l, &s.spec, 1), AKSSL_ERR_INVALID, "37 images");
    ak_small_set(&s.spec, "dataset", "idx:/nowhere");
    ak_rig_refused(ak_loader_open(&l, &s.spec, 1), AKSSL_ERR_NOT_FOUND, "/nowhere");
    ak_loader_close(NULL);
    end(&s);
}
END_TEST

START_TEST(chosen_images_alone)
{
    setting s = make("simclr");
    ak_trainer *t = ak_small_trainer(&s.spec, s.comm);
    ak_loader *l = load(&s, 1);
    uint32_t *chosen = ak_alloc(BATCH + 1, sizeof *chosen), *few = ak_alloc(1, sizeof *few);
    int order[2] = { 0 };

    for (uint32_t i = 0; i <= BATCH; i++)
        chosen[i] = 2 * i;
    ak_rig_ok(ak_loader_choose(l, chosen, BATCH + 1));
    ck_assert(ak_loader_steps(l) == 1 && ak_loader_images(l) == BATCH + 1);
    for (int64_t step = 0; step < 6; step++) {
        const uint32_t *images = ak_loader_turn(l, t, step);
        bool seen[IMAGES] = { false };

        for (int i = 0; i < BATCH; i++) {
            ck_assert(images[i] % 2 == 0 && images[i] <= 2 * BATCH && !seen[images[i]]);
            seen[images[i]] = true;
        }
        if (step < 2)
            order[step] = (int)(images[0] * 100 + images[1]);
    }
    ck_assert_int_ne(order[0], order[1]); // epochs differ
    ak_rig_refused(ak_loader_choose(l, few, 1), AKSSL_ERR_INVALID, "fewer than a batch");
    ak_loader_close(l);
    ak_trainer_free(t);
    end(&s);
}
END_TEST

AK_TEST_MAIN(AK_CASE(chosen_images_alone), AK_CASE(each_image_once_an_epoch),
             AK_CASE(views_do_not_depend_on_threads),
             AK_CASE(views_of_decoded_images_do_not_depend_on_threads),
             AK_CASE(views_do_not_depend_on_shards), AK_CASE(shuffled_keys_are_their_samples),
             AK_CASE(the_two_views_differ), AK_CASE(another_seed_gives_other_views),
             AK_CASE(refuses_what_cannot_be_served))
