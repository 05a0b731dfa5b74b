// tests/unit/client/cli/chart.c -- tests client/cli/chart.c, and what gnuplot.c hands to gnuplot.

#include "client/cli/chart.h"

#include <math.h>
#include <stdlib.h>

#include "client/cli/gnuplot.h"
#include "client/cli/text.h"
#include "tests/check.h"

static const ak_line_look plain = { .width = 0 };
static const int64_t steps[] = { 1, 2, 3, 4, 5 };
static const double up[] = { 0, 1, 2, 3, 4 }, down[] = { 4, 3, 2, 1, 0 };
static const double holes[] = { NAN, 1, INFINITY, 1, NAN };

// drawn gives the chart as text, which is the caller's.
static char *drawn(const ak_chart *chart, const ak_line_look *look)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    ck_assert_int_eq(ak_chart_draw(chart, look, out), 0);
    fclose(out);
    return text;
}

START_TEST(curves_end_in_their_marks)
{
    const ak_chart_line lines[] = { { .mark = 7, .count = 5, .step = steps, .value = up },
                                    { .mark = 12, .count = 5, .step = steps, .value = down },
                                    { .mark = 13, .count = 5, .step = steps, .value = down },
                                    { .mark = 14 } };
    const ak_chart chart = { .title = "lo\nss", .lines = lines, .count = 4, .rows = 5 };
    const ak_line_look narrow = { .width = 27 };
    char *text = drawn(&chart, &narrow);

    ck_assert_str_eq(text, "lo ss\n"
                           "         4 |**       ** 7\n"
                           "           |  *** ***  \n"
                           "         2 |    ***    \n"
                           "           |  **   **   13\n"
                           "         0 |**       ** 12\n"
                           "            1    step 5\n");
    free(text);
}
END_TEST

START_TEST(lines_fit_the_terminal)
{
    const ak_chart_line line = { .mark = 123456, .count = 5, .step = steps, .value = up };
    const ak_chart chart = { .title = "t", .lines = &line, .count = 1, .rows = 15 };

    for (size_t width = 30; width < 300; width++) {
        const ak_line_look look = { .width = width, .blocks = width % 2 };
        char *text = drawn(&chart, &look), *rest = text, *row;

        while ((row = strsep(&rest, "\n")) != NULL)
            ck_assert_msg(ak_text_cells(row) < width, "%zu: %s", width, row);
        free(text);
    }
}
END_TEST

START_TEST(what_is_no_number_is_a_gap)
{
    const double one[] = { -2 }, wide[] = { -1.7e308, 1.7e308, 0, 0, 0 };
    ak_chart_line line = { .mark = 1, .count = 5, .step = steps, .value = holes };
    const ak_chart chart = { .title = "t", .lines = &line, .count = 1, .rows = 3 };
    const ak_line_look narrow = { .width = 24 };
    char *text = drawn(&chart, &narrow);

    ck_assert_str_eq(text, "t\n"
                           "      1.05 |         \n"
                           "         1 |*       * 1\n"
                           "      0.95 |         \n"
                           "            2  step 4\n");
    free(text);
    line = (ak_chart_line){ .mark = 1, .count = 1, .step = steps, .value = one };
    text = drawn(&chart, &plain); // one point is a dot in the middle
    ck_assert_ptr_nonnull(strstr(text, "        -2 |"));
    ck_assert_ptr_nonnull(strchr(text, '*'));
    free(text);
    line = (ak_chart_line){ .mark = 1, .count = 5, .step = steps, .value = wide };
    free(drawn(&chart, &plain));
    line.count = 0;
    text = drawn(&chart, &plain);
    ck_assert_str_eq(text, "t\n");
    free(text);
}
END_TEST

// A job's name and a figure's are data in the script, whatever they are.
START_TEST(texts_are_no_commands)
{
    const ak_chart_line lines[] = {
        { .mark = 1, .label = "it's\nsystem 'x' `y`", .count = 5, .step = steps, .value = holes },
        { .mark = 2, .label = "none" }
    };
    const ak_chart chart = { .title = "'\n!x", .lines = lines, .count = 2, .rows = 5 };
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    ak_gnuplot_script(&chart, 1, "a.svg", out);
    fclose(out);
    ck_assert_ptr_nonnull(strstr(text, "set terminal svg"));
    ck_assert_ptr_nonnull(strstr(text, "$curve0 << END\n\n2 1\n\n4 1\n\nEND\n"));
    ck_assert_ptr_nonnull(strstr(text, "set title ''' !x'\n"));
    ck_assert_ptr_nonnull(strstr(text, " title '1: it''s system ''x'' `y`'\n"));
    ck_assert_ptr_null(strstr(text, "curve1"));
    free(text);
    ck_assert(ak_gnuplot_knows("a/b.png") && ak_gnuplot_knows("x.svg"));
    ck_assert(!ak_gnuplot_knows(".png") && !ak_gnuplot_knows("x.PNG") && !ak_gnuplot_knows("x"));
}
END_TEST

AK_TEST_MAIN(AK_CASE(curves_end_in_their_marks), AK_CASE(lines_fit_the_terminal),
             AK_CASE(what_is_no_number_is_a_gap), AK_CASE(texts_are_no_commands))
