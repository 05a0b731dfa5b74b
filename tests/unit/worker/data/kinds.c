// tests/unit/worker/data/kinds.c -- tests how the kinds of data sets number classes and lay pixels.

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/error.h"
#include "tests/sets.h"
#include "tests/unit/worker/data/folder.h"
#include "tests/unit/worker/image/pictures.h"
#include "worker/data/pack.h"

static void put(const char *name, const void *bytes, size_t size)
{
    char path[600];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    for (char *slash = strchr(path + strlen(folder) + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(path, 0700);
        *slash = '/';
    }
    file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
}

static ak_dataset *opened(const char *kind, ak_split split)
{
    char name[300];
    ak_dataset *set;

    snprintf(name, sizeof name, "%s:%s", kind, folder);
    ck_assert_msg(set_open(&set, name, split, 0) == 0, "%s", ak_error_text());
    return set;
}

static int value(int c, int y, int x)
{
    return (c * 50 + y * 2 + x) % 256;
}

static void has_values(const ak_dataset *set, int64_t index, int side)
{
    ak_reading reading = { 0 };
    ak_image image;

    ck_assert_int_eq(ak_dataset_read(set, index, 0, &reading, &image), 0);
    ck_assert(image.height == side && image.width == side && image.channels == 3);
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++)
            for (int c = 0; c < 3; c++)
                ck_assert_int_eq(image.pixels[3 * (y * side + x) + c], value(c, y, x));
    ak_reading_fini(&reading);
}

START_TEST(cifar_has_planes)
{
    uint8_t record[2][2 + 3072];
    ak_dataset *set;

    folder_make();
    for (int r = 0; r < 2; r++) {
        record[r][0] = 9;
        record[r][1] = (uint8_t)(40 + r);
        for (int i = 0; i < 3072; i++)
            record[r][2 + i] = (uint8_t)value(i / 1024, i / 32 % 32, i % 32);
    }
    put("train.bin", record, sizeof record);
    set = opened("cifar100", AK_SPLIT_TRAIN);
    ck_assert(ak_dataset_size(set) == 2 && ak_dataset_classes(set) == 100);
    ck_assert(ak_dataset_label(set, 0) == 40 && ak_dataset_label(set, 1) == 41); // the fine ones
    has_values(set, 1, 32);
    ak_dataset_close(set);
    record[0][1] = 7;
    put("cifar-10-batches-bin/test_batch.bin", record[0] + 1, 3073);
    set = opened("cifar10", AK_SPLIT_TEST);
    ck_assert(ak_dataset_size(set) == 1 && ak_dataset_label(set, 0) == 7);
    has_values(set, 0, 32);
    ak_dataset_close(set);
    folder_remove();
}
END_TEST

START_TEST(stl10_has_columns_and_images_without_labels)
{
    enum { IMAGE = 3 * 96 * 96 };
    uint8_t *images = malloc(3 * IMAGE), labels[2] = { 1, 10 };
    ak_dataset *set;

    folder_make();
    for (int i = 0; i < 3 * IMAGE; i++) // column by column
        images[i] = (uint8_t)value(i % IMAGE / 9216, i % 96, i / 96 % 96);
    put("train_X.bin", images, 2 * IMAGE);
    put("train_y.bin", labels, 2);
    put("unlabeled_X.bin", images, 3 * IMAGE);
    set = opened("stl10", AK_SPLIT_TRAIN);
    ck_assert(ak_dataset_size(set) == 5 && ak_dataset_classes(set) == 10);
    ck_assert(ak_dataset_label(set, 0) == 0 && ak_dataset_label(set, 1) == 9);
    ck_assert_int_eq(ak_dataset_label(set, 2), -1);
    has_values(set, 1, 96);
    has_values(set, 4, 96);
    ak_dataset_close(set);
    free(images);
    folder_remove();
}
END_TEST

static void put_png(const char *name)
{
    picture p = picture_png((png_form){ 4, 6, PNG_COLOR_TYPE_GRAY, 8, false, 0 });

    put(name, p.bytes, p.size);
    free(p.bytes);
}

// ImageFolder's order: class by class, a folder's own files before those below it, byte by byte.
START_TEST(folder_is_in_imagefolders_order)
{
    static const char *const names[] = { "B/1.png", "B/z.PNG", "B/a/2.png", "a/10.png", "a/9.png" };
    ak_dataset *set;

    folder_make();
    for (int i = 4; i >= 0; i--) {
        char name[100];

        snprintf(name, sizeof name, "train/%s", names[i]);
        put_png(name);
    }
    put("train/a/notes.txt", "x", 1);
    put_png("val/a/1.png"); // no B there: a is class 1 all the same
    set = opened("folder", AK_SPLIT_TRAIN);
    ck_assert(ak_dataset_size(set) == 5 && ak_dataset_classes(set) == 2);
    for (int i = 0; i < 5; i++) {
        ak_str name = AK_STR_INIT;

        ak_dataset_name(set, i, &name);
        ck_assert_str_eq(name.text, names[i]);
        ck_assert_int_eq(ak_dataset_label(set, i), i > 2);
        ak_str_fini(&name);
    }
    ak_dataset_close(set);
    set = opened("folder", AK_SPLIT_TEST);
    ck_assert(ak_dataset_size(set) == 1 && ak_dataset_label(set, 0) == 1);
    ak_dataset_close(set);
    folder_remove();
}
END_TEST

// A folder's images by blanks; those that begin with '-' are no images.
static void put_all(const char *names)
{
    char all[300], *rest = all;

    snprintf(all, sizeof all, "%s", names);
    for (char *one; (one = strsep(&rest, " "));)
        if (*one == '-')
            put(one + 1, "x", 1);
        else
            put_png(one);
}

// `train` is a part, a class, or not to be told from one.
START_TEST(a_class_may_be_called_train)
{
    static const struct {
        const char *names;
        int64_t images, classes; // images 0: refused
        bool held_out;
    } rows[] = {
        { "train/a/1.png train/b/1.png", 2, 2, false },
        { "train/1.png", 1, 0, false },
        { "train/a/1.png val/a/1.png test/1.png valid/a/1.png", 1, 1, true },
        { "train/a/1.png val/a/1.png meta/1.png meta/x/1.png", 1, 1, true },
        { "train/a/1.png -labels/1.xml .hidden/1.png", 1, 1, false },
        { "bus/1.png car/1.png train/1.png", 3, 3, false },
        { "bus/x/1.png car/x/1.png train/1.png", 3, 3, false },
        { "bus/1.png car/1.png train/x/1.png", 0, 0, false },
        { "bus/1.png test/1.png train/1.png", 0, 0, false },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char name[300];
        ak_dataset *set;
        akssl_status rc;

        folder_make();
        put_all(rows[i].names);
        snprintf(name, sizeof name, "folder:%s", folder);
        rc = set_open(&set, name, AK_SPLIT_TRAIN, 0);
        ck_assert_msg(rc == (rows[i].images ? 0 : AKSSL_ERR_INVALID), "%s: %s", rows[i].names,
                      ak_error_text());
        if (rows[i].images) {
            ck_assert_msg(ak_dataset_size(set) == rows[i].images &&
                              ak_dataset_classes(set) == rows[i].classes,
                          "%s", rows[i].names);
            ak_dataset_close(set);
        } else {
            ck_assert_ptr_nonnull(strstr(ak_error_text(), "'train' and 'bus'"));
        }
        rc = set_open(&set, name, AK_SPLIT_TEST, 0);
        ck_assert_msg(rows[i].held_out == (rc == 0), "%s: %s", rows[i].names, ak_error_text());
        if (rc == 0)
            ak_dataset_close(set);
        else if (rows[i].classes == 3)
            ck_assert_ptr_nonnull(strstr(ak_error_text(), "'train' being a class"));
        folder_remove();
    }
}
END_TEST

START_TEST(a_packed_set_is_verified)
{
    char from[300], file[300], name[320];
    ak_pack_ask ask = { .train = { .name = from } };
    ak_reading reading = { 0 };
    ak_pack_count count;
    ak_image image;
    ak_dataset *set;
    FILE *f;

    folder_make();
    put_png("set/a/1.png");
    put_png("set/b/2.png");
    snprintf(from, sizeof from, "folder:%.200s/set", folder);
    snprintf(file, sizeof file, "%.200s/set.akpacked", folder);
    snprintf(name, sizeof name, "packed:%s", file);
    ck_assert_msg(ak_pack_write(file, &ask, &count) == 0, "%s", ak_error_text());
    ck_assert(count.images[0] == 2 && count.images[1] == 0);
    ck_assert_int_eq(set_open(&set, name, AK_SPLIT_TEST, 0), AKSSL_ERR_NOT_FOUND);
    ck_assert_int_eq(set_open(&set, name, AK_SPLIT_TRAIN, 0), 0);
    ck_assert_str_eq(ak_dataset_class(set, 1), "b");
    ck_assert_int_eq(ak_dataset_read(set, 1, 0, &reading, &image), 0);
    ck_assert(image.height == 4 && image.width == 6 && image.channels == 1);
    ak_dataset_close(set);
    f = fopen(file, "r+b"); // a pixel of the first image
    ck_assert(f && fseek(f, 64, SEEK_SET) == 0 && fputc(1, f) == 1 && fclose(f) == 0);
    ck_assert_int_eq(set_open(&set, name, AK_SPLIT_TRAIN, 0), 0);
    ck_assert_int_eq(ak_dataset_read(set, 0, 0, &reading, &image), AKSSL_ERR_IO);
    ck_assert_ptr_nonnull(strstr(ak_error_text(), "pack it again"));
    ak_dataset_close(set);
    ck_assert_int_eq(truncate(file, 150), 0);
    ck_assert_int_eq(set_open(&set, name, AK_SPLIT_TRAIN, 0), AKSSL_ERR_CORRUPT);
    ak_reading_fini(&reading);
    folder_remove();
}
END_TEST

static uint8_t reduced(ak_dataset *set, int64_t least, int64_t height, int64_t width)
{
    ak_reading reading = { 0 };
    ak_image image;
    uint8_t last;

    ck_assert_int_eq(ak_dataset_read(set, 0, least, &reading, &image), 0);
    ck_assert(image.height == height && image.width == width && image.channels == 1);
    last = image.pixels[height * width - 1];
    ak_reading_fini(&reading);
    return last;
}

// What is read for views is as small, and has the same pixels, from a folder, kept, and packed.
START_TEST(a_large_picture_is_reduced_alike)
{
    char from[300], file[300], name[320];
    ak_pack_ask ask = { .train = { .name = from } };
    ak_dataset *folder_set, *packed_set;
    ak_pack_count count;
    uint8_t last;

    folder_make();
    put_png("set/a/1.png"); // 4 x 6
    snprintf(from, sizeof from, "folder:%.200s/set", folder);
    snprintf(file, sizeof file, "%.200s/set.akpacked", folder);
    snprintf(name, sizeof name, "packed:%s", file);
    ck_assert_msg(ak_pack_write(file, &ask, &count) == 0, "%s", ak_error_text());
    ck_assert_int_eq(set_open(&folder_set, from, AK_SPLIT_TRAIN, 0), 0);
    ck_assert_int_eq(set_open(&packed_set, name, AK_SPLIT_TRAIN, 0), 0);
    ak_dataset_keep(folder_set, 1, 1 << 20);
    last = reduced(packed_set, 1, 1, 2);
    for (int epoch = 0; epoch < 2; epoch++)
        ck_assert_int_eq(reduced(folder_set, 1, 1, 2), last);
    ck_assert_int_eq(reduced(folder_set, 2, 2, 3), reduced(packed_set, 2, 2, 3));
    (void)reduced(packed_set, 3, 4, 6);
    ak_dataset_close(folder_set);
    ak_dataset_close(packed_set);
    folder_remove();
}
END_TEST

AK_TEST_MAIN(AK_CASE(cifar_has_planes), AK_CASE(stl10_has_columns_and_images_without_labels),
             AK_CASE(folder_is_in_imagefolders_order), AK_CASE(a_class_may_be_called_train),
             AK_CASE(a_packed_set_is_verified), AK_CASE(a_large_picture_is_reduced_alike))
