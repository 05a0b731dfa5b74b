// client/cli/canvas.h -- a drawing of dots in a terminal: 2 x 4 in a character of braille.
//
//     dot (0, 0) is the upper left one     U+2800 + sum of  01 08
//                                                           02 10
//                                                           04 20
//                                                           40 80

#ifndef AK_CLI_CANVAS_H
#define AK_CLI_CANVAS_H

enum { AK_CANVAS_X = 2, AK_CANVAS_Y = 4, AK_CANVAS_CELL = 4 }; // dots a cell; bytes of its text

typedef struct ak_canvas ak_canvas;

// ak_canvas_new makes an empty one of that many characters; NULL when memory is out.
ak_canvas *ak_canvas_new(int columns, int rows);
void ak_canvas_free(ak_canvas *canvas);

// ak_canvas_line sets the dots from one to another, both of them too; what lies outside is not
// drawn.  ink, 1 to 255, becomes that of the characters that it meets.
void ak_canvas_line(ak_canvas *canvas, int x0, int y0, int x1, int y1, int ink);

// ak_canvas_cell writes a character into text, of AK_CANVAS_CELL bytes: braille as UTF-8, or '*'
// where braille is 0; ' ' where there is no dot.  Returns its ink; 0: none.
int ak_canvas_cell(const ak_canvas *canvas, int column, int row, int braille, char *text);

#endif
