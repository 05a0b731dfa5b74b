// worker/image/png.h -- a picture for people to look at.

#ifndef AK_IMAGE_PNG_H
#define AK_IMAGE_PNG_H

#include <stdint.h>

#include "akssl/status.h"

enum { AK_PNG_MOST = 1 << 28 }; // pixels of a picture

// ak_png_write writes height x width x 3 bytes, red first, as a PNG.  A file appears whole or not
// at all and replaces an existing one; a device or pipe is written to.  ERR_LIMIT for more than
// AK_PNG_MOST pixels or a side of more than a million, ERR_IO otherwise.
akssl_status ak_png_write(const char *path, const uint8_t *pixels, int64_t height,
                          int64_t width) AKSSL_MUST_CHECK;

#endif
