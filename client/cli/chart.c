// client/cli/chart.c -- curves over steps with their axes, as text.

#include "client/cli/chart.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/canvas.h"
#include "client/cli/text.h"

enum { WIDTH = 80, LEAST = 8, SCALE = 10, MARK = 24, DIGITS = 4 };

// What is seen of the curves, and where.
typedef struct frame {
    double left, right, least, greatest;
    int columns, rows; // of the canvas
} frame;

static void widen(double *low, double *high)
{
    double by = *low != 0 ? fabs(*low) * 0.05 : 1;

    if (*high > *low)
        return;
    *low -= by;
    *high += by;
}

// find_range returns false when there is no point.
static bool find_range(const ak_chart *chart, frame *f)
{
    f->left = f->least = INFINITY;
    f->right = f->greatest = -INFINITY;
    for (size_t i = 0; i < chart->count; i++) {
        const ak_chart_line *line = &chart->lines[i];

        for (size_t j = 0; j < line->count; j++) {
            if (!isfinite(line->value[j]))
                continue;
            f->left = fmin(f->left, (double)line->step[j]);
            f->right = fmax(f->right, (double)line->step[j]);
            f->least = fmin(f->least, line->value[j]);
            f->greatest = fmax(f->greatest, line->value[j]);
        }
    }
    if (!(f->left <= f->right))
        return false;
    widen(&f->left, &f->right);
    widen(&f->least, &f->greatest);
    return true;
}

// dot gives the place of a value between low and high on an axis of that many dots.  Halves, since
// the difference of two doubles may be infinite.
static int dot(double value, double low, double high, int dots)
{
    return (int)lround((value / 2 - low / 2) / (high / 2 - low / 2) * (dots - 1));
}

// draw_line returns the row in which the curve ends; -1: it has no point.
static int draw_line(ak_canvas *canvas, const frame *f, const ak_chart_line *line, int ink)
{
    int width = f->columns * AK_CANVAS_X, height = f->rows * AK_CANVAS_Y, x = 0, y = -1;
    bool joined = false;

    for (size_t i = 0; i < line->count; i++) {
        int to_x, to_y;

        if (!isfinite(line->value[i])) {
            joined = false;
            continue;
        }
        to_x = dot((double)line->step[i], f->left, f->right, width);
        to_y = height - 1 - dot(line->value[i], f->least, f->greatest, height);
        ak_canvas_line(canvas, joined ? x : to_x, joined ? y : to_y, to_x, to_y, ink);
        x = to_x;
        y = to_y;
        joined = true;
    }
    return y < 0 ? -1 : y / AK_CANVAS_Y;
}

static void put_ink(int ink, const ak_line_look *look, FILE *out)
{
    static const int colours[AK_CHART_COLOURS] = { 36, 33, 35, 32, 34, 31 };

    if (!look->colour || !look->width)
        return;
    if (ink)
        fprintf(out, "\033[%dm", colours[(ink - 1) % AK_CHART_COLOURS]);
    else
        fputs("\033[0m", out);
}

static void put_number(double value, FILE *out)
{
    char text[32];

    ak_text_number(value, DIGITS, text, sizeof text);
    fprintf(out, "%*.*s", SCALE, SCALE, text);
}

// put_row writes a row with its value, where it has one, and the mark of the curve that ends there.
static void put_row(const ak_canvas *canvas, const frame *f, int row, int ink_of_mark, int64_t mark,
                    const ak_line_look *look, FILE *out)
{
    char text[AK_CANVAS_CELL];
    int before = 0;

    if (row == 0 || row == f->rows - 1 || row == f->rows / 2)
        put_number(f->greatest - (f->greatest - f->least) * row / (f->rows - 1), out);
    else
        fprintf(out, "%*s", SCALE, "");
    fputs(look->blocks ? " \xe2\x94\x82" : " |", out);
    for (int column = 0; column < f->columns; column++) {
        int ink = ak_canvas_cell(canvas, column, row, look->blocks, text);

        if (ink && ink != before)
            put_ink(ink, look, out);
        before = ink ? ink : before;
        fputs(text, out);
    }
    if (before)
        put_ink(0, look, out);
    if (ink_of_mark) {
        put_ink(ink_of_mark, look, out);
        fprintf(out, " %" PRId64, mark);
        put_ink(0, look, out);
    }
    fputc('\n', out);
}

static void put_steps(const frame *f, FILE *out)
{
    char left[32], right[32];
    int room;

    snprintf(left, sizeof left, "%.0f", f->left);
    snprintf(right, sizeof right, "step %.0f", f->right);
    room = f->columns - (int)strlen(left);
    fprintf(out, "%*s%s%*s\n", SCALE + 2, "", left, room > 0 ? room : 0, right);
}

// place_marks gives each row the curve (from 1) that has its mark there: where it ends, or in the
// next row that is free.
static void place_marks(int *marks, int rows, const int *ends, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (int away = 0; ends[i] >= 0 && away < rows; away++) {
            int up = ends[i] - away, down = ends[i] + away;
            int row = down < rows && !marks[down] ? down : up >= 0 && !marks[up] ? up : -1;

            if (row < 0)
                continue;
            marks[row] = (int)i + 1;
            break;
        }
    }
}

static void draw_rows(const ak_chart *chart, const ak_canvas *canvas, const frame *f,
                      const int *marks, const ak_line_look *look, FILE *out)
{
    for (int row = 0; row < f->rows; row++)
        put_row(canvas, f, row, marks[row], marks[row] ? chart->lines[marks[row] - 1].mark : 0,
                look, out);
}

static int mark_cells(const ak_chart *chart)
{
    char text[MARK];
    int most = 0;

    for (size_t i = 0; i < chart->count; i++) {
        int cells = snprintf(text, sizeof text, " %" PRId64, chart->lines[i].mark);

        most = cells > most ? cells : most;
    }
    return most;
}

int ak_chart_draw(const ak_chart *chart, const ak_line_look *look, FILE *out)
{
    int width = look->width ? (int)look->width : WIDTH;
    frame f = { .rows = chart->rows };
    int *ends = calloc(chart->count + (size_t)chart->rows, sizeof *ends), *marks;
    ak_canvas *canvas;

    f.columns = width - SCALE - 2 - mark_cells(chart) - 1;
    f.columns = f.columns < LEAST ? LEAST : f.columns;
    canvas = ak_canvas_new(f.columns, f.rows);
    if (!ends || !canvas) {
        free(ends);
        ak_canvas_free(canvas);
        return -1;
    }
    marks = ends + chart->count;
    ak_text_put(out, chart->title);
    fputc('\n', out);
    if (find_range(chart, &f)) {
        for (size_t i = 0; i < chart->count; i++)
            ends[i] = draw_line(canvas, &f, &chart->lines[i], (int)(i % AK_CHART_COLOURS) + 1);
        place_marks(marks, f.rows, ends, chart->count);
        draw_rows(chart, canvas, &f, marks, look, out);
        put_steps(&f, out);
    }
    ak_canvas_free(canvas);
    free(ends);
    return 0;
}

void ak_chart_legend(const ak_chart *chart, const ak_line_look *look, FILE *out)
{
    for (size_t i = 0; i < chart->count; i++) {
        put_ink((int)(i % AK_CHART_COLOURS) + 1, look, out);
        fprintf(out, "%*" PRId64, SCALE, chart->lines[i].mark);
        put_ink(0, look, out);
        fputs("  ", out);
        ak_text_put(out, chart->lines[i].label);
        fputc('\n', out);
    }
}
