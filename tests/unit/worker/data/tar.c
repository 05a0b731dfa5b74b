// tests/unit/worker/data/tar.c -- tests which shards of a folder are of which part, and how labels
// of the two parts meet.

#include <stdio.h>
#include <string.h>

#include "proto/base/error.h"
#include "tests/check.h"
#include "tests/sets.h"
#include "tests/unit/worker/data/folder.h"

enum { BLOCK = 512, SHARDS = 6 };

static char name[300];

static void setup(void)
{
    folder_make();
    snprintf(name, sizeof name, "tar:%s", folder);
}

static void put_member(FILE *f, const char *file, const char *text)
{
    char head[BLOCK] = { 0 }, body[BLOCK] = { 0 };
    unsigned sum = 0;

    snprintf(head, 100, "%s", file);
    snprintf(head + 100, 8, "0000644");
    snprintf(head + 124, 12, "%011o", (unsigned)strlen(text));
    memset(head + 148, ' ', 8);
    head[156] = '0';
    memcpy(head + 257, "ustar\00000", 8);
    for (int i = 0; i < BLOCK; i++)
        sum += (unsigned char)head[i];
    snprintf(head + 148, 8, "%06o", sum);
    snprintf(body, sizeof body, "%s", text);
    ck_assert_uint_eq(fwrite(head, 1, BLOCK, f), BLOCK);
    ck_assert_uint_eq(fwrite(body, 1, BLOCK, f), BLOCK);
}

// A shard of one image, called as the shard is; label NULL: none.
static void put(const char *shard, const char *label)
{
    static const char end[2 * BLOCK];
    char path[400], file[100];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s.tar", folder, shard);
    f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    snprintf(file, sizeof file, "%.80s.jpg", shard);
    put_member(f, file, "not looked at");
    if (label) {
        snprintf(file, sizeof file, "%.80s.cls", shard);
        put_member(f, file, label);
    }
    ck_assert_uint_eq(fwrite(end, 1, sizeof end, f), sizeof end);
    ck_assert_int_eq(fclose(f), 0);
}

// expect is the shards that the part has, by blanks; NULL: it is refused.
static void has(ak_split split, const char *expect)
{
    ak_str got = AK_STR_INIT, one = AK_STR_INIT;
    ak_dataset *set;
    akssl_status rc = set_open(&set, name, split, 0);

    if (!expect) {
        ck_assert_int_eq(rc, AKSSL_ERR_NOT_FOUND);
        return;
    }
    ck_assert_msg(rc == 0, "%s", ak_error_text());
    for (int64_t i = 0; i < ak_dataset_size(set); i++) {
        ak_str_clear(&one);
        ak_dataset_name(set, i, &one);
        ak_str_append(&got, i ? " " : "");
        ak_str_append_n(&got, one.text, strcspn(one.text, "."));
    }
    ck_assert_str_eq(got.text, expect);
    ak_str_fini(&one);
    ak_str_fini(&got);
    ak_dataset_close(set);
}

START_TEST(no_shard_of_a_folder_is_of_both_parts)
{
    static const struct {
        const char *shards[SHARDS], *train, *test;
    } rows[] = {
        { { "train-0", "train-1", "val-0", "extra" }, "train-0 train-1", "val-0" },
        { { "train-0", "test-0", "val-0" }, "train-0", "val-0" },
        { { "training0", "validating0" }, "training0", "validating0" },
        { { "0", "1" }, "0 1", NULL },
        { { "0", "1", "val-0" }, "0 1", "val-0" },
        { { "0", "1", "TEST_0" }, "0 1", "TEST_0" },
        { { "in1k-train-0", "in1k-train-1", "in1k-validation-0", "in1k-test-0" },
          "in1k-train-0 in1k-train-1",
          "in1k-validation-0" },
        { { "a-trainval-0", "a-test-0" }, "a-trainval-0", "a-test-0" },
        { { "testbed-train-0", "testbed-val-0" }, "testbed-train-0", "testbed-val-0" },
        { { "latest-0", "revalid-0", "evaluation" }, "evaluation latest-0 revalid-0", NULL },
        { { "val-0", "test-0" }, NULL, "val-0" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        setup();
        for (int k = 0; k < SHARDS && rows[i].shards[k]; k++)
            put(rows[i].shards[k], "0");
        has(AK_SPLIT_TRAIN, rows[i].train);
        has(AK_SPLIT_TEST, rows[i].test);
        folder_remove();
    }
}
END_TEST

START_TEST(a_folder_of_held_out_shards_names_one_and_the_remedy)
{
    setup();
    put("test-0", "0");
    has(AK_SPLIT_TRAIN, NULL);
    ck_assert_ptr_nonnull(strstr(ak_error_text(), "'test-0.tar' is held out by its name"));
    ck_assert_ptr_nonnull(strstr(ak_error_text(), "name the shards"));
    folder_remove();
}
END_TEST

START_TEST(labels_of_both_parts_are_numbers_or_names)
{
    static const struct {
        const char *train[2], *test, *wrong;
    } rows[] = {
        { { "0", "1" }, "1", NULL },
        { { "ant", "zebra" }, "zebra", NULL },
        { { NULL, "1" }, "1", NULL },
        { { "0", "1" }, "zebra", "are names, those of the training part are not" },
        { { "ant", "zebra" }, "1", "are numbers, those of the training part are names" },
        { { NULL, "zebra" }, "1", "are numbers, those of the training part are names" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        akssl_status rc;
        ak_dataset *set;

        setup();
        put("train-0", rows[i].train[0]);
        put("train-1", rows[i].train[1]);
        put("val-0", rows[i].test);
        has(AK_SPLIT_TRAIN, "train-0 train-1");
        rc = set_open(&set, name, AK_SPLIT_TEST, 0);
        ck_assert_msg(rc == (rows[i].wrong ? AKSSL_ERR_CORRUPT : 0), "row %zu: %s", i,
                      ak_error_text());
        if (rows[i].wrong)
            ck_assert_ptr_nonnull(strstr(ak_error_text(), rows[i].wrong));
        else
            ak_dataset_close(set);
        folder_remove();
    }
}
END_TEST

AK_TEST_MAIN(AK_CASE(no_shard_of_a_folder_is_of_both_parts),
             AK_CASE(a_folder_of_held_out_shards_names_one_and_the_remedy),
             AK_CASE(labels_of_both_parts_are_numbers_or_names))
