// worker/image/from_webp.c -- WebP, by libwebp.

#include <string.h>

#include <webp/decode.h>
#include <webp/demux.h>

#include "proto/base/error.h"
#include "worker/image/decoder.h"

static const char *text_of(VP8StatusCode code)
{
    switch (code) {
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED:
        return "it is truncated";
    case VP8_STATUS_UNSUPPORTED_FEATURE:
        return "it has a feature that libwebp does not know";
    default:
        return "it is damaged";
    }
}

static akssl_status failed(VP8StatusCode code)
{
    if (code == VP8_STATUS_OUT_OF_MEMORY)
        return ak_fail(AKSSL_ERR_NO_MEMORY, "no memory to decode it");
    return ak_fail(AKSSL_ERR_CORRUPT, "%s", text_of(code));
}

static bool is_webp(const uint8_t *bytes, size_t size)
{
    return size >= 12 && memcmp(bytes, "RIFF", 4) == 0 && memcmp(bytes + 8, "WEBP", 4) == 0;
}

static void read_orientation(const uint8_t *bytes, size_t size, int *orientation)
{
    WebPDemuxer *file = WebPDemux(&(WebPData){ bytes, size });
    WebPChunkIterator chunk;

    if (!file)
        return;
    if (WebPDemuxGetChunk(file, "EXIF", 1, &chunk)) {
        *orientation = ak_exif_orientation(chunk.chunk.bytes, chunk.chunk.size);
        WebPDemuxReleaseChunkIterator(&chunk);
    }
    WebPDemuxDelete(file);
}

static akssl_status decode(const uint8_t *bytes, size_t size, int64_t least, ak_image_room *room,
                           ak_image *out, int *orientation)
{
    WebPDecoderConfig config;
    VP8StatusCode code;
    akssl_status rc;

    (void)least;
    if (!WebPInitDecoderConfig(&config))
        return ak_fail(AKSSL_ERR_INTERNAL, "libwebp is not of the version that this was built for");
    code = WebPGetFeatures(bytes, size, &config.input);
    if (code != VP8_STATUS_OK)
        return failed(code);
    if (config.input.has_animation)
        return ak_fail(AKSSL_ERR_UNSUPPORTED, "it is an animation: take one picture of it");
    rc = ak_image_reserve(room, config.input.height, config.input.width, 3, out);
    if (rc < 0)
        return rc;
    config.output.colorspace = MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = room->pixels;
    config.output.u.RGBA.stride = (int)(3 * out->width);
    config.output.u.RGBA.size = (size_t)(3 * out->width * out->height);
    code = WebPDecode(bytes, size, &config);
    WebPFreeDecBuffer(&config.output);
    if (code != VP8_STATUS_OK)
        return failed(code);
    read_orientation(bytes, size, orientation);
    return AKSSL_OK;
}

const ak_decoder ak_decoder_from_webp = { .name = "WebP", .is = is_webp, .decode = decode };
