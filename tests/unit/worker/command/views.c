// tests/unit/worker/command/views.c -- runs `akssl-worker views` and reads its sheet back.

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/error.h"
#include "tests/unit/worker/image/png.h"
#include "tests/sets.h"
#include "worker/augment/recipe.h"
#include "worker/data/dataset.h"
#include "worker/rng/rng.h"

enum { IMAGES = 5, SIDE = 24, S = 32, EDGE = 2, ARGUMENTS = 32 };

static char folder[256], data[300], labels[300], dataset[300], sheet[300], errors[300];

static void put(const char *path, const void *head, size_t head_size, const uint8_t *body,
                size_t size)
{
    FILE *f = fopen(path, "wb");

    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(head, 1, head_size, f), head_size);
    ck_assert_uint_eq(fwrite(body, 1, size, f), size);
    ck_assert_int_eq(fclose(f), 0);
}

static void setup(void)
{
    static const uint8_t images_head[] = {
        0, 0, 8, 3, 0, 0, 0, IMAGES, 0, 0, 0, SIDE, 0, 0, 0, SIDE
    };
    static const uint8_t labels_head[] = { 0, 0, 8, 1, 0, 0, 0, IMAGES };
    static uint8_t pixels[IMAGES * SIDE * SIDE];
    static const uint8_t classes[IMAGES] = { 0, 1, 2, 3, 4 };
    ak_rng rng = ak_rng_at(1, AK_RNG_BENCH, 0, 0, 0);
    const char *base = getenv("TMPDIR");

    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(i % SIDE * 9 + ak_rng_below(&rng, 40));
    snprintf(folder, sizeof folder, "%.200s/akssl-views-XXXXXX", base ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(data, sizeof data, "%s/train-images-idx3-ubyte", folder);
    snprintf(labels, sizeof labels, "%s/train-labels-idx1-ubyte", folder);
    snprintf(dataset, sizeof dataset, "idx:%s", folder);
    snprintf(sheet, sizeof sheet, "%s/sheet.png", folder);
    snprintf(errors, sizeof errors, "%s/errors", folder);
    put(data, images_head, sizeof images_head, pixels, sizeof pixels);
    put(labels, labels_head, sizeof labels_head, classes, sizeof classes);
}

static void teardown(void)
{
    (void)unlink(data);
    (void)unlink(labels);
    (void)unlink(sheet);
    (void)unlink(errors);
    ck_assert_int_eq(rmdir(folder), 0);
}

// The exit code of views with these flags, what it says going to `errors`.
static int run(const char *const *flags)
{
    const char *argv[ARGUMENTS] = { TEST_BIN_DIR "/akssl-worker", "views" };
    int count = 2, status = 0;
    pid_t child;

    for (; *flags; flags++)
        argv[count++] = *flags;
    ck_assert_int_lt(count, ARGUMENTS);
    child = fork();
    if (child == 0) {
        if (freopen(errors, "w", stderr))
            execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    ck_assert_int_gt(child, 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

#define FLAGS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static const uint8_t *at(const uint8_t *pixels, int64_t width, int64_t y, int64_t x)
{
    return pixels + 3 * (y * width + x);
}

// The tile at row, column of the sheet shows want, size x size, in the middle of its cell; all
// around it is white.
static void check_tile(const uint8_t *pixels, int64_t width, int64_t row, int64_t column,
                       int64_t zoom, const uint8_t *want, int64_t size)
{
    int64_t cell = S * zoom + 2 * EDGE, shift = EDGE + (S - size) / 2 * zoom, n = size * zoom;
    static const uint8_t white[3] = { 255, 255, 255 };

    for (int64_t y = 0; y < cell; y++) {
        for (int64_t x = 0; x < cell; x++) {
            bool inside = y >= shift && y < shift + n && x >= shift && x < shift + n;
            const uint8_t *pixel = white;

            if (inside)
                pixel = want + 3 * ((y - shift) / zoom * size + (x - shift) / zoom);
            if (memcmp(at(pixels, width, row * cell + y, column * cell + x), pixel, 3) != 0)
                ck_abort_msg("row %d column %d differs at %d, %d", (int)row, (int)column, (int)y,
                             (int)x);
        }
    }
}

static ak_recipe *recipe_of(const char *const *words)
{
    ak_recipe *recipe;
    ak_spec spec;

    ak_spec_init(&spec);
    for (; *words; words++)
        ck_assert_int_eq(ak_spec_set(&spec, "augment", *words), 0);
    ck_assert_msg(ak_recipe_new(&recipe, &spec.augment, S) == 0, "%s", ak_error_text());
    ak_spec_fini(&spec);
    return recipe;
}

// Every tile of the sheet is the plain view or the view that training with this seed has.
static void check_sheet(const ak_recipe *recipe, int64_t rows, int64_t columns, int64_t zoom,
                        uint64_t seed)
{
    int64_t cell = S * zoom + 2 * EDGE, height, width;
    uint8_t *pixels = ak_test_png(sheet, &height, &width), want[3 * S * S];
    ak_scratch *scratch = ak_scratch_new();
    static float view[3 * S * S];
    ak_dataset *set;

    ck_assert_int_eq(height, rows * cell);
    ck_assert_int_eq(width, columns * cell);
    ck_assert_int_eq(set_open(&set, dataset, AK_SPLIT_TRAIN, 0), 0);
    for (int64_t row = 0; row < rows; row++) {
        ak_image image = set_image(set, row);

        for (int64_t column = 0; column < columns; column++) {
            int64_t size = column ? ak_recipe_size(recipe, (int)column - 1) : S;

            if (column)
                ak_recipe_view(recipe, &image, seed, 0, (uint32_t)row, (uint32_t)column - 1,
                               scratch, view);
            else
                ak_recipe_plain(recipe, &image, S, scratch, view);
            ak_recipe_bytes(recipe, view, size, want);
            check_tile(pixels, width, row, column, zoom, want, size);
        }
    }
    ak_dataset_close(set);
    ak_scratch_free(scratch);
    free(pixels);
}

START_TEST(every_tile_is_its_view)
{
    static const char *const words[] = { "recipe=dino", "local_size=12", "normalize=cifar10",
                                         NULL };
    ak_recipe *dino = recipe_of(words), *simclr = recipe_of(words + 3);

    setup();
    ck_assert_int_eq(run(FLAGS("--dataset", dataset, "--recipe", "dino", "--augment",
                               "local_size=12", "--augment", "normalize=cifar10", "--images", "3",
                               "--locals", "2", "--seed", "9", "--zoom", "1", "--out", sheet)),
                     0);
    check_sheet(dino, 3, 5, 1, 9);
    // Defaults: simclr takes no local crops; tiles of 96 pixels; the images that there are.
    ck_assert_int_eq(run(FLAGS("--dataset", dataset, "--out", sheet)), 0);
    check_sheet(simclr, IMAGES, 3, 3, 0);
    ck_assert_int_eq(run(FLAGS("--dataset", dataset, "--augment", "recipe=dino,local_size=12",
                               "--augment=normalize=cifar10", "--out", sheet)),
                     0);
    check_sheet(dino, IMAGES, 11, 3, 0);
    ak_recipe_free(dino);
    ak_recipe_free(simclr);
    teardown();
}
END_TEST

// The plain view of an image of that size, not normalised, is the image's own bytes.
START_TEST(bytes_are_the_image)
{
    uint8_t pixels[3 * S * S], back[3 * S * S];
    ak_recipe *recipe = recipe_of(FLAGS("recipe=none"));
    ak_scratch *scratch = ak_scratch_new();
    static float view[3 * S * S];
    ak_image image = { pixels, S, S, 3 };

    for (int i = 0; i < 3 * S * S; i++)
        pixels[i] = (uint8_t)(i * 37);
    ak_recipe_plain(recipe, &image, S, scratch, view);
    ak_recipe_bytes(recipe, view, S, back);
    ck_assert_mem_eq(back, pixels, sizeof pixels);
    ak_recipe_view(recipe, &image, 1, 2, 3, 1, scratch, view);
    ak_recipe_bytes(recipe, view, S, back);
    ck_assert_mem_eq(back, pixels, sizeof pixels);
    ak_scratch_free(scratch);
    ak_recipe_free(recipe);
}
END_TEST

START_TEST(bad_flags)
{
    char missing[320];
    static const struct {
        const char *flag, *value;
        int code;
        const char *says;
    } rows[] = {
        { "--recipe", "simclrr", 2, "no recipe 'simclrr'" },
        { "--augment", "min_scal=1", 2, "min_scal" },
        { "--augment", "flip", 2, "give key=value" },
        { "--augment", "local_size=64", 2, "local_size 64" },
        { "--image-size", "7", 2, "image_size 7" },
        { "--images", "0", 2, "images 0" },
        { "--locals", "65", 2, "locals 65" },
        { "--locals", "many", 2, "locals" },
        { "--zoom", "33", 2, "zoom 33" },
        { "--seed", "-1", 2, "seed -1" },
        { "--split", "validation", 2, "split" },
        { "--dataset", "nothing", 2, "nothing" },
        { "--dataset", "idx:/no/such/folder", 2, "/no/such/folder" },
        { "--crops", "2", 2, "crops" },
    };

    setup();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char line[1024] = "", more[8];
        FILE *f;

        ck_assert_msg(run(FLAGS("--dataset", dataset, "--out", sheet, rows[i].flag,
                                rows[i].value)) == rows[i].code,
                      "%s %s", rows[i].flag, rows[i].value);
        ck_assert_ptr_nonnull(f = fopen(errors, "r"));
        ck_assert_ptr_nonnull(fgets(line, sizeof line, f));
        ck_assert_ptr_null(fgets(more, sizeof more, f)); // one sentence
        fclose(f);
        ck_assert_msg(strstr(line, rows[i].says) != NULL, "%s %s: %s", rows[i].flag, rows[i].value,
                      line);
        ck_assert_int_ne(access(sheet, F_OK), 0);
    }
    ck_assert_int_eq(run(FLAGS("--dataset", dataset)), 2);
    snprintf(missing, sizeof missing, "%s/no/sheet.png", folder);
    ck_assert_int_eq(run(FLAGS("--dataset", dataset, "--out", missing)), 1);
    ck_assert_int_eq(
        run(FLAGS("--dataset", dataset, "--image-size", "1024", "--zoom", "32", "--out", sheet)),
        2);
    teardown();
}
END_TEST

AK_TEST_MAIN(AK_CASE(every_tile_is_its_view), AK_CASE(bytes_are_the_image), AK_CASE(bad_flags))
