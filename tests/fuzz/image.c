// tests/fuzz/image.c -- any bytes as an image file: JPEG, PNG, WebP, EXIF.
//
// An input: how short a side may become, in units of 16, then the file.

#include "proto/base/error.h"
#include "tests/fuzz/fuzz.h"
#include "worker/image/decoder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_bytes input = { data, size };
    int64_t least = 16 * (int64_t)fuzz_number(&input, 1);
    ak_image_room room = { 0 };
    volatile unsigned sum = 0;
    ak_image image;
    akssl_status rc;
    int turn;

    turn = ak_exif_orientation(input.at, input.left);
    FUZZ_CHECK(turn >= 1 && turn <= 8);
    rc = ak_decode(input.at, input.left, least, &room, &image);
    if (rc == AKSSL_OK) {
        size_t bytes = (size_t)(image.height * image.width * image.channels);

        FUZZ_CHECK(image.height > 0 && image.width > 0);
        FUZZ_CHECK(image.channels == 1 || image.channels == 3);
        for (size_t i = 0; i < bytes; i++)
            sum = sum + image.pixels[i];
    } else {
        FUZZ_CHECK(rc == AKSSL_ERR_CORRUPT || rc == AKSSL_ERR_LIMIT ||
                   rc == AKSSL_ERR_UNSUPPORTED || rc == AKSSL_ERR_NO_MEMORY);
        FUZZ_CHECK(ak_error_text()[0]);
    }
    ak_image_room_fini(&room);
    return 0;
}
