// tests/unit/worker/image/png.h -- reads a PNG back with libpng.

#ifndef AK_TESTS_PNG_H
#define AK_TESTS_PNG_H

#include <png.h>

#include "tests/check.h"

// Height x width x 3 bytes; free them.
static inline uint8_t *ak_test_png(const char *path, int64_t *height, int64_t *width)
{
    png_image image = { .version = PNG_IMAGE_VERSION };
    uint8_t *pixels;

    ck_assert_msg(png_image_begin_read_from_file(&image, path), "%s: %s", path, image.message);
    ck_assert_uint_eq(image.format, PNG_FORMAT_RGB);
    pixels = malloc(PNG_IMAGE_SIZE(image));
    ck_assert_ptr_nonnull(pixels);
    ck_assert_msg(png_image_finish_read(&image, NULL, pixels, 0, NULL), "%s: %s", path,
                  image.message);
    *height = image.height;
    *width = image.width;
    return pixels;
}

#endif
