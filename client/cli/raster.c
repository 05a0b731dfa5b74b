// client/cli/raster.c -- a picture of pixels in a terminal.

#include "client/cli/raster.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#include "client/cli/cmd.h"

enum { WIDTH = 80, LEVELS = 6, COLOURS = LEVELS * LEVELS * LEVELS, BAND = 6 };

typedef struct colour {
    int at[3]; // red, green, blue: 0 to 255
} colour;

void ak_raster_fini(ak_raster *raster)
{
    free(raster->pixels);
    *raster = (ak_raster){ 0 };
}

int ak_raster_read(ak_raster *raster, const char *path)
{
    png_image png = { .version = PNG_IMAGE_VERSION };
    bool whole;

    *raster = (ak_raster){ 0 };
    if (!png_image_begin_read_from_file(&png, path))
        return ak_cli_error(AK_EXIT_FAILED, "the picture cannot be read: %s", png.message);
    if (png.width > AK_RASTER_SIDE || png.height > AK_RASTER_SIDE) {
        png_image_free(&png);
        return ak_cli_error(AK_EXIT_FAILED, "the picture has %u x %u pixels, sides of %d are read",
                            png.width, png.height, AK_RASTER_SIDE);
    }
    png.format = PNG_FORMAT_RGB;
    raster->width = (int)png.width;
    raster->height = (int)png.height;
    raster->pixels = malloc(PNG_IMAGE_SIZE(png));
    whole = raster->pixels && png_image_finish_read(&png, NULL, raster->pixels, 0, NULL);
    png_image_free(&png);
    if (whole)
        return AK_EXIT_DONE;
    ak_raster_fini(raster);
    return ak_cli_error(AK_EXIT_FAILED, "the picture cannot be read: %s",
                        png.message[0] ? png.message : "out of memory");
}

// ---- characters

// The mean over a box of pixels, of which there is at least one.
static colour mean_of(const ak_raster *r, int left, int top, int right, int bottom)
{
    int64_t sum[3] = { 0 }, count;
    colour c;

    right = right > left ? right : left + 1;
    bottom = bottom > top ? bottom : top + 1;
    count = (int64_t)(right - left) * (bottom - top);
    for (int y = top; y < bottom; y++)
        for (int x = left; x < right; x++)
            for (int i = 0; i < 3; i++)
                sum[i] += r->pixels[3 * ((int64_t)y * r->width + x) + i];
    for (int i = 0; i < 3; i++)
        c.at[i] = (int)(sum[i] / count);
    return c;
}

// A character's pixel: row `half` of twice as many rows as there are of characters.
static colour pixel_of(const ak_raster *r, int columns, int halves, int column, int half)
{
    return mean_of(r, (int)((int64_t)column * r->width / columns),
                   (int)((int64_t)half * r->height / halves),
                   (int)((int64_t)(column + 1) * r->width / columns),
                   (int)((int64_t)(half + 1) * r->height / halves));
}

static char letter_of(colour upper, colour lower)
{
    static const char ramp[] = " .:-=+*#%@";
    int light = 0;

    for (int i = 0; i < 3; i++)
        light += upper.at[i] + lower.at[i];
    return ramp[light * ((int)sizeof ramp - 2) / (6 * 255)];
}

void ak_raster_blocks(const ak_raster *r, const ak_line_look *look, FILE *out)
{
    int most = look->width ? (int)look->width - 1 : WIDTH - 1;
    int columns = r->width < most ? r->width : most, halves;
    bool coloured = look->width && look->colour && look->blocks;

    columns = columns > 0 ? columns : 1;
    halves = (int)((int64_t)r->height * columns / r->width + 1) / 2 * 2;
    halves = halves > 1 ? halves : 2;
    for (int half = 0; half < halves; half += 2) {
        for (int column = 0; column < columns; column++) {
            colour a = pixel_of(r, columns, halves, column, half);
            colour b = pixel_of(r, columns, halves, column, half + 1);

            if (coloured)
                fprintf(out, "\033[38;2;%d;%d;%d;48;2;%d;%d;%dm\xe2\x96\x80", a.at[0], a.at[1],
                        a.at[2], b.at[0], b.at[1], b.at[2]);
            else
                fputc(letter_of(a, b), out);
        }
        fputs(coloured ? "\033[0m\n" : "\n", out);
    }
}

// ---- sixels

// The nearest of the 216 colours, by a pattern that lets two of them stand for those in between.
static int colour_of(const ak_raster *r, int x, int y)
{
    static const int pattern[4][4] = {
        { 0, 8, 2, 10 }, { 12, 4, 14, 6 }, { 3, 11, 1, 9 }, { 15, 7, 13, 5 }
    };
    int number = 0;

    for (int i = 0; i < 3; i++) {
        int value = r->pixels[3 * ((int64_t)y * r->width + x) + i] * (LEVELS - 1);

        number = number * LEVELS + (value * 16 + pattern[y % 4][x % 4] * 255 + 127) / (16 * 255);
    }
    return number;
}

static void put_palette(FILE *out)
{
    for (int c = 0; c < COLOURS; c++)
        fprintf(out, "#%d;2;%d;%d;%d", c, c / LEVELS / LEVELS * 20, c / LEVELS % LEVELS * 20,
                c % LEVELS * 20);
}

// `count` times the same six pixels.
static void put_run(int bits, int count, FILE *out)
{
    if (count > 3)
        fprintf(out, "!%d%c", count, 63 + bits);
    else
        while (count-- > 0)
            fputc(63 + bits, out);
}

static void put_colour(const uint8_t *band, int width, int rows, int c, FILE *out)
{
    int last = -1, count = 0;

    fprintf(out, "#%d", c);
    for (int x = 0; x < width; x++) {
        int bits = 0;

        for (int y = 0; y < rows; y++)
            bits |= (band[y * width + x] == c) << y;
        if (bits != last) {
            put_run(last, count, out);
            count = 0;
        }
        last = bits;
        count++;
    }
    put_run(last, count, out);
    fputc('$', out); // back to the left
}

void ak_raster_sixel(const ak_raster *r, FILE *out)
{
    uint8_t *band = malloc((size_t)r->width * BAND);

    if (!band)
        return;
    fprintf(out, "\033Pq\"1;1;%d;%d", r->width, r->height);
    put_palette(out);
    for (int top = 0; top < r->height; top += BAND) {
        int rows = r->height - top < BAND ? r->height - top : BAND;
        bool used[COLOURS] = { false };

        for (int i = 0; i < rows * r->width; i++) {
            band[i] = (uint8_t)colour_of(r, i % r->width, top + i / r->width);
            used[band[i]] = true;
        }
        for (int c = 0; c < COLOURS; c++)
            if (used[c])
                put_colour(band, r->width, rows, c, out);
        fputc('-', out); // the next band
    }
    fputs("\033\\\n", out);
    free(band);
}
