// tests/unit/daemon/state/commit.c -- tests daemon/state/commit.c.

#include <sys/stat.h>
#include <unistd.h>

#include "daemon/state/commit.h"
#include "proto/base/error.h"
#include "proto/format/digest.h"
#include "tests/unit/daemon/folder.h"

static const char digits[] = "00000000000000000000000000000000";

static void write_file(const char *folder, const char *name, const char *text)
{
    char *path = ak_path("%s/%s", folder, name);

    ck_assert_int_eq(ak_files_write(path, text, strlen(text)), 0);
    free(path);
}

static void add(ak_commit *commit, const char *name, const char *text)
{
    char digest[AK_DIGEST_TEXT];

    ak_digest_memory(text, strlen(text), digest);
    ck_assert_int_eq(ak_commit_add_file(commit, name, strlen(text), digest), 0);
}

START_TEST(names_and_digests_are_checked)
{
    static const char *const bad[] = { "", "../x", "a/b", ".x", "state.safetensors", "A", "a b" };
    ak_commit commit = { .step = 1 };
    char name[16];

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_int_eq(ak_commit_add_file(&commit, bad[i], 1, digits), AKSSL_ERR_INVALID);
    ck_assert_int_eq(ak_commit_add_file(&commit, "a", 1, "00"), AKSSL_ERR_INVALID);
    ck_assert_int_eq(ak_commit_add_file(&commit, "a", 1, "0000000000000000000000000000000G"),
                     AKSSL_ERR_INVALID);
    ck_assert_int_eq(ak_commit_add_file(&commit, "a", 1, digits), 0);
    ck_assert_int_eq(ak_commit_add_file(&commit, "a", 1, digits), AKSSL_ERR_INVALID);
    for (int i = 1; i < AK_COMMIT_MAX_FILES - 1; i++) {
        snprintf(name, sizeof name, "f%d", i);
        ck_assert_int_eq(ak_commit_add_file(&commit, name, 1, digits), 0);
    }
    ck_assert_int_eq(ak_commit_add_file(&commit, "more", 1, digits), AKSSL_ERR_LIMIT);
}
END_TEST

START_TEST(made_then_verified_then_damaged)
{
    char *folder = folder_make();
    char *step = ak_path("%s/step-4", folder);
    ak_commit commit = { .job = 1, .step = 4 };
    ak_state *state = ak_state_new();

    ck_assert_int_eq(mkdir(step, 0700), 0);
    write_file(step, "model.safetensors", "model");
    add(&commit, "model.safetensors", "model");
    add(&commit, "optimizer.safetensors", "optimizer");
    ck_assert_int_eq(ak_commit_make(&commit, step, state), AKSSL_ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(ak_error_text(), "optimizer.safetensors"));
    write_file(step, "optimizer.safetensors", "optimize");
    ck_assert_int_eq(ak_commit_make(&commit, step, state), AKSSL_ERR_CORRUPT);
    write_file(step, "optimizer.safetensors", "optimizer");
    ck_assert_int_eq(ak_commit_make(&commit, step, state), 0);
    ck_assert_int_eq(commit.file_count, 3);
    ck_assert_str_eq(commit.files[2].name, AK_COMMIT_STATE_FILE);
    ck_assert_int_eq(ak_commit_verify(&commit, step), 0);
    write_file(step, "optimizer.safetensors", "optimizeR");
    ck_assert_int_eq(ak_commit_verify(&commit, step), AKSSL_ERR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(ak_error_text(), "optimizer.safetensors"));
    ck_assert_ptr_nonnull(strstr(ak_error_text(), "digest"));
    ak_state_free(state);
    free(step);
    folder_remove(folder);
}
END_TEST

static bool exists(const char *folder, const char *name)
{
    char *path = ak_path("%s/%s", folder, name);
    bool there = access(path, F_OK) == 0;

    free(path);
    return there;
}

START_TEST(sweep_keeps_what_is_known)
{
    static const char *const names[] = { "step-1", "step-2", "step-10", "step-2.x", "other" };
    static const int kept[] = { 0, 1, 1, 0, 1 };
    const int64_t steps[] = { 10, 2 };
    char *folder = folder_make();
    char *none = ak_path("%s/none", folder);

    for (int i = 0; i < 5; i++) {
        char *path = ak_path("%s/%s", folder, names[i]);

        ck_assert_int_eq(mkdir(path, 0700), 0);
        write_file(path, "f", "x");
        free(path);
    }
    ck_assert_int_eq(ak_commit_sweep(none, steps, 2, INT64_MAX), 0);
    ck_assert_int_eq(ak_commit_sweep(folder, steps, 2, 1), 0);
    ck_assert_int_eq(exists(folder, "step-1"), true);
    ck_assert_int_eq(ak_commit_sweep(folder, steps, 2, 2), 0);
    ck_assert_int_eq(exists(folder, "step-1"), false);
    ck_assert_int_eq(exists(folder, "step-2.x"), true);
    ck_assert_int_eq(ak_commit_sweep(folder, steps, 2, INT64_MAX), 0);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(exists(folder, names[i]), kept[i]);
    free(none);
    folder_remove(folder);
}
END_TEST

AK_TEST_MAIN(AK_CASE(names_and_digests_are_checked), AK_CASE(made_then_verified_then_damaged),
             AK_CASE(sweep_keeps_what_is_known))
