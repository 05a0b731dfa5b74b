// client/cli/canvas.c -- a drawing of dots in a terminal: 2 x 4 in a character of braille.

#include "client/cli/canvas.h"

#include <stdlib.h>
#include <string.h>

typedef struct cell {
    unsigned char dots, ink;
} cell;

struct ak_canvas {
    int columns, rows;
    cell cells[];
};

ak_canvas *ak_canvas_new(int columns, int rows)
{
    size_t cells = (size_t)columns * (size_t)rows;
    ak_canvas *canvas = calloc(1, sizeof *canvas + cells * sizeof(cell));

    if (canvas) {
        canvas->columns = columns;
        canvas->rows = rows;
    }
    return canvas;
}

void ak_canvas_free(ak_canvas *canvas)
{
    free(canvas);
}

static void set(ak_canvas *canvas, int x, int y, int ink)
{
    static const unsigned char dots[AK_CANVAS_Y][AK_CANVAS_X] = {
        { 0x01, 0x08 }, { 0x02, 0x10 }, { 0x04, 0x20 }, { 0x40, 0x80 }
    };
    int column = x / AK_CANVAS_X, row = y / AK_CANVAS_Y;
    cell *at;

    if (x < 0 || y < 0 || column >= canvas->columns || row >= canvas->rows)
        return;
    at = &canvas->cells[row * canvas->columns + column];
    at->dots |= dots[y % AK_CANVAS_Y][x % AK_CANVAS_X];
    at->ink = (unsigned char)ink;
}

// Bresenham's, in all directions.
void ak_canvas_line(ak_canvas *canvas, int x0, int y0, int x1, int y1, int ink)
{
    int dx = abs(x1 - x0), dy = -abs(y1 - y0);
    int right = x0 < x1 ? 1 : -1, down = y0 < y1 ? 1 : -1;

    for (int error = dx + dy;;) {
        int twice = 2 * error;

        set(canvas, x0, y0, ink);
        if (x0 == x1 && y0 == y1)
            return;
        if (twice >= dy) {
            error += dy;
            x0 += right;
        }
        if (twice <= dx) {
            error += dx;
            y0 += down;
        }
    }
}

int ak_canvas_cell(const ak_canvas *canvas, int column, int row, int braille, char *text)
{
    const cell *at = &canvas->cells[row * canvas->columns + column];

    if (!at->dots || !braille) {
        strcpy(text, at->dots ? "*" : " ");
    } else { // U+2800 to U+28FF
        text[0] = (char)0xe2;
        text[1] = (char)(0xa0 | at->dots >> 6);
        text[2] = (char)(0x80 | (at->dots & 0x3f));
        text[3] = '\0';
    }
    return at->ink;
}
