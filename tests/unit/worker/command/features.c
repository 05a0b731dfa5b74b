// tests/unit/worker/command/features.c -- runs `akssl-worker features` on a set with a bad image.

#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/check.h"
#include "tests/unit/worker/image/pictures.h"

#define BACKBONE "vit_tiny:patch_size=8,depth=1"

static char folder[256], spec[300], weights[300], dataset[300], out[300], errors[300];

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    (void)st;
    (void)kind;
    (void)walk;
    return remove(path);
}

static void put(const char *path, const void *bytes, size_t size)
{
    FILE *f = fopen(path, "wb");

    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, size, f), size);
    ck_assert_int_eq(fclose(f), 0);
}

static int run(const char *const *flags)
{
    const char *argv[32] = { TEST_BIN_DIR "/akssl-worker" };
    int count = 1, status = 0;
    pid_t child;

    for (; *flags; flags++)
        argv[count++] = *flags;
    child = fork();
    if (child == 0) {
        if (freopen(errors, "w", stderr))
            execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    ck_assert_int_gt(child, 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int features(const char *flag, const char *value)
{
    return run((const char *[]){ "features", "--weights",    weights, "--backbone",
                                 BACKBONE,   "--image-size", "16",    "--normalize",
                                 "none",     "--dataset",    dataset, "--split",
                                 "train",    "--shards",     "1",     "--out",
                                 out,        flag,           value,   NULL });
}

static void has_error(const char *part)
{
    char text[2000] = "";
    FILE *f = fopen(errors, "r");

    ck_assert_ptr_nonnull(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    ck_assert_int_eq(fclose(f), 0);
    ck_assert_msg(strstr(text, part) != NULL, "'%s' is not in: %s", part, text);
}

static void setup(void)
{
    static const char yaml[] = "method: simclr\nbackbone: " BACKBONE "\nbatch: 8\nshards: 1\n"
                               "image_size: 16\n";
    picture p = picture_png((png_form){ 16, 16, PNG_COLOR_TYPE_GRAY, 8, false, 0 });
    const char *base = getenv("TMPDIR");
    char path[300];

    snprintf(folder, sizeof folder, "%.200s/akssl-features-XXXXXX", base ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(spec, sizeof spec, "%s/job.yaml", folder);
    snprintf(weights, sizeof weights, "%s/weights", folder);
    snprintf(dataset, sizeof dataset, "folder:%s/set", folder);
    snprintf(out, sizeof out, "%s/features", folder);
    snprintf(errors, sizeof errors, "%s/errors", folder);
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/set%s", folder, i ? "/a" : "");
        ck_assert_int_eq(mkdir(path, 0700), 0);
    }
    snprintf(path, sizeof path, "%s/set/a/1.png", folder);
    put(path, "no image", 8);
    snprintf(path, sizeof path, "%s/set/a/2.png", folder);
    put(path, p.bytes, p.size);
    free(p.bytes);
    put(spec, yaml, sizeof yaml - 1);
    ck_assert_int_eq(
        run((const char *[]){ "replay", "--spec", spec, "--steps", "0", "--out", weights, NULL }),
        0);
}

START_TEST(a_bad_image_is_stood_in_for_or_ends_it)
{
    setup();
    ck_assert_int_ne(features("--on-bad-image", "fail"), 0);
    has_error("give --on-bad-image skip");
    ck_assert_int_ne(access(out, F_OK), 0);
    ck_assert_int_eq(features("--on-bad-image", "skip"), 0);
    has_error("bad image 'a/1.png'");
    ck_assert_int_eq(unlink(out), 0);
    ck_assert_int_eq(features(NULL, NULL), 0);
    ck_assert_int_eq(access(out, F_OK), 0);
    ck_assert_int_eq(nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}
END_TEST

AK_TEST_MAIN(AK_CASE(a_bad_image_is_stood_in_for_or_ends_it))
