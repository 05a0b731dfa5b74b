// tests/unit/client/cli/json.c -- tests client/cli/json.c.

#include "client/cli/json.h"

#include <math.h>

#include "tests/check.h"

START_TEST(makes_text_of_any_bytes)
{
    static const char *const rows[][2] = {
        { "plain", "plain" },
        { "\xc3\xa4\xe2\x96\x88\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x96\x88\xf0\x9f\x98\x80" },
        { "a\xff"
          "b",
          "a\xef\xbf\xbd"
          "b" },
        { "\xc3", "\xef\xbf\xbd" },                                 // cut short
        { "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd" },                 // overlong
        { "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" }, // half of a pair
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t *text = ak_json_text(rows[i][0], strlen(rows[i][0]));

        ck_assert_ptr_nonnull(text);
        ck_assert_str_eq(json_string_value(text), rows[i][1]);
        json_decref(text);
    }
}
END_TEST

START_TEST(has_null_for_what_is_not_known)
{
    const akssl_progress progress = { .step = 3, .total_steps = -1, .loss = INFINITY, .lr = NAN };
    const akssl_job job = { .id = 5,
                            .state = AKSSL_JOB_RUNNING,
                            .reason = "",
                            .folder = "",
                            .owner = "",
                            .weights = "",
                            .progress = &progress,
                            .ended_ms = -1 };
    json_t *object = ak_json_job(&job), *p = json_object_get(object, "progress");

    ck_assert_str_eq(json_string_value(json_object_get(object, "state")), "RUNNING");
    ck_assert(json_is_null(json_object_get(object, "spec")));
    ck_assert(json_is_null(json_object_get(object, "ended_ms")));
    ck_assert_int_eq(json_integer_value(json_object_get(p, "step")), 3);
    ck_assert(json_is_null(json_object_get(p, "total_steps")));
    ck_assert(json_is_null(json_object_get(p, "loss")));
    ck_assert(json_is_null(json_object_get(p, "lr")));
    json_decref(object);
}
END_TEST

START_TEST(gives_a_spec_its_types)
{
    akssl_job_spec *spec = akssl_job_spec_new();
    json_t *object;

    ck_assert_int_eq(akssl_job_spec_set(spec, "option", "K=64"), 0);
    ck_assert_int_eq(akssl_job_spec_set(spec, "image-size", "32"), 0);
    object = ak_json_spec(spec);
    ck_assert_int_eq(json_integer_value(json_object_get(object, "image_size")), 32);
    ck_assert_double_eq(json_real_value(json_object_get(object, "lr")), 1e-3);
    ck_assert_str_eq(json_string_value(json_object_get(object, "method")), "simclr");
    ck_assert_str_eq(json_string_value(json_object_get(json_object_get(object, "option"), "K")),
                     "64");
    ck_assert(json_is_object(json_object_get(object, "augment")));
    json_decref(object);
    akssl_job_spec_free(spec);
}
END_TEST

AK_TEST_MAIN(AK_CASE(makes_text_of_any_bytes), AK_CASE(has_null_for_what_is_not_known),
             AK_CASE(gives_a_spec_its_types))
