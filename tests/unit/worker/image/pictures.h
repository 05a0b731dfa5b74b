// tests/unit/worker/image/pictures.h -- image files made in memory, by the formats' own libraries.

#ifndef AK_TESTS_PICTURES_H
#define AK_TESTS_PICTURES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <png.h>
#include <webp/encode.h>

#include "tests/check.h"

typedef struct picture {
    uint8_t *bytes;
    size_t size;
} picture;

// A slow gradient, so that JPEG keeps it closely: value of channel c at (y, x).
static inline uint8_t picture_value(int y, int x, int c)
{
    return (uint8_t)(40 + 2 * y + 3 * x + 30 * c);
}

static inline void picture_append(png_structp png, png_bytep data, size_t size)
{
    picture *p = png_get_io_ptr(png);

    p->bytes = realloc(p->bytes, p->size + size);
    memcpy(p->bytes + p->size, data, size);
    p->size += size;
}

static inline void picture_flush(png_structp png)
{
    (void)png;
}

typedef struct png_form {
    int height, width, color, depth;
    bool interlaced;
    int orientation; // 0: no EXIF
} png_form;

// EXIF of 26 bytes with one entry.
static inline void picture_exif(uint8_t exif[26], int orientation)
{
    const uint8_t bytes[26] = { 'M', 'M',  0, 42, 0, 0, 0, 8, 0, 1,
                                1,   0x12, 0, 3,  0, 0, 0, 1, 0, (uint8_t)orientation };

    memcpy(exif, bytes, 26);
}

// Samples are the gradient's, as far as the depth allows; alpha is 7 everywhere; a palette has red
// = index, green = 255 - index, blue = 9.
static inline picture picture_png(png_form f)
{
    picture p = { NULL, 0 };
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_color palette[256];
    uint8_t exif[26], *rows, **row;
    size_t stride;
    int channels;

    ck_assert_int_eq(setjmp(png_jmpbuf(png)), 0);
    png_set_write_fn(png, &p, picture_append, picture_flush);
    png_set_IHDR(png, info, (png_uint_32)f.width, (png_uint_32)f.height, f.depth, f.color,
                 f.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, 0, 0);
    for (int i = 0; i < 256; i++)
        palette[i] = (png_color){ (png_byte)i, (png_byte)(255 - i), 9 };
    if (f.color == PNG_COLOR_TYPE_PALETTE)
        png_set_PLTE(png, info, palette, 1 << f.depth);
    if (f.orientation) {
        picture_exif(exif, f.orientation);
        png_set_eXIf_1(png, info, sizeof exif, exif);
    }
    png_write_info(png, info);
    channels = png_get_channels(png, info);
    stride = png_get_rowbytes(png, info);
    rows = calloc((size_t)f.height, stride);
    row = calloc((size_t)f.height, sizeof *row);
    for (int y = 0; y < f.height; y++) {
        row[y] = rows + (size_t)y * stride;
        for (int x = 0; x < f.width; x++)
            for (int c = 0; c < channels; c++) {
                bool alpha = (f.color & PNG_COLOR_MASK_ALPHA) && c == channels - 1;
                uint8_t v = alpha ? 7 : picture_value(y, x, c);
                int at = x * channels + c;

                if (f.depth == 16)
                    row[y][2 * at] = row[y][2 * at + 1] = v;
                else if (f.depth == 8)
                    row[y][at] = v;
                else // its highest bits, packed
                    row[y][at * f.depth / 8] |=
                        (uint8_t)(v >> (8 - f.depth) << (8 - f.depth - at * f.depth % 8));
            }
    }
    png_write_image(png, row);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    free(rows);
    free(row);
    return p;
}

typedef struct jpeg_form {
    int height, width, components; // 1: gray, 3: YCbCr, 4: CMYK
    bool progressive;
    int orientation;
} jpeg_form;

static inline picture picture_jpeg(jpeg_form f)
{
    picture p = { NULL, 0 };
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr errors;
    unsigned long size = 0;
    uint8_t *row = malloc((size_t)(f.width * f.components)), exif[32] = "Exif\0";

    c.err = jpeg_std_error(&errors);
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &p.bytes, &size);
    c.image_height = (JDIMENSION)f.height;
    c.image_width = (JDIMENSION)f.width;
    c.input_components = f.components;
    c.in_color_space = f.components == 1 ? JCS_GRAYSCALE : f.components == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_set_defaults(&c);
    jpeg_set_quality(&c, 100, TRUE);
    for (int i = 0; i < f.components; i++)
        c.comp_info[i].h_samp_factor = c.comp_info[i].v_samp_factor = 1;
    if (f.progressive)
        jpeg_simple_progression(&c);
    jpeg_start_compress(&c, TRUE);
    if (f.orientation) {
        picture_exif(exif + 6, f.orientation);
        jpeg_write_marker(&c, JPEG_APP0 + 1, exif, sizeof exif);
    }
    while (c.next_scanline < c.image_height) {
        for (int x = 0; x < f.width; x++)
            for (int k = 0; k < f.components; k++)
                row[x * f.components + k] = picture_value((int)c.next_scanline, x, k);
        jpeg_write_scanlines(&c, &row, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    free(row);
    p.size = size;
    return p;
}

static inline picture picture_webp(int height, int width, bool lossless)
{
    uint8_t *pixels = malloc((size_t)(3 * height * width)), *out = NULL;
    picture p = { NULL, 0 };

    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < 3; c++)
                pixels[3 * (y * width + x) + c] = picture_value(y, x, c);
    p.size = lossless ? WebPEncodeLosslessRGB(pixels, width, height, 3 * width, &out)
                      : WebPEncodeRGB(pixels, width, height, 3 * width, 90, &out);
    ck_assert_uint_gt(p.size, 0);
    p.bytes = malloc(p.size);
    memcpy(p.bytes, out, p.size);
    WebPFree(out);
    free(pixels);
    return p;
}

#endif
