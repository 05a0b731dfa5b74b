// tests/unit/daemon/series.c -- tests daemon/series.c.

#include "daemon/series.h"

#include "tests/check.h"
#include "tests/unit/daemon/folder.h"

static ak_series_list read_bytes(const char *text, size_t length, int64_t points)
{
    char *folder = folder_make(), *path = ak_path("%s/metrics.jsonl", folder);
    ak_series_list list = { 0 };

    ck_assert_int_eq(ak_files_write(path, text, length), 0);
    ck_assert_int_eq(ak_series_read(path, points, &list), 0);
    free(path);
    folder_remove(folder);
    return list;
}

static ak_series_list read_text(const char *text, int64_t points)
{
    return read_bytes(text, strlen(text), points);
}

static const ak_series *find(const ak_series_list *list, const char *name, int64_t points)
{
    for (int i = 0; i < list->count; i++) {
        if (strcmp(list->at[i].name, name) != 0)
            continue;
        ck_assert_int_eq(list->at[i].count, points);
        return &list->at[i];
    }
    ck_abort_msg("no series '%s'", name);
}

START_TEST(points_hold_all_of_their_steps)
{
    char text[4096] = "";
    ak_series_list list;
    const ak_series *loss;

    for (int i = 1; i <= 20; i++)
        snprintf(text + strlen(text), 64, "{\"step\": %d, \"loss\": %d, \"lr\": 0.5}\n", i, i * i);
    list = read_text(text, 4);
    ck_assert_int_eq(list.count, 2);
    loss = find(&list, "loss", 4);
    ck_assert(loss->several);
    for (int i = 0; i < 4; i++) {
        int first = 5 * i + 1, last = first + 4;

        ck_assert_int_eq(loss->step[i], last);
        ck_assert_double_eq(loss->least[i], first * first);
        ck_assert_double_eq(loss->greatest[i], last * last);
        ck_assert_double_eq_tol(loss->mean[i], (first + 2) * (first + 2) + 2, 1e-9);
        ck_assert_double_eq(find(&list, "lr", 4)->mean[i], 0.5);
    }
    ak_series_list_fini(&list);
    list = read_text(text, 1000); // a point a step
    ck_assert_double_eq(find(&list, "loss", 20)->mean[19], 400);
    ck_assert(!find(&list, "loss", 20)->several);
    ak_series_list_fini(&list);
}
END_TEST

START_TEST(what_a_crash_left_hides_nothing)
{
    static const char text[] =
        "{\"step\": 1, \"loss\": 2}\n\0\0\0\0{\"step\": 2, \"loss\": 3}\n\0\0";
    ak_series_list list = read_bytes(text, sizeof text, 10);

    ck_assert_double_eq(find(&list, "loss", 2)->mean[1], 3);
    ak_series_list_fini(&list);
}
END_TEST

START_TEST(a_job_has_two_files)
{
    static const char *const texts[] = { "{\"step\": 1, \"loss\": 2}\n",
                                         "{\"step\": 9, \"loss\": 3, \"knn.top1\": 70}\n" };
    static const char *const names[] = { "metrics.jsonl", "evaluations.jsonl" };
    char *folder = folder_make();
    ak_series_list list = { 0 };

    ck_assert_int_eq(ak_series_of_job(folder, 10, &list), 0);
    ck_assert_int_eq(list.count, 0);
    for (int i = 0; i < 2; i++) {
        char *path = ak_path("%s/%s", folder, names[i]);

        ck_assert_int_eq(ak_files_write(path, texts[i], strlen(texts[i])), 0);
        free(path);
    }
    ck_assert_int_eq(ak_series_of_job(folder, 10, &list), 0);
    ck_assert_int_eq(list.count, 2); // of one name the first
    ck_assert_double_eq(find(&list, "loss", 1)->mean[0], 2);
    ck_assert_int_eq(find(&list, "knn.top1", 1)->step[0], 9);
    ak_series_list_fini(&list);
    folder_remove(folder);
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
    ak_series_list list;

    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        list = read_text(none[i], 10);
        ck_assert_msg(list.count == 0, "'%s' has series", none[i]);
        ak_series_list_fini(&list);
    }
    list = read_text(
        "?\n{\"step\": 0, \"loss\": nan, \"a\": 1}\n{\"step\": 9000000000000000, \"a\": 3}\n", 10);
    ck_assert_int_eq(list.count, 1);
    ck_assert_double_eq(find(&list, "a", 2)->mean[0], 1);
    ck_assert_double_eq(find(&list, "a", 2)->mean[1], 3);
    ak_series_list_fini(&list);
    ck_assert_int_eq(ak_series_read("/nonexistent/metrics.jsonl", 10, &list), 0);
    ck_assert_int_eq(list.count, 0);
}
END_TEST

START_TEST(there_is_a_bound_on_series)
{
    ak_str text = AK_STR_INIT;
    ak_series_list list;

    ak_str_append(&text, "{\"step\": 1");
    for (int i = 0; i < 3 * AK_SERIES_NAMES; i++)
        ak_str_format(&text, ", \"s%d\": %d", i, i);
    ak_str_append(&text, "}\n");
    list = read_text(text.text, 2);
    ck_assert_int_eq(list.count, AK_SERIES_NAMES);
    ak_series_list_fini(&list);
    ak_str_fini(&text);
}
END_TEST

AK_TEST_MAIN(AK_CASE(points_hold_all_of_their_steps), AK_CASE(what_a_crash_left_hides_nothing),
             AK_CASE(a_job_has_two_files), AK_CASE(what_is_no_figure_is_passed_over),
             AK_CASE(there_is_a_bound_on_series))
