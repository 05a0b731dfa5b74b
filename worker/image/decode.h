// worker/image/decode.h -- pixels out of an image file's bytes.

#ifndef AK_IMAGE_DECODE_H
#define AK_IMAGE_DECODE_H

#include <stddef.h>

#include "akssl/status.h"
#include "worker/image/image.h"

enum { AK_IMAGE_SIDE = 65535, AK_IMAGE_PIXELS = 1 << 26 }; // the most that is decoded

// Memory of a thread that decodes; {0} to begin with, grown as needed and kept.
typedef struct ak_image_room {
    uint8_t *pixels, *turned;
    size_t pixels_room, turned_room;
} ak_image_room;

void ak_image_room_fini(ak_image_room *room);

// ak_decode gives the image, borrowed from room until its next use.  With least > 0 it may come in
// a smaller size whose sides are still `least` or more.  ERR_UNSUPPORTED: no format that we read;
// ERR_CORRUPT: damaged; ERR_LIMIT: too large: these three depend on the bytes alone.
// ERR_NO_MEMORY.  Any thread, a room each.
akssl_status ak_decode(const uint8_t *bytes, size_t size, int64_t least, ak_image_room *room,
                       ak_image *out) AKSSL_MUST_CHECK;

#endif
