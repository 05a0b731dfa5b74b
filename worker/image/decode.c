// worker/image/decode.c -- the table of image formats, and what all of them share.

#include "worker/image/decode.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/error.h"
#include "worker/image/decoder.h"
#include "worker/image/shrink.h"

#define AK_DECODER(name) extern const ak_decoder ak_decoder_##name;
#include "worker/image/decoders.def"
#undef AK_DECODER

static const ak_decoder *const decoders[] = {
#define AK_DECODER(name) &ak_decoder_##name,
#include "worker/image/decoders.def"
#undef AK_DECODER
};

enum { DECODERS = sizeof decoders / sizeof *decoders };

void ak_image_room_fini(ak_image_room *room)
{
    free(room->pixels);
    free(room->turned);
    *room = (ak_image_room){ 0 };
}

akssl_status ak_image_fits(int64_t height, int64_t width)
{
    if (height < 1 || width < 1)
        return ak_fail(AKSSL_ERR_CORRUPT, "it says that it has no pixels");
    if (height > AK_IMAGE_SIDE || width > AK_IMAGE_SIDE || height * width > AK_IMAGE_PIXELS)
        return ak_fail(AKSSL_ERR_LIMIT,
                       "its %" PRId64 " x %" PRId64
                       " pixels are too many: at most %d, and sides of %d",
                       width, height, AK_IMAGE_PIXELS, AK_IMAGE_SIDE);
    return AKSSL_OK;
}

// Not zeroed: what a decoder does not get to is never touched, so a lie about the size costs none.
static akssl_status reserve(uint8_t **bytes, size_t *room, size_t size)
{
    uint8_t *more;

    if (size <= *room)
        return AKSSL_OK;
    more = malloc(size);
    if (!more)
        return ak_fail(AKSSL_ERR_NO_MEMORY, "no memory for %zu bytes of pixels", size);
    free(*bytes);
    *bytes = more;
    *room = size;
    return AKSSL_OK;
}

akssl_status ak_image_reserve(ak_image_room *room, int64_t height, int64_t width, int channels,
                              ak_image *out)
{
    akssl_status rc = ak_image_fits(height, width);

    if (rc == AKSSL_OK)
        rc = reserve(&room->pixels, &room->pixels_room, (size_t)(height * width * channels));
    if (rc == AKSSL_OK)
        *out = (ak_image){ room->pixels, height, width, channels };
    return rc;
}

// ---- orientation

// Where the pixel of a turned image that lies `right` and `down` of its corner comes from: steps in
// the stored image, in pixels.
typedef struct turn {
    int64_t corner, right, down;
} turn;

static turn turn_of(const ak_image *image, int orientation)
{
    int64_t h = image->height, w = image->width, last = h * w - 1;
    const turn turns[] = {
        [2] = { w - 1, -1, w }, [3] = { last, -1, -w },        [4] = { last - w + 1, 1, -w },
        [5] = { 0, w, 1 },      [6] = { last - w + 1, -w, 1 }, [7] = { last, -w, -1 },
        [8] = { w - 1, w, -1 },
    };

    return turns[orientation];
}

// Orientations 5 to 8 exchange the sides.
static akssl_status turn_image(ak_image_room *room, ak_image *image, int orientation)
{
    int64_t height = orientation > 4 ? image->width : image->height;
    int64_t width = orientation > 4 ? image->height : image->width;
    size_t channels = (size_t)image->channels;
    turn t = turn_of(image, orientation);
    akssl_status rc =
        reserve(&room->turned, &room->turned_room, (size_t)height * (size_t)width * channels);
    uint8_t *to = room->turned;

    if (rc < 0)
        return rc;
    for (int64_t y = 0; y < height; y++)
        for (int64_t x = 0; x < width; x++, to += channels)
            memcpy(to, image->pixels + (t.corner + y * t.down + x * t.right) * image->channels,
                   channels);
    *image = (ak_image){ room->turned, height, width, image->channels };
    return AKSSL_OK;
}

akssl_status ak_decode(const uint8_t *bytes, size_t size, int64_t least, ak_image_room *room,
                       ak_image *out)
{
    for (int i = 0; i < DECODERS; i++) {
        int orientation = 1;
        akssl_status rc;

        if (!decoders[i]->is(bytes, size))
            continue;
        rc = decoders[i]->decode(bytes, size, least, room, out, &orientation);
        if (rc == AKSSL_OK && orientation > 1)
            rc = turn_image(room, out, orientation);
        if (rc == AKSSL_OK && !decoders[i]->scales)
            rc = ak_shrink(room, least, out);
        return rc < 0 ? ak_wrap(rc, "%s", decoders[i]->name) : rc;
    }
    return ak_fail(AKSSL_ERR_UNSUPPORTED, "%s",
                   size ? "neither JPEG nor PNG nor WebP: convert it" : "the file is empty");
}
