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

enum { SIDE = 10, SIZE = SIDE * SIDE * 3 };

static uint8_t pixels[SIZE];

static void offer(ak_kept *k, int64_t index, size_t file_size)
{
    ak_image image = { pixels, SIDE, SIDE, 3 };

    memset(pixels, (int)index, sizeof pixels);
    ak_kept_offer(k, index, &image, file_size);
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

// What is kept needs its file no longer; with another `least`, or beyond the room, it does.
START_TEST(a_set_keeps_its_images)
{
    const char *base = getenv("TMPDIR");
    ak_reading one = { 0 }, other = { 0 };
    ak_dataset *set;
    char name[300];

    snprintf(folder, sizeof folder, "%.200s/akssl-kept-XXXXXX", base ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%d.png", i);
        put(name, picture_png((png_form){ 20 + i, 30, PNG_COLOR_TYPE_RGB, 8, false, 0 }));
    }
    snprintf(name, sizeof name, "folder:%s", folder);
    ck_assert_msg(set_open(&set, name, AK_SPLIT_TRAIN, 0) == 0, "%s", ak_error_text());
    ak_dataset_keep(set, 8, 20 * 30 * 3 + 21 * 30 * 3);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 2; i++) {
            ck_assert_int_eq(read_image(set, i, 8, &one), 0);
            ck_assert_int_eq(read_image(set, i, 8, &other), 0);
        }
    ck_assert_int_eq(read_image(set, 2, 8, &one), 0);
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%d.png", i);
        lose(name);
    }
    ck_assert_int_eq(read_image(set, 0, 8, &one), 0);
    ck_assert_int_eq(read_image(set, 1, 8, &other), 0);
    ck_assert_int_lt(read_image(set, 0, 9, &one), 0);
    ck_assert_int_lt(read_image(set, 2, 8, &one), 0);
    ck_assert_int_eq(read_image(set, 0, 8, &one), 0);
    ak_reading_fini(&one);
    ak_reading_fini(&other);
    ak_dataset_close(set);
    ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

AK_TEST_MAIN(AK_CASE(keeps_what_there_is_room_for), AK_CASE(costly_ones_stay),
             AK_CASE(a_set_keeps_its_images))
