// worker/image/from_png.c -- PNG, by libpng.
//
// libpng reports an error by a function that must not return, hence longjmp.

#include <png.h>

#include <string.h>

#include "proto/base/error.h"
#include "worker/image/decoder.h"

enum { CHUNK_BYTES = 1 << 23, CHUNKS = 256, DEFLATE_BEST = 1040 }; // 1032 bytes for one, at most

typedef struct source {
    const uint8_t *at;
    size_t left, size;
} source;

static void on_error(png_structp png, png_const_charp text)
{
    bool memory = strcmp(text, "Out of memory") == 0;

    (void)ak_fail(memory ? AKSSL_ERR_NO_MEMORY : AKSSL_ERR_CORRUPT, "%s", text);
    png_longjmp(png, memory ? 2 : 1);
}

static void on_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static void take(png_structp png, png_bytep to, size_t size)
{
    source *s = png_get_io_ptr(png);

    if (size > s->left)
        png_error(png, "it is truncated");
    memcpy(to, s->at, size);
    s->at += size;
    s->left -= size;
}

static bool is_png(const uint8_t *bytes, size_t size)
{
    return size >= 8 && png_sig_cmp(bytes, 0, 8) == 0;
}

static akssl_status read_header(png_structp png, png_infop info)
{
    const source *s = png_get_io_ptr(png);
    akssl_status rc;

    png_set_user_limits(png, AK_IMAGE_SIDE, AK_IMAGE_SIDE);
    png_set_chunk_malloc_max(png, CHUNK_BYTES);
    png_set_chunk_cache_max(png, CHUNKS);
    png_read_info(png, info);
    rc = ak_image_fits(png_get_image_height(png, info), png_get_image_width(png, info));
    if (rc < 0)
        return rc;
    if (png_get_rowbytes(png, info) * png_get_image_height(png, info) / DEFLATE_BEST > s->size)
        return ak_fail(AKSSL_ERR_CORRUPT, "it is too short for the size in its header");
    return AKSSL_OK;
}

// Everything becomes 8 bits, gray or RGB.
static int set_transforms(png_structp png, png_infop info)
{
    int color = png_get_color_type(png, info);

    if (color == PNG_COLOR_TYPE_PALETTE)
        png_set_palette_to_rgb(png);
    else if (color == PNG_COLOR_TYPE_GRAY && png_get_bit_depth(png, info) < 8)
        png_set_expand_gray_1_2_4_to_8(png);
    png_set_scale_16(png);
    png_set_strip_alpha(png);
    return color & (PNG_COLOR_MASK_COLOR | PNG_COLOR_MASK_PALETTE) ? 3 : 1;
}

static akssl_status decode_all(png_structp png, png_infop info, ak_image_room *room, ak_image *out,
                               int *orientation)
{
    png_bytep exif = NULL;
    png_uint_32 exif_size = 0;
    akssl_status rc = read_header(png, info);
    int channels, passes;

    if (rc < 0)
        return rc;
    channels = set_transforms(png, info);
    passes = png_set_interlace_handling(png);
    png_read_update_info(png, info);
    rc = ak_image_reserve(room, png_get_image_height(png, info), png_get_image_width(png, info),
                          channels, out);
    if (rc < 0)
        return rc;
    if (png_get_rowbytes(png, info) != (size_t)(out->width * channels))
        return ak_fail(AKSSL_ERR_CORRUPT, "its rows are not as long as its header says");
    for (int pass = 0; pass < passes; pass++)
        for (int64_t y = 0; y < out->height; y++)
            png_read_row(png, room->pixels + y * out->width * channels, NULL);
    png_read_end(png, info);
    if (png_get_eXIf_1(png, info, &exif_size, &exif))
        *orientation = ak_exif_orientation(exif, exif_size);
    return AKSSL_OK;
}

static akssl_status guarded(png_structp png, png_infop info, ak_image_room *room, ak_image *out,
                            int *orientation)
{
    int jumped = setjmp(png_jmpbuf(png));

    if (jumped)
        return jumped == 2 ? AKSSL_ERR_NO_MEMORY : AKSSL_ERR_CORRUPT;
    return decode_all(png, info, room, out, orientation);
}

static akssl_status decode(const uint8_t *bytes, size_t size, int64_t least, ak_image_room *room,
                           ak_image *out, int *orientation)
{
    source s = { bytes, size, size };
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, NULL, on_error, on_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    akssl_status rc = AKSSL_ERR_NO_MEMORY;

    (void)least;
    if (info) {
        png_set_read_fn(png, &s, take);
        rc = guarded(png, info, room, out, orientation);
    } else {
        (void)ak_fail(rc, "no memory to begin with");
    }
    png_destroy_read_struct(&png, &info, NULL);
    return rc;
}

const ak_decoder ak_decoder_from_png = { .name = "PNG", .is = is_png, .decode = decode };
