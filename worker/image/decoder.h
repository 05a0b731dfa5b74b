// worker/image/decoder.h -- one image format: one file, one row in decoders.def.

#ifndef AK_IMAGE_DECODER_H
#define AK_IMAGE_DECODER_H

#include <stdbool.h>

#include "worker/image/decode.h"

typedef struct ak_decoder {
    const char *name; // for people
    bool scales;      // decode minds `least`; what others give is reduced afterwards (shrink.h)

    bool (*is)(const uint8_t *bytes, size_t size); // by the first bytes

    // decode fills room->pixels, which it reserves, and *out; *orientation is 1 beforehand, and
    // becomes EXIF's if the file has one.
    akssl_status (*decode)(const uint8_t *bytes, size_t size, int64_t least, ak_image_room *room,
                           ak_image *out, int *orientation);
} ak_decoder;

// ak_image_fits refuses sizes that are not decoded, with ERR_LIMIT or ERR_CORRUPT.
akssl_status ak_image_fits(int64_t height, int64_t width) AKSSL_MUST_CHECK;

// ak_image_reserve makes room->pixels hold an image and describes it in *out; its pixels are
// undefined.
akssl_status ak_image_reserve(ak_image_room *room, int64_t height, int64_t width, int channels,
                              ak_image *out) AKSSL_MUST_CHECK;

// ak_exif_orientation reads 1 to 8 from EXIF data, with or without "Exif" before it; 1 when it is
// not there or damaged.
int ak_exif_orientation(const uint8_t *bytes, size_t size);

#endif
