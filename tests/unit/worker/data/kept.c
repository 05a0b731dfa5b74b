// tests/unit/worker/data/kept.c -- tests which decoded images are kept, and that reading them is as
// reading others.

#include "worker/data/kept.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/error.h"
#include "tests/sets.h"
#include "tests/unit/worker/image/pictures.h"
#include "worker/data/ahead.h"
#include "worker/data/kind.h"
#include "worker/rng/rng.h"

enum { PAGE = 4096, SIDE = 40, SIZE = SIDE * SIDE * 3, TAKES = 2 * PAGE };

static uint8_t pixels[SIZE];

static void offer_as(ak_kept *k, int64_t index, size_t file_size, bool wanted)
{
    ak_image image = { pixels, SIDE, SIDE, 3 };

    memset(pixels, (int)index, sizeof pixels);
    ak_kept_offer(k, index, &image, file_size, wanted);
}

static void offer(ak_kept *k, int64_t index, size_t file_size)
{
    offer_as(k, index, file_size, false);
}

static bool is_kept(ak_kept *k, int64_t index)
{
    ak_image image;
    ak_kept_image *held = ak_kept_hold(k, index, &image);

    if (!held)
        return false;
    ck_assert(image.height == SIDE && image.width == SIDE && image.channels == 3);
    ck_assert_int_eq(image.pixels[0], index);
    ck_assert_int_eq(image.pixels[SIZE - 1], index);
    ak_kept_rele(k, held);
    return true;
}

START_TEST(keeps_what_there_is_room_for)
{
    ak_kept *k = ak_kept_new(100, 4 * TAKES + 7);

    for (int i = 0; i < 100; i++)
        offer(k, i, 50);
    ck_assert_uint_eq(ak_kept_used(k), 4 * TAKES);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(is_kept(k, i), i < 4); // equal worth: the first stay
    offer(k, 3, 50);                            // again
    ck_assert_uint_eq(ak_kept_used(k), 4 * TAKES);
    ak_kept_free(k);
    k = ak_kept_new(1, SIZE);
    offer(k, 0, 50);
    ck_assert(!is_kept(k, 0));
    ak_kept_free(k);
    ak_kept_free(NULL);
}
END_TEST

START_TEST(costly_ones_stay)
{
    ak_kept *k = ak_kept_new(100, 4 * TAKES);
    ak_kept_image *held;
    ak_image image;

    for (int i = 0; i < 4; i++)
        offer(k, i, 50);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 100; i++)
            offer(k, i, i % 25 == 24 ? 900 : 50);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(is_kept(k, i), i % 25 == 24);
    ck_assert_uint_eq(ak_kept_used(k), 4 * TAKES);
    held = ak_kept_hold(k, 24, &image); // goes to nobody else meanwhile
    for (int i = 0; i < 24; i++)
        offer(k, i, 2000);
    ck_assert(is_kept(k, 24) && !is_kept(k, 49) && !is_kept(k, 74) && !is_kept(k, 99));
    ck_assert_int_eq(image.pixels[SIZE - 1], 24);
    ak_kept_rele(k, held);
    offer(k, 23, 2000);
    ck_assert(!is_kept(k, 24) && is_kept(k, 23));
    ak_kept_free(k);
}
END_TEST

// Half of the room is for what is wanted, until it is held.
START_TEST(wanted_ones_go_first)
{
    ak_kept *k = ak_kept_new(100, 4 * TAKES);

    for (int i = 0; i < 4; i++)
        offer(k, i, 900);
    for (int i = 10; i < 14; i++)
        offer_as(k, i, 50, true);
    for (int i = 20; i < 40; i++)
        offer(k, i, 1000);
    ck_assert(ak_kept_want(k, 10) && ak_kept_want(k, 11));
    ck_assert(!ak_kept_want(k, 12) && !ak_kept_want(k, 13) && !ak_kept_want(k, 0));
    ck_assert_uint_eq(ak_kept_used(k), 4 * TAKES);
    ck_assert(is_kept(k, 10) && is_kept(k, 11)); // and now they are worth no more than others
    for (int i = 40; i < 60; i++)
        offer(k, i, 1000);
    ck_assert(!ak_kept_want(k, 10) && !ak_kept_want(k, 11));
    ck_assert(ak_kept_want(k, 40) && ak_kept_want(k, 41) && ak_kept_want(k, 20)); // 20: no room
    for (int i = 60; i < 80; i++)
        offer(k, i, 2000);
    ck_assert(is_kept(k, 40) && is_kept(k, 41) && !is_kept(k, 20) && !is_kept(k, 21));
    ak_kept_free(k);
}
END_TEST

// ---- in several processes

// Runs what in a child, which ends with 0 when all holds there.
static pid_t start(void (*what)(const ak_kept_key *key, int number), const ak_kept_key *key,
                   int number)
{
    pid_t child = fork();

    ck_assert_int_ge(child, 0);
    if (child == 0) {
        what(key, number);
        _exit(0);
    }
    return child;
}

static void end_well(pid_t child)
{
    int status;

    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x", (unsigned)status);
}

static void read_5_offer_6(const ak_kept_key *key, int number)
{
    ak_kept *k = ak_kept_join(100, 4 * TAKES, key);

    (void)number;
    ck_assert_ptr_nonnull(k);
    ck_assert(is_kept(k, 5) && !is_kept(k, 6));
    offer(k, 6, 50);
    ak_kept_free(k);
}

START_TEST(processes_share)
{
    ak_kept *k = ak_kept_new(100, 4 * TAKES);
    ak_kept_key key = ak_kept_key_of(k), other = key;

    offer(k, 5, 50);
    end_well(start(read_5_offer_6, &key, 0));
    ck_assert(is_kept(k, 5) && is_kept(k, 6));
    ck_assert_uint_eq(ak_kept_used(k), 2 * TAKES);
    ck_assert_ptr_null(ak_kept_join(101 * 4096, 4 * TAKES, &key)); // another set's
    other.inode++;
    ck_assert_ptr_null(ak_kept_join(100, 4 * TAKES, &other));
    other.descriptor = 1000000;
    ck_assert_ptr_null(ak_kept_join(100, 4 * TAKES, &other));
    ak_kept_free(k);
    ck_assert_ptr_null(ak_kept_join(100, 4 * TAKES, &key));
}
END_TEST

enum { MANY = 200, ROUNDS = 10000, CHURNED = 64 * PAGE };

// Of sizes that go with the index; each byte is its index.
static int64_t side_of(int64_t index)
{
    return 1 + index * 7 % 90;
}

static void offer_some(ak_kept *k, ak_rng *rng)
{
    static uint8_t some[90 * 90 * 3];
    int64_t index = ak_rng_below(rng, MANY), side = side_of(index);
    ak_image image = { some, side, side, 3 };

    memset(some, (int)index, sizeof some);
    ak_kept_offer(k, index, &image, ak_rng_below(rng, 100000), ak_rng_below(rng, 5) == 0);
}

static void read_some(ak_kept *k, ak_rng *rng)
{
    int64_t index = ak_rng_below(rng, MANY), side = side_of(index), wrong = 0;
    ak_image image;
    ak_kept_image *held = ak_kept_hold(k, index, &image);

    if (!held)
        return;
    ck_assert(image.height == side && image.width == side && image.channels == 3);
    for (int64_t i = 0; i < side * side * 3; i++)
        wrong += image.pixels[i] != index;
    ck_assert_int_eq(wrong, 0);
    ak_kept_rele(k, held);
}

static void churn(const ak_kept_key *key, int number)
{
    ak_kept *k = ak_kept_join(MANY, CHURNED, key);
    ak_rng rng = ak_rng_at(7, AK_RNG_BENCH, (uint32_t)number, 0, 0);

    ck_assert_ptr_nonnull(k);
    for (int i = 0; i < ROUNDS; i++) {
        offer_some(k, &rng);
        read_some(k, &rng);
        (void)ak_kept_want(k, ak_rng_below(&rng, MANY));
        ck_assert_uint_le(ak_kept_used(k), CHURNED);
    }
    ak_kept_free(k);
}

// Images come and go in three processes at once: what is held stays whole, and memory that is no
// longer used goes back.
START_TEST(many_at_once)
{
    ak_kept *k = ak_kept_new(MANY, CHURNED);
    ak_kept_key key = ak_kept_key_of(k);
    char path[64];
    struct stat file;
    pid_t child[3];

    for (int i = 0; i < 3; i++)
        child[i] = start(churn, &key, i);
    for (int i = 0; i < 3; i++)
        end_well(child[i]);
    ck_assert_uint_ge(ak_kept_used(k), CHURNED / 2);
    snprintf(path, sizeof path, "/proc/self/fd/%d", (int)key.descriptor);
    ck_assert_int_eq(stat(path, &file), 0);
    ck_assert_int_le(file.st_blocks * 512, CHURNED / 8 * 9 + 16 * PAGE); // what tells of them
    ak_kept_free(k);
}
END_TEST

// Where files may not be so large, a process keeps images for itself.
START_TEST(without_a_file)
{
    struct rlimit before, small = { 1 << 16, RLIM_INFINITY };
    ak_kept *k;
    ak_kept_key key;

    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    small.rlim_max = before.rlim_max;
    setrlimit(RLIMIT_FSIZE, &small);
    k = ak_kept_new(100, 4 * TAKES);
    setrlimit(RLIMIT_FSIZE, &before); // no assertion until here: check keeps a file of its own
    ck_assert_ptr_nonnull(k);
    key = ak_kept_key_of(k);
    ck_assert_int_eq(key.process, 0);
    for (int i = 0; i < 100; i++)
        offer(k, i, i);
    ck_assert(is_kept(k, 99) && !is_kept(k, 0));
    ak_kept_free(k);
}
END_TEST

// ---- in a data set

static char folder[256];

static void put(const char *name, picture p)
{
    char path[600];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(p.bytes, 1, p.size, file), p.size);
    ck_assert_int_eq(fclose(file), 0);
    free(p.bytes);
}

static void lose(const char *name)
{
    char path[600];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    ck_assert_int_eq(unlink(path), 0);
}

static akssl_status read_image(const ak_dataset *set, int64_t index, int64_t least, ak_reading *r)
{
    ak_image image;
    akssl_status rc = ak_dataset_read(set, index, least, r, &image);

    if (rc < 0)
        return rc;
    ck_assert_int_eq(image.height, 20 + index);
    for (int y = 0; y < image.height; y++)
        for (int x = 0; x < image.width; x++)
            ck_assert_int_eq(image.pixels[3 * (y * image.width + x) + 1], picture_value(y, x, 1));
    return AKSSL_OK;
}

enum { LEAST = 16 }; // of pictures of 20 x 30 and more: none is reduced

static void make_set(ak_dataset **set)
{
    const char *base = getenv("TMPDIR");
    char name[300];

    snprintf(folder, sizeof folder, "%.200s/akssl-kept-XXXXXX", base ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%d.png", i);
        put(name, picture_png((png_form){ 20 + i, 30, PNG_COLOR_TYPE_RGB, 8, false, 0 }));
    }
    snprintf(name, sizeof name, "folder:%s", folder);
    ck_assert_msg(set_open(set, name, AK_SPLIT_TRAIN, 0) == 0, "%s", ak_error_text());
}

static void lose_files(void)
{
    char name[16];

    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%d.png", i);
        lose(name);
    }
}

// What is kept needs its file no longer; with another `least`, or beyond the room, it does.
START_TEST(a_set_keeps_its_images)
{
    ak_reading one = { 0 }, other = { 0 };
    ak_dataset *set;

    make_set(&set);
    ak_dataset_keep(set, LEAST, (size_t)2 * PAGE); // one each
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 2; i++) {
            ck_assert_int_eq(read_image(set, i, LEAST, &one), 0);
            ck_assert_int_eq(read_image(set, i, LEAST, &other), 0);
        }
    ck_assert_int_eq(read_image(set, 2, LEAST, &one), 0);
    lose_files();
    ck_assert_int_eq(read_image(set, 0, LEAST, &one), 0);
    ck_assert_int_eq(read_image(set, 1, LEAST, &other), 0);
    ck_assert_int_lt(read_image(set, 0, LEAST + 1, &one), 0);
    ck_assert_int_lt(read_image(set, 2, LEAST, &one), 0);
    ck_assert_int_eq(read_image(set, 0, LEAST, &one), 0);
    ak_reading_fini(&one);
    ak_reading_fini(&other);
    ak_dataset_close(set);
    ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

static void wait_until_used(const ak_dataset *set, size_t bytes)
{
    for (int i = 0; i < 3000 && ak_kept_used(set->kept) != bytes; i++)
        usleep(10000);
    ck_assert_uint_eq(ak_kept_used(set->kept), bytes);
}

// A thread decodes what it was told to, and drops what fails, which fails again for who reads it.
START_TEST(images_are_decoded_ahead)
{
    const uint32_t first[] = { 2, 2 }, then[] = { 1, 2, 0 };
    ak_reading reading = { 0 };
    ak_dataset *set;
    ak_ahead *ahead;

    make_set(&set);
    ck_assert(ak_dataset_decodes(set) && !ak_dataset_keeps(set));
    ck_assert_ptr_null(ak_ahead_new(set));
    ak_ahead_want(NULL, first, 2);
    ak_ahead_free(NULL);
    ak_dataset_keep(set, LEAST, 1 << 20);
    lose("1.png");
    ahead = ak_ahead_new(set);
    ck_assert_ptr_nonnull(ahead);
    ak_ahead_want(ahead, first, 2);
    wait_until_used(set, PAGE);
    ak_ahead_want(ahead, then, 3);
    wait_until_used(set, (size_t)2 * PAGE);
    ak_ahead_free(ahead);
    lose("0.png");
    lose("2.png");
    ck_assert_int_eq(read_image(set, 0, LEAST, &reading), 0);
    ck_assert_int_eq(read_image(set, 2, LEAST, &reading), 0);
    ck_assert_int_lt(read_image(set, 1, LEAST, &reading), 0);
    ck_assert_ptr_nonnull(strstr(ak_error_text(), "1.png"));
    ak_reading_fini(&reading);
    ak_dataset_close(set);
    ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

AK_TEST_MAIN(AK_CASE(keeps_what_there_is_room_for), AK_CASE(costly_ones_stay),
             AK_CASE(wanted_ones_go_first), AK_CASE(processes_share), AK_CASE(many_at_once),
             AK_CASE(without_a_file), AK_CASE(a_set_keeps_its_images),
             AK_CASE(images_are_decoded_ahead))
