// tests/unit/proto/spec/spec.c -- tests proto/spec/spec.c.

#include <stdio.h>

#include "proto/base/error.h"
#include "proto/spec/spec.h"
#include "tests/check.h"

START_TEST(starts_from_the_defaults)
{
    ak_spec spec;
    int rows = 0;

    ak_spec_init(&spec);
    ck_assert_str_eq(spec.kind, "pretrain");
    ck_assert_str_eq(spec.method, "simclr");
    ck_assert(spec.batch == 256 && spec.shards == 8 && spec.lr == 1e-3 && spec.option.count == 0);
    for (const ak_option *row = ak_spec_table(); row->name; row++)
        rows++;
    ck_assert_int_ge(rows, 29);
    ak_spec_fini(&spec);
    ak_spec_fini(NULL);
}
END_TEST

START_TEST(sets_by_either_spelling)
{
    ak_spec spec;

    ak_spec_init(&spec);
    ck_assert_int_eq(ak_spec_set(&spec, "batch-norm", "shard"), 0);
    ck_assert_str_eq(spec.batch_norm, "shard");
    ck_assert_int_eq(ak_spec_set(&spec, "batch_norm", "sync"), 0);
    ck_assert_str_eq(spec.batch_norm, "sync");
    ck_assert_int_eq(ak_spec_set(&spec, "weight-decay", "1e-4"), 0);
    ck_assert(spec.weight_decay == 1e-4);
    ak_spec_fini(&spec);
}
END_TEST

START_TEST(refuses_with_a_sentence_and_changes_nothing)
{
    static const char *const bad[][3] = {
        { "batch", "1", "batch" },
        { "batch", "two", "batch" },
        { "batch", "", "batch" },
        { "seed", "-1", "seed" },
        { "seed", "9007199254740993", "seed" },
        { "lr", "nan", "lr" },
        { "lr", "-1", "lr" },
        { "kind", "dance", "kind" },
        { "batch_norm", "both", "batch" },
        { "mehtod", "simclr", "mehtod" },
        { "", "x", "" },
        { "option", "K", "option" },
        { "option", "=1", "key=value" },
        { "option", "K=1,=2", "key=value" },
        { "augment", "", "augment" },
        { "name", "caf\xe9", "UTF-8" },
        { "name", "\xed\xa0\x80", "UTF-8" },
        { "name", "\xf6\x91\x80\x80", "UTF-8" },
        { "name", "\xe2\x82", "UTF-8" },
        { "option", "K=\xc0\xaf", "UTF-8" },
        { "option", "\xff=5", "UTF-8" },
    };
    ak_spec spec, before;

    ak_spec_init(&spec);
    ck_assert_int_eq(ak_spec_set(&spec, "option", "K=5"), 0);
    ak_spec_copy(&before, &spec);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        akssl_status rc = ak_spec_set(&spec, bad[i][0], bad[i][1]);

        ck_assert_msg(rc < 0, "%s=%s", bad[i][0], bad[i][1]);
        ck_assert_ptr_nonnull(strstr(ak_error_text(), bad[i][2]));
        ck_assert_int_eq(spec.option.count, 1);
        ck_assert_str_eq(ak_spec_pair_find(&spec.option, "K"), "5");
    }
    ck_assert_int_eq(spec.batch, before.batch);
    ck_assert_str_eq(spec.kind, before.kind);
    ak_spec_fini(&spec);
    ak_spec_fini(&before);
}
END_TEST

START_TEST(pairs_keep_order_commas_and_bounds)
{
    char key[32], large[AK_SPEC_MAX_TEXT + 2];
    ak_spec spec, copy;

    ak_spec_init(&spec);
    ck_assert_int_eq(ak_spec_set(&spec, "option", "K=4096,m=0.99,layers=1,2,3,temperature=0.2"), 0);
    ck_assert_int_eq(spec.option.count, 4);
    ck_assert_str_eq(spec.option.keys[2], "layers");
    ck_assert_str_eq(spec.option.values[2], "1,2,3");
    ck_assert_int_eq(ak_spec_set(&spec, "option", "m=0.5,path=a=b"), 0);
    ck_assert_int_eq(spec.option.count, 5);
    ck_assert_str_eq(spec.option.keys[1], "m");
    ck_assert_str_eq(spec.option.values[1], "0.5");
    ck_assert_str_eq(ak_spec_pair_find(&spec.option, "path"), "a=b");
    ck_assert_ptr_null(ak_spec_pair_find(&spec.option, "k"));
    ck_assert_int_eq(ak_spec_set(&spec, "option", "m=0.5,"), 0); // no key= follows: a part of it
    ck_assert_str_eq(ak_spec_pair_find(&spec.option, "m"), "0.5,");
    ck_assert_int_eq(ak_spec_set(&spec, "augment", "min_scale="), 0);
    ck_assert_str_eq(ak_spec_pair_find(&spec.augment, "min_scale"), "");
    ck_assert_int_eq(ak_spec_set(&spec, "augment", "min-scale=0.5"), 0);
    ck_assert_int_eq(spec.augment.count, 1);
    ck_assert_str_eq(ak_spec_pair_find(&spec.augment, "min_scale"), "0.5");
    ck_assert_int_eq(ak_spec_set(&spec, "name", "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x88"), 0);

    for (int i = spec.option.count; i < AK_SPEC_MAX_PAIRS; i++) {
        snprintf(key, sizeof key, "key%d", i);
        ck_assert_int_eq(ak_spec_pair(&spec.option, key, "v"), 0);
    }
    ck_assert_int_eq(ak_spec_pair(&spec.option, "one-more", "v"), AKSSL_ERR_LIMIT);
    ck_assert_int_eq(ak_spec_pair(&spec.option, "m", "0.6"), 0);
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    ck_assert_int_eq(ak_spec_pair(&spec.augment, "a", large), AKSSL_ERR_INVALID);
    ck_assert_int_eq(ak_spec_set(&spec, "name", large), AKSSL_ERR_INVALID);
    large[AK_SPEC_MAX_TEXT] = '\0';
    ck_assert_int_eq(ak_spec_set(&spec, "name", large), 0);

    ak_spec_copy(&copy, &spec);
    ak_spec_fini(&spec);
    ck_assert_int_eq(copy.option.count, AK_SPEC_MAX_PAIRS);
    ck_assert_str_eq(copy.name, large);
    ck_assert_str_eq(ak_spec_pair_find(&copy.option, "m"), "0.6");
    ak_spec_fini(&copy);
}
END_TEST

AK_TEST_MAIN(AK_CASE(starts_from_the_defaults), AK_CASE(sets_by_either_spelling),
             AK_CASE(refuses_with_a_sentence_and_changes_nothing),
             AK_CASE(pairs_keep_order_commas_and_bounds))
