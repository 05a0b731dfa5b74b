// worker/image/image.h -- an image of bytes, as data sets give it, and of floats, as augmentations
// work on it.

#ifndef AK_IMAGE_IMAGE_H
#define AK_IMAGE_IMAGE_H

#include <stdint.h>

// Bytes, rows of pixels of `channels` (1 or 3) interleaved values.  Borrowed from its data set.
typedef struct ak_image {
    const uint8_t *pixels;
    int64_t height, width;
    int channels;
} ak_image;

#endif
