// tests/unit/client/lib/spec.c -- tests client/lib/spec.c through the public header alone.

#include <akssl/akssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/check.h"

static void write_file(char *path, size_t size, const char *text)
{
    const char *tmp = getenv("TMPDIR");
    FILE *file;
    int fd;

    snprintf(path, size, "%s/akssl-spec-XXXXXX", tmp ? tmp : "/tmp");
    fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    file = fdopen(fd, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

START_TEST(describes_every_key)
{
    akssl_job_spec *spec = akssl_job_spec_new();
    size_t count = 0, pairs = 0;
    bool seen_batch_norm = false;
    akssl_key key;

    for (; akssl_job_spec_key(count, &key); count++) {
        const char *value = akssl_job_spec_get(spec, key.name);

        ck_assert_ptr_nonnull(value);
        ck_assert_str_eq(value, key.initial);
        ck_assert(key.help && key.help[0] && !strchr(key.name, '_'));
        pairs += key.type == AKSSL_KEY_PAIRS;
        if (key.type == AKSSL_KEY_INT || key.type == AKSSL_KEY_FLOAT)
            ck_assert(key.min <= key.max);
        if (strcmp(key.name, "batch-norm") == 0) {
            seen_batch_norm = true;
            ck_assert_str_eq(key.choices, "|sync|shard");
        }
        // a default is a value that the key takes
        if (key.type != AKSSL_KEY_PAIRS)
            ck_assert_int_eq(akssl_job_spec_set(spec, key.name, key.initial), 0);
    }
    ck_assert(count > 20 && pairs == 2 && seen_batch_norm);
    akssl_job_spec_free(spec);
}
END_TEST

START_TEST(sets_and_gets)
{
    akssl_job_spec *spec = akssl_job_spec_new(), *copy;
    const char *key, *value;

    ck_assert_int_eq(akssl_job_spec_set(spec, "batch-norm", "shard"), 0);
    ck_assert_int_eq(akssl_job_spec_set(spec, "image_size", "64"), 0);
    ck_assert_int_eq(akssl_job_spec_set(spec, "option", "K=4096"), 0);
    ck_assert_int_eq(akssl_job_spec_set(spec, "option", "m=0.99,temperature=0.2"), 0);
    ck_assert_int_eq(akssl_job_spec_set(spec, "option", "K=512"), 0);
    copy = akssl_job_spec_copy(spec);
    akssl_job_spec_free(spec);
    ck_assert_str_eq(akssl_job_spec_get(copy, "batch-norm"), "shard");
    ck_assert_str_eq(akssl_job_spec_get(copy, "image-size"), "64");
    ck_assert_str_eq(akssl_job_spec_get(copy, "option"), "K=512,m=0.99,temperature=0.2");
    ck_assert_ptr_null(akssl_job_spec_get(copy, "optoin"));
    ck_assert_int_eq(akssl_job_spec_pair(copy, "option", 1, &key, &value), 1);
    ck_assert_str_eq(key, "m");
    ck_assert_str_eq(value, "0.99");
    ck_assert_int_eq(akssl_job_spec_pair(copy, "option", 3, &key, &value), 0);
    ck_assert_int_eq(akssl_job_spec_pair(copy, "augment", 0, &key, &value), 0);
    ck_assert_int_eq(akssl_job_spec_pair(copy, "lr", 0, &key, &value), 0);
    akssl_job_spec_free(copy);
    akssl_job_spec_free(NULL);
}
END_TEST

START_TEST(rejects_bad_values)
{
    static const char *const bad[][2] = {
        { "epochs", "-1" },       { "epochs", "2.5" },
        { "lr", "fast" },         { "lr", "nan" },
        { "batch-norm", "none" }, { "kind", "PRETRAIN" },
        { "option", "K" },        { "augment", "=1" },
        { "image-size", "1025" }, { "seed", "99999999999999999999" },
    };
    akssl_job_spec *spec = akssl_job_spec_new();
    char before[4096], *huge;

    snprintf(before, sizeof before, "%s", akssl_job_spec_yaml(spec));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_int_eq(akssl_job_spec_set(spec, bad[i][0], bad[i][1]), AKSSL_ERR_INVALID);
        ck_assert(strlen(akssl_last_error()) > 10);
    }
    ck_assert_int_eq(akssl_job_spec_set(spec, "epoch", "1"), AKSSL_ERR_NOT_FOUND);
    huge = calloc(1, 100001);
    memset(huge, 'x', 100000);
    ck_assert_int_eq(akssl_job_spec_set(spec, "name", huge), AKSSL_ERR_INVALID);
    free(huge);
    ck_assert_str_eq(akssl_job_spec_yaml(spec), before);
    akssl_job_spec_free(spec);
}
END_TEST

START_TEST(reads_yaml)
{
    akssl_job_spec *spec = akssl_job_spec_new(), *again = akssl_job_spec_new();
    char path[128], second[128];

    write_file(path, sizeof path,
               "method: moco_v2\nbatch-norm: sync\nlr: 1e-3\nname: 'a: b'\n"
               "option: {K: 4096, m: 0.99}\naugment: [min_scale=0.2]\n");
    ck_assert_msg(akssl_job_spec_load_yaml(spec, path) == 0, "%s", akssl_last_error());
    unlink(path);
    ck_assert_str_eq(akssl_job_spec_get(spec, "method"), "moco_v2");
    ck_assert_str_eq(akssl_job_spec_get(spec, "name"), "a: b");
    ck_assert_str_eq(akssl_job_spec_get(spec, "option"), "K=4096,m=0.99");
    ck_assert_str_eq(akssl_job_spec_get(spec, "augment"), "min_scale=0.2");
    ck_assert_str_eq(akssl_job_spec_get(spec, "epochs"), "100");

    write_file(second, sizeof second, akssl_job_spec_yaml(spec));
    ck_assert_msg(akssl_job_spec_load_yaml(again, second) == 0, "%s", akssl_last_error());
    unlink(second);
    ck_assert_str_eq(akssl_job_spec_get(again, "option"), "K=4096,m=0.99");
    ck_assert_str_eq(akssl_job_spec_get(again, "name"), "a: b");
    akssl_job_spec_free(again);
    akssl_job_spec_free(spec);
}
END_TEST

START_TEST(rejects_bad_yaml)
{
    static const char *const bad[] = {
        "methodd: simclr\n", "lr: {a: 1}\n", "- a\n- b\n", "epochs: many\n", "{{{\n",
        "lr: 1\nlr: 2\n",    "\t\x01\x02",
    };
    akssl_job_spec *spec = akssl_job_spec_new();
    char path[128];

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_file(path, sizeof path, bad[i]);
        ck_assert_msg(akssl_job_spec_load_yaml(spec, path) < 0, "%s", bad[i]);
        ck_assert_msg(strstr(akssl_last_error(), path) != NULL, "%s", akssl_last_error());
        unlink(path);
    }
    ck_assert_int_eq(akssl_job_spec_load_yaml(spec, path), AKSSL_ERR_NOT_FOUND);
    ck_assert_int_lt(akssl_job_spec_load_yaml(spec, "/"), 0);
    akssl_job_spec_free(spec);
}
END_TEST

AK_TEST_MAIN(AK_CASE(describes_every_key), AK_CASE(sets_and_gets), AK_CASE(rejects_bad_values),
             AK_CASE(reads_yaml), AK_CASE(rejects_bad_yaml))
