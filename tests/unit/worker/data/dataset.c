// tests/unit/worker/data/dataset.c -- tests the data sets: what they read, what they refuse.

#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "proto/base/error.h"
#include "tests/check.h"
#include "tests/sets.h"
#include "worker/data/dataset.h"

static char folder[256], name[300];
static char made[16][32];
static int made_count;

static void setup(void)
{
    const char *base = getenv("TMPDIR");

    snprintf(folder, sizeof folder, "%.200s/akssl-data-XXXXXX", base ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(name, sizeof name, "idx:%s", folder);
}

static void clear(void)
{
    for (; made_count; made_count--) {
        char path[320];

        snprintf(path, sizeof path, "%s/%s", folder, made[made_count - 1]);
        unlink(path);
    }
}

static void teardown(void)
{
    clear();
    ck_assert_int_eq(rmdir(folder), 0);
}

// Writes bytes to the folder's file, gzipped when its name says so.
static void put(const char *file, const void *bytes, size_t size)
{
    char path[320];

    snprintf(path, sizeof path, "%s/%s", folder, file);
    snprintf(made[made_count++], sizeof made[0], "%s", file);
    if (strstr(file, ".gz")) {
        gzFile f = gzopen(path, "wb");

        ck_assert_int_eq(gzwrite(f, bytes, (unsigned)size), (int)size);
        ck_assert_int_eq(gzclose(f), Z_OK);
    } else {
        FILE *f = fopen(path, "wb");

        ck_assert_uint_eq(fwrite(bytes, 1, size, f), size);
        ck_assert_int_eq(fclose(f), 0);
    }
}

typedef struct blob {
    uint8_t bytes[4096];
    size_t size;
} blob;

// An IDX file of the given axes whose element i is i*7 (images) or i%3 (labels), big-endian.
static blob make(int type, int axes, const uint32_t *n)
{
    int width = type == 0x0C ? 4 : type == 0x0B ? 2 : 1;
    blob b = { .bytes = { 0, 0, (uint8_t)type, (uint8_t)axes }, .size = 4 };
    size_t count = 1;

    for (int i = 0; i < axes; i++) {
        for (int k = 0; k < 4; k++)
            b.bytes[b.size++] = (uint8_t)(n[i] >> (24 - 8 * k));
        count *= n[i];
    }
    for (size_t i = 0; i < count; i++) {
        b.size += (size_t)width;
        b.bytes[b.size - 1] = (uint8_t)(axes == 1 ? i % 3 : i * 7);
    }
    ck_assert_uint_le(b.size, sizeof b.bytes);
    return b;
}

static blob images(uint32_t n)
{
    return make(0x08, 3, (const uint32_t[]){ n, 5, 4 });
}

static blob labels(uint32_t n)
{
    return make(0x08, 1, &n);
}

static void put_blob(const char *file, blob b)
{
    put(file, b.bytes, b.size);
}

static void accepted(ak_split split)
{
    ak_dataset *set;

    ck_assert_msg(set_open(&set, name, split, 0) == 0, "%s", ak_error_text());
    ck_assert_int_eq(ak_dataset_size(set), 6);
    ck_assert_int_eq(ak_dataset_classes(set), 3);
    for (int i = 0; i < 6; i++) {
        ak_image image = set_image(set, i);

        ck_assert(image.height == 5 && image.width == 4 && image.channels == 1);
        ck_assert_int_eq(ak_dataset_label(set, i), i % 3);
        for (int k = 0; k < 20; k++)
            ck_assert_uint_eq(image.pixels[k], (uint8_t)((20 * i + k) * 7));
    }
    ak_dataset_close(set);
    clear();
}

START_TEST(reads_every_naming)
{
    static const struct {
        const char *images, *labels;
        ak_split split;
    } rows[] = {
        { "train-images-idx3-ubyte", "train-labels-idx1-ubyte", AK_SPLIT_TRAIN },
        { "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", AK_SPLIT_TRAIN },
        { "train-images.idx3-ubyte", "train-labels.idx1-ubyte.gz", AK_SPLIT_TRAIN },
        { "t10k-images-idx3-ubyte.gz", "t10k-labels.idx1-ubyte", AK_SPLIT_TEST },
        { "test-images-idx3-ubyte", "test-labels-idx1-ubyte", AK_SPLIT_TEST },
    };

    setup();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        put_blob(rows[i].images, images(6));
        put_blob(rows[i].labels, labels(6));
        accepted(rows[i].split);
    }
    put_blob("train-images-idx3-ubyte", images(6));
    put_blob("train-labels-idx1-ubyte", make(0x0C, 1, (const uint32_t[]){ 6 }));
    accepted(AK_SPLIT_TRAIN);
    put_blob("train-images-idx3-ubyte", images(6));
    put_blob("train-labels-idx1-ubyte.gz", make(0x0B, 1, (const uint32_t[]){ 6 }));
    accepted(AK_SPLIT_TRAIN);
    teardown();
}
END_TEST

START_TEST(limit_and_no_labels)
{
    ak_dataset *set;

    setup();
    put_blob("train-images-idx3-ubyte.gz", images(6));
    ck_assert_int_eq(set_open(&set, name, AK_SPLIT_TRAIN, 2), 0);
    ck_assert_int_eq(ak_dataset_size(set), 2);
    ck_assert_int_eq(ak_dataset_label(set, 1), -1);
    ck_assert_int_eq(ak_dataset_classes(set), 0);
    ak_dataset_close(set);
    put_blob("train-labels-idx1-ubyte", labels(6));
    ck_assert_int_eq(set_open(&set, name, AK_SPLIT_TRAIN, 2), 0);
    ck_assert_int_eq(ak_dataset_label(set, 1), 1);
    ck_assert_int_eq(ak_dataset_classes(set), 3); // a limit changes no label's meaning
    ak_dataset_close(set);
    ck_assert_int_eq(set_open(&set, name, AK_SPLIT_TRAIN, 1000), 0);
    ck_assert_int_eq(ak_dataset_size(set), 6);
    ak_dataset_close(set);
    ak_dataset_close(NULL);
    put_blob("t10k-images-idx3-ubyte", images(6));
    ck_assert_int_eq(set_open(&set, name, AK_SPLIT_TEST, 0), AKSSL_ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(ak_error_text(), "t10k-labels-idx1-ubyte"));
    teardown();
}
END_TEST

START_TEST(colour)
{
    ak_dataset *set;
    ak_image image;

    setup();
    put_blob("train-images-idx4-ubyte", make(0x08, 4, (const uint32_t[]){ 4, 3, 2, 3 }));
    ck_assert_int_eq(set_open(&set, name, AK_SPLIT_TRAIN, 0), 0);
    image = set_image(set, 3);
    ck_assert(image.channels == 3 && image.height == 3 && image.width == 2);
    ck_assert_uint_eq(image.pixels[5], (uint8_t)((3 * 18 + 5) * 7));
    ak_dataset_close(set);
    teardown();
}
END_TEST

// Opens the folder with these files and expects one sentence that names `where`.
static void refused(const char *what, akssl_status code, const char *where)
{
    ak_dataset *set = NULL;
    akssl_status rc = set_open(&set, name, AK_SPLIT_TRAIN, 0);

    ck_assert_msg(rc == code, "%s: got %d, %s", what, rc, rc < 0 ? ak_error_text() : "");
    ck_assert_ptr_null(set);
    ck_assert_msg(strstr(ak_error_text(), where) && strstr(ak_error_text(), folder),
                  "%s: '%s' does not name %s", what, ak_error_text(), where);
    clear();
}

START_TEST(damaged_headers)
{
    static const struct {
        const char *what;
        int at;
        uint8_t byte;
    } rows[] = {
        { "first byte", 0, 1 },   { "second byte", 1, 1 },    { "type", 2, 0x0D },
        { "type", 2, 0x55 },      { "no axes", 3, 0 },        { "one axis", 3, 1 },
        { "two axes", 3, 2 },     { "255 axes", 3, 255 },     { "more images", 7, 7 },
        { "fewer images", 7, 5 }, { "no images", 7, 0 },      { "2^31 images", 4, 0x80 },
        { "2^24 images", 4, 1 },  { "huge height", 8, 0xff }, { "huge width", 12, 0xff },
        { "zero height", 11, 0 }, { "wide by one", 15, 5 },   { "narrow", 15, 3 },
    };
    static const char *const files[] = { "train-images-idx3-ubyte", "train-images-idx3-ubyte.gz" };

    setup();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (int k = 0; k < 2; k++) {
            blob b = images(6);

            b.bytes[rows[i].at] = rows[i].byte;
            put_blob("train-labels-idx1-ubyte", labels(6));
            put_blob(files[k], b);
            refused(rows[i].what, AKSSL_ERR_CORRUPT, "train-images-idx3-ubyte");
        }
    }
    teardown();
}
END_TEST

START_TEST(every_truncation)
{
    blob b = images(2);

    setup();
    for (size_t size = 0; size < b.size; size++) {
        put("train-images-idx3-ubyte", b.bytes, size);
        refused("truncated", AKSSL_ERR_CORRUPT, "train-images-idx3-ubyte");
        put("train-images-idx3-ubyte.gz", b.bytes, size);
        refused("truncated inside gzip", AKSSL_ERR_CORRUPT, "train-images-idx3-ubyte.gz");
    }
    b.bytes[b.size++] = 0;
    put_blob("train-images-idx3-ubyte", b);
    refused("trailing byte", AKSSL_ERR_CORRUPT, "train-images-idx3-ubyte");
    put_blob("train-images-idx3-ubyte.gz", b);
    refused("trailing byte inside gzip", AKSSL_ERR_CORRUPT, "train-images-idx3-ubyte.gz");
    teardown();
}
END_TEST

static blob read_back(const char *file)
{
    blob b = { .size = 0 };
    char path[320];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", folder, file);
    f = fopen(path, "rb");
    b.size = fread(b.bytes, 1, sizeof b.bytes, f);
    fclose(f);
    clear();
    return b;
}

// Puts raw bytes under a .gz name.
static void put_raw(const blob *b, size_t size)
{
    char from[320], to[320];

    put("raw", b->bytes, size);
    snprintf(from, sizeof from, "%s/raw", folder);
    snprintf(to, sizeof to, "%s/train-images-idx3-ubyte.gz", folder);
    ck_assert_int_eq(rename(from, to), 0);
    snprintf(made[made_count - 1], sizeof made[0], "train-images-idx3-ubyte.gz");
}

START_TEST(damaged_gzip)
{
    blob b, twice;
    ak_dataset *set;

    setup();
    put_blob("train-images-idx3-ubyte.gz", images(6));
    b = read_back("train-images-idx3-ubyte.gz");
    for (size_t size = 0; size < b.size; size++) {
        put_raw(&b, size);
        refused("truncated gzip", AKSSL_ERR_CORRUPT, "train-images-idx3-ubyte.gz");
    }
    for (size_t at = b.size - 8; at < b.size; at++) { // checksum and length
        blob d = b;

        d.bytes[at] ^= 1;
        put_raw(&d, d.size);
        refused("checksum", AKSSL_ERR_CORRUPT, "train-images-idx3-ubyte.gz");
    }
    for (size_t at = 0; at < b.size; at++) { // anywhere: refused or, in unused bits, harmless
        blob d = b;

        d.bytes[at] ^= 0x10;
        put_raw(&d, d.size);
        if (set_open(&set, name, AK_SPLIT_TRAIN, 0) == 0)
            ak_dataset_close(set);
        clear();
    }
    twice = b;
    twice.bytes[twice.size++] = 'x';
    put_raw(&twice, twice.size);
    refused("junk behind gzip", AKSSL_ERR_CORRUPT, "train-images-idx3-ubyte.gz");
    memcpy(twice.bytes + b.size, b.bytes, b.size);
    put_raw(&twice, 2 * b.size);
    refused("a second set behind the first", AKSSL_ERR_CORRUPT, "train-images-idx3-ubyte.gz");
    teardown();
}
END_TEST

// Two gzip members that make one set are one file.
START_TEST(gzip_members)
{
    blob b = images(6), one, two;

    setup();
    put("a.gz", b.bytes, 50);
    one = read_back("a.gz");
    put("a.gz", b.bytes + 50, b.size - 50);
    two = read_back("a.gz");
    memcpy(one.bytes + one.size, two.bytes, two.size);
    put_raw(&one, one.size + two.size);
    put_blob("train-labels-idx1-ubyte", labels(6));
    accepted(AK_SPLIT_TRAIN);
    teardown();
}
END_TEST

START_TEST(damaged_labels)
{
    blob b;

    setup();
    put_blob("train-images-idx3-ubyte", images(6));
    put_blob("train-labels-idx1-ubyte", labels(5));
    refused("too few", AKSSL_ERR_CORRUPT, "train-labels-idx1-ubyte");
    put_blob("train-images-idx3-ubyte", images(6));
    put_blob("train-labels-idx1-ubyte", images(6));
    refused("images for labels", AKSSL_ERR_CORRUPT, "train-labels-idx1-ubyte");
    b = make(0x0C, 1, (const uint32_t[]){ 6 });
    b.bytes[b.size - 2] = 0x27; // 10000 + ...
    b.bytes[b.size - 1] = 0x10;
    put_blob("train-images-idx3-ubyte", images(6));
    put_blob("train-labels-idx1-ubyte", b);
    refused("label 10000", AKSSL_ERR_CORRUPT, "train-labels-idx1-ubyte");
    b.bytes[b.size - 4] = 0xff;
    put_blob("train-images-idx3-ubyte", images(6));
    put_blob("train-labels-idx1-ubyte", b);
    refused("label below 0", AKSSL_ERR_CORRUPT, "train-labels-idx1-ubyte");
    b = labels(6);
    put_blob("train-images-idx3-ubyte", images(6));
    put("train-labels-idx1-ubyte", b.bytes, b.size - 1);
    refused("truncated labels", AKSSL_ERR_CORRUPT, "train-labels-idx1-ubyte");
    put_blob("train-images-idx3-ubyte", labels(6));
    refused("labels for images", AKSSL_ERR_CORRUPT, "train-images-idx3-ubyte");
    teardown();
}
END_TEST

START_TEST(names)
{
    static const struct {
        const char *name, *part;
        akssl_status code;
    } rows[] = {
        { "", "fashion-mnist", AKSSL_ERR_INVALID },
        { "cifar", "fashion-mnist", AKSSL_ERR_NOT_FOUND },
        { "idx", "idx:/data/mnist", AKSSL_ERR_INVALID },
        { "idx:", "idx:/data/mnist", AKSSL_ERR_INVALID },
        { "idx:/nonexistent", "train-images-idx3-ubyte", AKSSL_ERR_NOT_FOUND },
        { "idx:/dev/null", "/dev/null", AKSSL_ERR_IO },
        { "fashion-mnist:/nonexistent", "'/nonexistent/train-images-idx3-ubyte' (or .gz) is",
          AKSSL_ERR_NOT_FOUND },
        { "fashion_mnist:/nonexistent", "'/nonexistent/train-images-idx3-ubyte' (or .gz) is",
          AKSSL_ERR_NOT_FOUND },
    };
    char long_name[6000];
    ak_dataset *set;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        akssl_status rc = set_open(&set, rows[i].name, AK_SPLIT_TRAIN, 0);

        ck_assert_msg(rc == rows[i].code, "'%s': %d %s", rows[i].name, rc, ak_error_text());
        ck_assert_msg(strstr(ak_error_text(), rows[i].part) != NULL, "%s", ak_error_text());
    }
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    ck_assert_int_lt(set_open(&set, long_name, AK_SPLIT_TRAIN, 0), 0);
    memcpy(long_name, "idx:", 4);
    ck_assert_int_lt(set_open(&set, long_name, AK_SPLIT_TRAIN, 0), 0);
}
END_TEST

// A folder of one's own is no matter of Debian's package.
START_TEST(fashion_mnist_of_a_folder)
{
    blob b = images(6);
    char own[320];
    ak_dataset *set;

    setup();
    snprintf(own, sizeof own, "fashion-mnist:%s", folder);
    put("train-images-idx3-ubyte", b.bytes, b.size - 1);
    ck_assert_int_eq(set_open(&set, own, AK_SPLIT_TRAIN, 0), AKSSL_ERR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(ak_error_text(), "train-images-idx3-ubyte'"));
    ck_assert_ptr_null(strstr(ak_error_text(), "install"));
    teardown();
}
END_TEST

// The packaged set itself, where it is installed.
START_TEST(fashion_mnist)
{
    static const int first[] = { 9, 0, 0, 3, 0, 2, 7, 2, 5, 5 };
    ak_dataset *set;

    if (access("/usr/share/datasets/fashion-mnist", F_OK) != 0) {
        printf("skipped: dataset-fashion-mnist is not installed\n");
        return;
    }
    ck_assert_msg(set_open(&set, "fashion-mnist", AK_SPLIT_TRAIN, 10) == 0, "%s", ak_error_text());
    ck_assert_int_eq(ak_dataset_size(set), 10);
    ck_assert_int_eq(ak_dataset_classes(set), 10);
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(ak_dataset_label(set, i), first[i]);
    ak_dataset_close(set);
    ck_assert_int_eq(set_open(&set, "fashion_mnist", AK_SPLIT_TEST, 0), 0);
    ck_assert_int_eq(ak_dataset_size(set), 10000);
    ck_assert_int_eq(set_image(set, 9999).width, 28);
    ak_dataset_close(set);
}
END_TEST

START_TEST(catalogue)
{
    ak_str text = AK_STR_INIT;

    ak_datasets_json(&text);
    ck_assert_ptr_nonnull(strstr(text.text, "{\"name\": \"fashion-mnist\", "));
    ck_assert_ptr_nonnull(strstr(text.text, "{\"name\": \"idx\", \"argument\": \"FOLDER\", "));
    ak_str_fini(&text);
}
END_TEST

AK_TEST_MAIN(AK_CASE(reads_every_naming), AK_CASE(limit_and_no_labels), AK_CASE(colour),
             AK_CASE(damaged_headers), AK_CASE(every_truncation), AK_CASE(damaged_gzip),
             AK_CASE(gzip_members), AK_CASE(damaged_labels), AK_CASE(names),
             AK_CASE(fashion_mnist_of_a_folder), AK_CASE(fashion_mnist), AK_CASE(catalogue))
