// tests/unit/daemon/http/series.c -- tests daemon/http/series.c, and which addresses are loopback.

#include "daemon/http/series.h"

#include "daemon/http/http.h"
#include "tests/check.h"
#include "tests/unit/daemon/folder.h"

static json_t *read_text(const char *text, int64_t points)
{
    char *folder = folder_make(), *path = ak_path("%s/metrics.jsonl", folder);
    json_t *object = json_object();

    ck_assert_int_eq(ak_files_write(path, text, strlen(text)), 0);
    ck_assert_int_eq(ak_series_read(path, points, object), 0);
    free(path);
    folder_remove(folder);
    return object;
}

static double value_of(json_t *object, const char *name, const char *key, size_t index)
{
    json_t *list = json_object_get(json_object_get(object, name), key);

    ck_assert_uint_lt(index, json_array_size(list));
    return json_number_value(json_array_get(list, index));
}

START_TEST(points_hold_all_of_their_steps)
{
    char text[4096] = "";
    json_t *object;

    for (int i = 1; i <= 20; i++)
        snprintf(text + strlen(text), 64, "{\"step\": %d, \"loss\": %d, \"lr\": 0.5}\n", i, i * i);
    object = read_text(text, 4);
    ck_assert_uint_eq(json_object_size(object), 2);
    for (size_t i = 0; i < 4; i++) {
        size_t first = 5 * i + 1, last = first + 4;

        ck_assert_double_eq(value_of(object, "loss", "step", i), (double)last);
        ck_assert_double_eq(value_of(object, "loss", "min", i), (double)(first * first));
        ck_assert_double_eq(value_of(object, "loss", "max", i), (double)(last * last));
        ck_assert_double_eq_tol(value_of(object, "loss", "mean", i),
                                (double)((first + 2) * (first + 2) + 2), 1e-9);
        ck_assert_double_eq(value_of(object, "lr", "mean", i), 0.5);
    }
    json_decref(object);
    object = read_text(text, 1000); // a point a step
    ck_assert_double_eq(value_of(object, "loss", "mean", 19), 400);
    ck_assert_ptr_null(json_object_get(json_object_get(object, "loss"), "min"));
    json_decref(object);
}
END_TEST

START_TEST(what_is_no_figure_is_passed_over)
{
    static const char *const none[] = { "",
                                        "\n\n",
                                        "{\"step\": 1, \"loss\": 2}", // torn
                                        "{\"loss\": 2, \"step\": 1}\n",
                                        "{\"step\": -1, \"loss\": 2}\n",
                                        "{\"step\": nan, \"loss\": 2}\n",
                                        "{\"step\": 1e300, \"loss\": 2}\n",
                                        "{\"step\": 1, \"\": 2}\n",
                                        "{\"step\": 1, \"loss\": inf}\n",
                                        "{\"step\": 1, \"loss\": \"2\"}\n",
                                        "{\"step\": 1, \"loss\n" };
    json_t *object;

    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        object = read_text(none[i], 10);
        ck_assert_msg(json_object_size(object) == 0, "'%s' has series", none[i]);
        json_decref(object);
    }
    object = read_text(
        "?\n{\"step\": 0, \"loss\": nan, \"a\": 1}\n{\"step\": 9000000000000000, \"a\": 3}\n", 10);
    ck_assert_uint_eq(json_object_size(object), 1);
    ck_assert_double_eq(value_of(object, "a", "mean", 0), 1);
    ck_assert_double_eq(value_of(object, "a", "mean", 1), 3);
    json_decref(object);
    object = json_object();
    ck_assert_int_eq(ak_series_read("/nonexistent/metrics.jsonl", 10, object), 0);
    ck_assert_uint_eq(json_object_size(object), 0);
    json_decref(object);
}
END_TEST

START_TEST(there_is_a_bound_on_series)
{
    ak_str text = AK_STR_INIT;
    json_t *object;

    ak_str_append(&text, "{\"step\": 1");
    for (int i = 0; i < 3 * AK_SERIES_NAMES; i++)
        ak_str_format(&text, ", \"s%d\": %d", i, i);
    ak_str_append(&text, "}\n");
    object = read_text(text.text, 2);
    ck_assert_uint_eq(json_object_size(object), AK_SERIES_NAMES);
    json_decref(object);
    ak_str_fini(&text);
}
END_TEST

START_TEST(loopback)
{
    static const char *const is[] = { "127.0.0.1:80", "127.0.0.1", "127.9.8.7:1", "[::1]:80",
                                      "[::1]",        "localhost", "LocalHost:0" };
    static const char *const is_not[] = { "",         "0.0.0.0:80",        "127.0.0.1.example:80",
                                          "[::]:80",  "localhost.example", "[::1].example",
                                          "10.0.0.1", "example:127",       "127.example:80" };

    for (size_t i = 0; i < sizeof is / sizeof *is; i++)
        ck_assert_msg(ak_http_is_loopback(is[i]), "%s", is[i]);
    for (size_t i = 0; i < sizeof is_not / sizeof *is_not; i++)
        ck_assert_msg(!ak_http_is_loopback(is_not[i]), "%s", is_not[i]);
}
END_TEST

AK_TEST_MAIN(AK_CASE(points_hold_all_of_their_steps), AK_CASE(what_is_no_figure_is_passed_over),
             AK_CASE(there_is_a_bound_on_series), AK_CASE(loopback))
