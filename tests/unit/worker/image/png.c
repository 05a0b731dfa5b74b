// tests/unit/worker/image/png.c -- tests that a picture comes back from its PNG.

#include "tests/unit/worker/image/png.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/error.h"
#include "worker/image/png.h"
#include "worker/rng/rng.h"

static char folder[256], path[300], part[320];

static void setup(void)
{
    const char *base = getenv("TMPDIR");

    snprintf(folder, sizeof folder, "%.200s/akssl-png-XXXXXX", base ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a.png", folder);
    snprintf(part, sizeof part, "%s.part", path);
}

static void teardown(void)
{
    ck_assert_int_ne(access(part, F_OK), 0);
    (void)unlink(path);
    ck_assert_int_eq(rmdir(folder), 0); // nothing else was left
}

START_TEST(comes_back)
{
    static const int64_t sizes[][2] = { { 1, 1 }, { 3, 7 }, { 200, 100 }, { 1, 4000 } };
    ak_rng rng = ak_rng_at(1, AK_RNG_BENCH, 0, 0, 0);

    setup();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) { // each replaces the one before
        int64_t h, w, n = sizes[i][0] * sizes[i][1] * 3;
        uint8_t *pixels = malloc((size_t)n), *back;

        for (int64_t k = 0; k < n; k++)
            pixels[k] = (uint8_t)ak_rng_below(&rng, 256);
        ck_assert_msg(ak_png_write(path, pixels, sizes[i][0], sizes[i][1]) == 0, "%s",
                      ak_error_text());
        back = ak_test_png(path, &h, &w);
        ck_assert_int_eq(h, sizes[i][0]);
        ck_assert_int_eq(w, sizes[i][1]);
        ck_assert_mem_eq(back, pixels, (size_t)n);
        free(pixels);
        free(back);
    }
    teardown();
}
END_TEST

static void refused(const char *file, int64_t height, int64_t width, akssl_status code)
{
    static const uint8_t pixels[3 * 64 * 64];
    akssl_status rc = ak_png_write(file, pixels, height, width);

    ck_assert_msg(rc == code, "%s: %d %s", file, rc, ak_error_text());
}

START_TEST(failures)
{
    char missing[320];
    struct stat there;

    setup();
    snprintf(missing, sizeof missing, "%s/no/a.png", folder);
    refused(missing, 4, 4, AKSSL_ERR_IO);
    ck_assert_ptr_nonnull(strstr(ak_error_text(), missing));
    refused(path, 0, 4, AKSSL_ERR_LIMIT);
    refused(path, 4, 1000001, AKSSL_ERR_LIMIT);
    refused(path, 1 << 15, 1 << 15, AKSSL_ERR_LIMIT);
    ck_assert_int_ne(access(path, F_OK), 0);

    ck_assert_int_eq(symlink("/dev/full", path), 0); // a full disk; a device is not replaced
    refused(path, 64, 64, AKSSL_ERR_IO);
    ck_assert_int_eq(lstat(path, &there), 0);
    ck_assert(S_ISLNK(there.st_mode));
    ck_assert_int_eq(unlink(path), 0);

    ck_assert_int_eq(mkdir(path, 0700), 0);
    refused(path, 4, 4, AKSSL_ERR_IO);
    ck_assert_int_eq(rmdir(path), 0);
    teardown();
}
END_TEST

AK_TEST_MAIN(AK_CASE(comes_back), AK_CASE(failures))
