// tests/unit/proto/spec/yaml.c -- tests proto/spec/yaml.c.

#include <stdio.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/base/error.h"
#include "proto/spec/spec.h"
#include "tests/check.h"

static akssl_status read_text(ak_spec *spec, const char *text)
{
    return ak_spec_read_yaml(spec, text, strlen(text), "job.yaml");
}

static bool same(const ak_spec *a, const ak_spec *b)
{
    const ak_spec_pairs *pairs[2][2] = { { &a->option, &b->option }, { &a->augment, &b->augment } };
    char left[AK_SPEC_MAX_TEXT + 1], right[AK_SPEC_MAX_TEXT + 1];

    for (const ak_option *row = ak_spec_table(); row->name; row++) {
        ak_option_text(row, a, left, sizeof left);
        ak_option_text(row, b, right, sizeof right);
        if (strcmp(left, right) != 0)
            return false;
    }
    for (int p = 0; p < 2; p++) {
        if (pairs[p][0]->count != pairs[p][1]->count)
            return false;
        for (int i = 0; i < pairs[p][0]->count; i++)
            if (strcmp(pairs[p][0]->keys[i], pairs[p][1]->keys[i]) != 0 ||
                strcmp(pairs[p][0]->values[i], pairs[p][1]->values[i]) != 0)
                return false;
    }
    return true;
}

START_TEST(reads_what_people_write)
{
    ak_spec spec;

    ak_spec_init(&spec);
    ck_assert_int_eq(read_text(&spec, "# a job\n"
                                      "method: mocov2\n"
                                      "batch-norm: sync\n"
                                      "weight_decay: 1e-4\n"
                                      "name: \"two: words\"\n"
                                      "option:\n  K: 4096\n  m: 0.99\n"
                                      "augment: [min_scale=0.2, \"color=a,b\"]\n"),
                     0);
    ck_assert_str_eq(spec.method, "mocov2");
    ck_assert_str_eq(spec.batch_norm, "sync");
    ck_assert(spec.weight_decay == 1e-4);
    ck_assert_str_eq(spec.name, "two: words");
    ck_assert_str_eq(ak_spec_pair_find(&spec.option, "K"), "4096");
    ck_assert_str_eq(ak_spec_pair_find(&spec.augment, "min_scale"), "0.2");
    ck_assert_str_eq(ak_spec_pair_find(&spec.augment, "color"), "a,b");
    ck_assert_int_eq(read_text(&spec, "option: temperature=0.2\n"), 0);
    ck_assert_int_eq(spec.option.count, 3);
    ak_spec_fini(&spec);
}
END_TEST

START_TEST(refuses_what_is_no_spec)
{
    static const char *const bad[][2] = {
        { "", "empty" },
        { "# nothing\n", "empty" },
        { "just words", "line 1" },
        { "- a\n- b\n", "line 1" },
        { "mehtod: simclr\n", "mehtod" },
        { "method: simclr\nmethod: mocov2\n", "line 2" },
        { "batch-norm: sync\nbatch_norm: shard\n", "line 2" },
        { "batch: [1, 2]\n", "line 1" },
        { "batch: {a: 1}\n", "line 1" },
        { "batch: 1\n", "batch" },
        { "batch: 12 eggs\n", "batch" },
        { "lr: .nan\n", "lr" },
        { "kind: dance\n", "kind" },
        { "? [a, b]\n: c\n", "line 1" },
        { "? {a: b}\n: c\n", "line 1" },
        { "option: {K: {a: 1}}\n", "line 1" },
        { "option: {K: [1]}\n", "line 1" },
        { "option: {[1]: 2}\n", "line 1" },
        { "option: {K: 1, K: 2}\n", "line 1" },
        { "option: [K]\n", "K" },
        { "option: [[K=1]]\n", "line 1" },
        { "option: [{K: 1}]\n", "line 1" },
        { "name: &x abc\nmethod: *x\n", "alias" },
        { "name: *x\n", "line 1" },
        { "<<: {name: a}\n", "line 1" },
        { "name: \"a\\0b\"\n", "line 1" },
        { "option: {\"a\\0b\": 1}\n", "line 1" },
        { "name: \"unfinished\n", "YAML" },
        { "name: [\n", "YAML" },
        { "name: a\n  batch: 2\n", "YAML" },
        { "\tname: a\n", "YAML" },
        { "name: a\n---\nname: b\n", "one" },
        { "name: \xff\xfe\n", "YAML" },
        { "%YAML 9.9\n---\nname: a\n", "YAML" },
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ak_spec spec;
        akssl_status rc;

        ak_spec_init(&spec);
        rc = read_text(&spec, bad[i][0]);
        ck_assert_msg(rc < 0, "taken: %s", bad[i][0]);
        ck_assert_msg(strstr(ak_error_text(), "job.yaml") && strstr(ak_error_text(), bad[i][1]),
                      "%s gives: %s", bad[i][0], ak_error_text());
        ak_spec_fini(&spec);
    }
}
END_TEST

START_TEST(refuses_large_and_deep_texts_at_once)
{
    static const char *const patterns[] = { "[", "{", "- ", "? ", "{a: ", "[a, ", "&a [", "!a [" };
    char *text = malloc(AK_SPEC_MAX_FILE + 1);
    ak_spec spec;

    ak_spec_init(&spec);
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        size_t length = strlen(patterns[i]);
        int64_t before = ak_clock_ns();

        for (size_t at = 0; at < AK_SPEC_MAX_FILE; at++)
            text[at] = patterns[i][at % length];
        ck_assert_int_lt(ak_spec_read_yaml(&spec, text, AK_SPEC_MAX_FILE, "deep"), 0);
        ck_assert_msg(ak_clock_ns() - before < 60 * 1000000000LL, "'%s' repeated takes long",
                      patterns[i]);
    }
    memset(text, '#', AK_SPEC_MAX_FILE + 1);
    ck_assert_int_eq(ak_spec_read_yaml(&spec, text, AK_SPEC_MAX_FILE + 1, "large"),
                     AKSSL_ERR_LIMIT);
    free(text);
    ak_spec_fini(&spec);
}
END_TEST

START_TEST(writes_what_it_reads_back)
{
    static const char *const odd[] = {
        "",
        "~",
        "null",
        "true",
        "1e3",
        " blank in front",
        "blank behind ",
        "a: b",
        "# no",
        "- x",
        "*x",
        "&x",
        "'quoted'",
        "\"quoted\"",
        "a\nb\n",
        "\n",
        "tab\there",
        "{}",
        "[a, b]",
        "caf\xc3\xa9",
        "100%",
        "!tag",
        "a,b=c,d=",
        "\x01\x1b[m",
        "---",
        "\xf0\x9f\x98\x80",
        "back\\slash",
        "?",
    };
    char large[AK_SPEC_MAX_TEXT + 1];

    memset(large, 'w', AK_SPEC_MAX_TEXT);
    memset(large + 100, ' ', 50);
    large[AK_SPEC_MAX_TEXT] = '\0';
    for (size_t i = 0; i <= sizeof odd / sizeof *odd; i++) {
        const char *value = i < sizeof odd / sizeof *odd ? odd[i] : large;
        ak_str text = AK_STR_INIT;
        ak_spec spec, back;

        ak_spec_init(&spec);
        ak_spec_init(&back);
        ck_assert_int_eq(ak_spec_set(&spec, "name", value), 0);
        ck_assert_int_eq(ak_spec_pair(&spec.option, "K", value), 0);
        ck_assert_int_eq(ak_spec_pair(&spec.option, *value ? value : "k", "1"), 0);
        ck_assert_int_eq(ak_spec_pair(&spec.augment, "y", "n"), 0);
        ck_assert_int_eq(ak_spec_set(&spec, "lr", "0.30000000000000004"), 0);
        ck_assert_int_eq(ak_spec_set(&spec, "seed", "9007199254740991"), 0);
        ck_assert_int_eq(ak_spec_write_yaml(&spec, &text), 0);
        ck_assert_msg(ak_spec_read_yaml(&back, text.text, text.length, "back") == 0, "%s: %s\n%s",
                      value, ak_error_text(), text.text);
        ck_assert_msg(same(&spec, &back), "%s comes back otherwise:\n%s", value, text.text);
        ck_assert(back.lr == 0.30000000000000004 && back.seed == 9007199254740991);
        ak_str_fini(&text);
        ak_spec_fini(&spec);
        ak_spec_fini(&back);
    }
}
END_TEST

START_TEST(text_that_is_no_utf8_is_not_written)
{
    static const char *const texts[] = { "\xff\xfe",
                                         "\xf8\x90\x80\x80",
                                         "\xf5\x80\x80\x80",
                                         "\xf4\x90\x80\x80",
                                         "\xc0\x80",
                                         "\xed\xa0\x80",
                                         "a\xc3" };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        ak_str text = AK_STR_INIT;
        ak_spec spec;

        ck_assert(!ak_str_is_utf8(texts[i]));
        ak_spec_init(&spec);
        if (ak_spec_set(&spec, "name", texts[i]) == 0)
            ck_assert_int_lt(ak_spec_write_yaml(&spec, &text), 0);
        ak_str_fini(&text);
        ak_spec_fini(&spec);
    }
}
END_TEST

START_TEST(reads_files)
{
    const char *tmp = getenv("TMPDIR");
    char path[200];
    ak_spec spec;
    FILE *file;
    int fd;

    snprintf(path, sizeof path, "%s/akssl-spec-XXXXXX", tmp ? tmp : "/tmp");
    fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    file = fdopen(fd, "w");
    fputs("epochs: 7\n", file);
    fclose(file);
    ak_spec_init(&spec);
    ck_assert_int_eq(ak_spec_read_file(&spec, path), 0);
    ck_assert_int_eq(spec.epochs, 7);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(ak_spec_read_file(&spec, path), AKSSL_ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(ak_error_text(), path));
    ck_assert_int_lt(ak_spec_read_file(&spec, "/"), 0);
    ak_spec_fini(&spec);
}
END_TEST

AK_TEST_MAIN(AK_CASE(reads_what_people_write), AK_CASE(refuses_what_is_no_spec),
             AK_CASE(refuses_large_and_deep_texts_at_once), AK_CASE(writes_what_it_reads_back),
             AK_CASE(text_that_is_no_utf8_is_not_written), AK_CASE(reads_files))
