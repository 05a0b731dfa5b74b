// client/cli/raster.h -- a picture of pixels in a terminal.

#ifndef AK_CLI_RASTER_H
#define AK_CLI_RASTER_H

#include <stdint.h>
#include <stdio.h>

#include "client/cli/line.h"

enum { AK_RASTER_SIDE = 8192 }; // the longest that is read

// ak_raster is rows of pixels of red, green and blue, one behind the other.
typedef struct ak_raster {
    int width, height;
    uint8_t *pixels;
} ak_raster;

// ak_raster_read reads a PNG file.  Returns an exit code, having said what is wrong; what it gave
// ends with ak_raster_fini, which also takes one of zeros.
int ak_raster_read(ak_raster *raster, const char *path);
void ak_raster_fini(ak_raster *raster);

// ak_raster_blocks draws it as wide as the terminal, or 80 columns, and no wider than it is: two
// pixels a character in 24-bit colours, or letters by their lightness where the terminal has no
// colours or no UTF-8.
void ak_raster_blocks(const ak_raster *raster, const ak_line_look *look, FILE *out);

// ak_raster_sixel draws it in its own size as a DEC sixel graphic of 216 colours.
void ak_raster_sixel(const ak_raster *raster, FILE *out);

#endif
