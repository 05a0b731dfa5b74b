// tests/unit/worker/data/kept.c -- tests which decoded images are kept, and that reading them is as
// reading others.

#include "worker/data/kept.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/error.h"
#include "tests/sets.h"
#include "tests/unit/worker/image/pictures.h"
#include "worker/data/ahead.h"
#include "worker/data/kind.h"

enum { SIDE = 10, SIZE = SIDE * SIDE * 3 };

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
    ak_kept *k = ak_kept_new(100, 4 * SIZE + 7);

    for (int i = 0; i < 100; i++)
        offer(k, i, 50);
    ck_assert_uint_eq(ak_kept_used(k), 4 * SIZE);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(is_kept(k, i), i < 4); // equal worth: the first stay
    offer(k, 3, 50);                            // again
    ck_assert_uint_eq(ak_kept_used(k), 4 * SIZE);
    ak_kept_free(k);
    k = ak_kept_new(1, SIZE - 1);
    offer(k, 0, 50);
    ck_assert(!is_kept(k, 0));
    ak_kept_free(k);
    ak_kept_free(NULL);
}
END_TEST

START_TEST(costly_ones_stay)
{
    ak_kept *k = ak_kept_new(100, 4 * SIZE);
    ak_kept_image *held;
    ak_image image;

    for (int i = 0; i < 4; i++)
        offer(k, i, 50);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 100; i++)
            offer(k, i, i % 25 == 24 ? 900 : 50);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(is_kept(k, i), i % 25 == 24);
    ck_assert_uint_eq(ak_kept_used(k), 4 * SIZE);
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
    ak_kept *k = ak_kept_new(100, 4 * SIZE);

    for (int i = 0; i < 4; i++)
        offer(k, i, 900);
    for (int i = 10; i < 14; i++)
        offer_as(k, i, 50, true);
    for (int i = 20; i < 40; i++)
        offer(k, i, 1000);
    ck_assert(ak_kept_want(k, 10) && ak_kept_want(k, 11));
    ck_assert(!ak_kept_want(k, 12) && !ak_kept_want(k, 13) && !ak_kept_want(k, 0));
    ck_assert_uint_eq(ak_kept_used(k), 4 * SIZE);
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
    ak_dataset_keep(set, LEAST, 20 * 30 * 3 + 21 * 30 * 3);
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
    enum { ROW = 30 * 3 };
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
    wait_until_used(set, 22 * ROW);
    ak_ahead_want(ahead, then, 3);
    wait_until_used(set, (20 + 22) * ROW);
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
             AK_CASE(wanted_ones_go_first), AK_CASE(a_set_keeps_its_images),
             AK_CASE(images_are_decoded_ahead))
