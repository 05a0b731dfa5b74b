// tests/unit/client/cli/canvas.c -- tests client/cli/canvas.c.

#include "client/cli/canvas.h"

#include "tests/check.h"

static void shows(const ak_canvas *canvas, int column, int row, const char *want)
{
    char text[AK_CANVAS_CELL];

    ak_canvas_cell(canvas, column, row, 1, text);
    ck_assert_msg(strcmp(text, want) == 0, "(%d, %d) is '%s', not '%s'", column, row, text, want);
}

// Each of the eight dots alone, by the table of Unicode.
START_TEST(each_dot_has_its_bit)
{
    static const char *const want[AK_CANVAS_Y][AK_CANVAS_X] = {
        { "⠁", "⠈" }, { "⠂", "⠐" }, { "⠄", "⠠" }, { "⡀", "⢀" }
    };

    for (int y = 0; y < AK_CANVAS_Y; y++) {
        for (int x = 0; x < AK_CANVAS_X; x++) {
            ak_canvas *canvas = ak_canvas_new(2, 2);

            ak_canvas_line(canvas, 2 + x, 4 + y, 2 + x, 4 + y, 1);
            shows(canvas, 1, 1, want[y][x]);
            shows(canvas, 0, 0, " ");
            ak_canvas_free(canvas);
        }
    }
}
END_TEST

START_TEST(lines_in_all_directions)
{
    ak_canvas *canvas = ak_canvas_new(2, 1), *same = ak_canvas_new(2, 1);
    char a[AK_CANVAS_CELL], b[AK_CANVAS_CELL];

    ak_canvas_line(canvas, 0, 0, 3, 3, 1); // a diagonal
    shows(canvas, 0, 0, "⠑");
    shows(canvas, 1, 0, "⢄");
    ak_canvas_line(same, 3, 3, 0, 0, 1);
    for (int i = 0; i < 2; i++) {
        ak_canvas_cell(canvas, i, 0, 1, a);
        ak_canvas_cell(same, i, 0, 1, b);
        ck_assert_str_eq(a, b);
    }
    ak_canvas_line(canvas, 0, 3, 3, 3, 1); // a floor, on top of it
    shows(canvas, 0, 0, "⣑");
    shows(canvas, 1, 0, "⣄");
    ak_canvas_line(canvas, 0, 0, 0, 3, 1); // and a wall
    shows(canvas, 0, 0, "⣗");
    ak_canvas_free(canvas);
    ak_canvas_free(same);
}
END_TEST

START_TEST(what_is_outside_is_not_drawn)
{
    ak_canvas *canvas = ak_canvas_new(2, 1);

    ak_canvas_line(canvas, -9, -9, -1, 100, 1);
    ak_canvas_line(canvas, 4, 0, 4, 3, 1);
    shows(canvas, 0, 0, " ");
    shows(canvas, 1, 0, " ");
    ak_canvas_line(canvas, -5, 0, 50, 0, 1); // through it
    shows(canvas, 0, 0, "⠉");
    shows(canvas, 1, 0, "⠉");
    ak_canvas_free(canvas);
}
END_TEST

START_TEST(ink_and_plain_characters)
{
    ak_canvas *canvas = ak_canvas_new(2, 1);
    char text[AK_CANVAS_CELL];

    ak_canvas_line(canvas, 0, 0, 0, 0, 3);
    ck_assert_int_eq(ak_canvas_cell(canvas, 0, 0, 0, text), 3);
    ck_assert_str_eq(text, "*");
    ck_assert_int_eq(ak_canvas_cell(canvas, 1, 0, 0, text), 0);
    ck_assert_str_eq(text, " ");
    ak_canvas_line(canvas, 1, 3, 1, 3, 2); // the last one's
    ck_assert_int_eq(ak_canvas_cell(canvas, 0, 0, 1, text), 2);
    ck_assert_str_eq(text, "⢁");
    ak_canvas_free(canvas);
}
END_TEST

AK_TEST_MAIN(AK_CASE(each_dot_has_its_bit), AK_CASE(lines_in_all_directions),
             AK_CASE(what_is_outside_is_not_drawn), AK_CASE(ink_and_plain_characters))
