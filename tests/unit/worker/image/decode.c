// tests/unit/worker/image/decode.c -- tests the decoders: pixels, orientation, scale, bounds.

#include "worker/image/decode.h"

#include "proto/base/error.h"
#include "tests/unit/worker/image/pictures.h"

static ak_image_room room;

static ak_image decoded(picture p, int64_t least)
{
    ak_image image;
    akssl_status rc = ak_decode(p.bytes, p.size, least, &room, &image);

    ck_assert_msg(rc == 0, "%s", ak_error_text());
    free(p.bytes);
    return image;
}

static int at(const ak_image *image, int64_t y, int64_t x, int c)
{
    return image->pixels[(y * image->width + x) * image->channels + c];
}

static void is_gradient(const ak_image *image, int channels, int tolerance)
{
    ck_assert_int_eq(image->channels, channels);
    for (int y = 0; y < image->height; y++)
        for (int x = 0; x < image->width; x++)
            for (int c = 0; c < channels; c++)
                ck_assert_int_le(abs(at(image, y, x, c) - picture_value(y, x, c)), tolerance);
}

START_TEST(png_of_every_kind)
{
    static const struct {
        int color, depth, channels;
    } rows[] = {
        { PNG_COLOR_TYPE_GRAY, 8, 1 },       { PNG_COLOR_TYPE_GRAY, 16, 1 },
        { PNG_COLOR_TYPE_GRAY_ALPHA, 8, 1 }, { PNG_COLOR_TYPE_GRAY_ALPHA, 16, 1 },
        { PNG_COLOR_TYPE_RGB, 8, 3 },        { PNG_COLOR_TYPE_RGB, 16, 3 },
        { PNG_COLOR_TYPE_RGB_ALPHA, 8, 3 },  { PNG_COLOR_TYPE_RGB_ALPHA, 16, 3 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int interlaced = 0; interlaced < 2; interlaced++) {
            ak_image image = decoded(
                picture_png((png_form){ 11, 13, rows[i].color, rows[i].depth, interlaced, 0 }), 0);

            ck_assert(image.height == 11 && image.width == 13);
            is_gradient(&image, rows[i].channels, 0);
        }
}
END_TEST

START_TEST(png_of_few_bits_and_palettes)
{
    for (int depth = 1; depth <= 8; depth *= 2) {
        ak_image gray =
            decoded(picture_png((png_form){ 11, 13, PNG_COLOR_TYPE_GRAY, depth, false, 0 }), 0);
        int most = (1 << depth) - 1;

        ck_assert_int_eq(gray.channels, 1);
        for (int i = 0; i < 11 * 13; i++)
            ck_assert_int_eq(gray.pixels[i],
                             (picture_value(i / 13, i % 13, 0) >> (8 - depth)) * 255 / most);
        gray =
            decoded(picture_png((png_form){ 11, 13, PNG_COLOR_TYPE_PALETTE, depth, true, 0 }), 0);
        ck_assert_int_eq(gray.channels, 3);
        for (int i = 0; i < 11 * 13; i++) {
            int index = picture_value(i / 13, i % 13, 0) >> (8 - depth);

            ck_assert_int_eq(gray.pixels[3 * i], index);
            ck_assert_int_eq(gray.pixels[3 * i + 1], 255 - index);
            ck_assert_int_eq(gray.pixels[3 * i + 2], 9);
        }
    }
}
END_TEST

START_TEST(jpeg_of_every_kind)
{
    for (int progressive = 0; progressive < 2; progressive++) {
        ak_image image = decoded(picture_jpeg((jpeg_form){ 16, 24, 1, progressive, 0 }), 0);

        is_gradient(&image, 1, 2);
        image = decoded(picture_jpeg((jpeg_form){ 16, 24, 3, progressive, 0 }), 0);
        is_gradient(&image, 3, 4);
        image = decoded(picture_jpeg((jpeg_form){ 16, 24, 4, progressive, 0 }), 0);
        ck_assert_int_eq(image.channels, 3);
        for (int y = 0; y < 16; y++)
            for (int x = 0; x < 24; x++)
                for (int c = 0; c < 3; c++)
                    ck_assert_int_le(abs(at(&image, y, x, c) -
                                         picture_value(y, x, c) * picture_value(y, x, 3) / 255),
                                     4);
    }
}
END_TEST

START_TEST(webp_of_both_kinds)
{
    ak_image image = decoded(picture_webp(11, 13, true), 0);

    is_gradient(&image, 3, 0);
    image = decoded(picture_webp(11, 13, false), 0);
    is_gradient(&image, 3, 12);
}
END_TEST

// Where a camera's picture, turned, has the stored pixel of its upper left corner.
START_TEST(orientation_turns_the_picture)
{
    static const int corner[9][2] = { { 0, 0 }, { 0, 0 }, { 0, 1 }, { 1, 1 }, { 1, 0 },
                                      { 0, 0 }, { 0, 1 }, { 1, 1 }, { 1, 0 } };

    for (int o = 1; o <= 8; o++) {
        ak_image image =
            decoded(picture_png((png_form){ 5, 7, PNG_COLOR_TYPE_RGB, 8, false, o }), 0);
        int64_t h = image.height, w = image.width;

        ck_assert(o > 4 ? h == 7 && w == 5 : h == 5 && w == 7);
        ck_assert_int_eq(at(&image, corner[o][0] * (h - 1), corner[o][1] * (w - 1), 1),
                         picture_value(0, 0, 1));
        // The stored pixel to the right of it is beside it, along the stored row.
        if (o <= 4)
            ck_assert_int_eq(at(&image, corner[o][0] * (h - 1), corner[o][1] ? w - 2 : 1, 1),
                             picture_value(0, 1, 1));
        else
            ck_assert_int_eq(at(&image, corner[o][0] ? h - 2 : 1, corner[o][1] * (w - 1), 1),
                             picture_value(0, 1, 1));
        image = decoded(picture_jpeg((jpeg_form){ 8, 16, 1, false, o }), 0);
        ck_assert(o > 4 ? image.height == 16 : image.height == 8);
    }
}
END_TEST

START_TEST(jpeg_is_scaled_but_not_below_least)
{
    static const int rows[][2] = { { 0, 64 },  { 1, 8 },   { 8, 8 },   { 9, 16 },
                                   { 16, 16 }, { 17, 32 }, { 33, 64 }, { 65, 64 } };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ak_image image = decoded(picture_jpeg((jpeg_form){ 64, 72, 3, false, 0 }), rows[i][0]);

        ck_assert_int_eq(image.height, rows[i][1]);
        ck_assert_int_eq(image.width, rows[i][1] * 72 / 64);
    }
}
END_TEST

// The mean of a square of `factor` pixels, as far as the picture goes.
static int mean_at(const ak_image *image, int64_t y, int64_t x, int c, int factor)
{
    int sum = 0, count = 0;

    for (int64_t i = y * factor; i < (y + 1) * factor && i < image->height; i++)
        for (int64_t k = x * factor; k < (x + 1) * factor && k < image->width; k++, count++)
            sum += at(image, i, k, c);
    return (sum + count / 2) / count;
}

static void is_averaged(picture whole, picture same, int least, int factor)
{
    ak_image image = decoded(whole, 0), small;
    uint8_t *pixels = malloc((size_t)(image.height * image.width * image.channels));

    memcpy(pixels, image.pixels, (size_t)(image.height * image.width * image.channels));
    image.pixels = pixels;
    small = decoded(same, least);
    ck_assert_int_eq(small.height, (image.height + factor - 1) / factor);
    ck_assert_int_eq(small.width, (image.width + factor - 1) / factor);
    ck_assert_int_eq(small.channels, image.channels);
    for (int64_t y = 0; y < small.height; y++)
        for (int64_t x = 0; x < small.width; x++)
            for (int c = 0; c < small.channels; c++)
                ck_assert_int_eq(at(&small, y, x, c), mean_at(&image, y, x, c, factor));
    free(pixels);
}

START_TEST(others_are_averaged_but_not_below_least)
{
    static const int rows[][2] = { { 0, 1 },  { 1, 8 },  { 5, 8 },  { 6, 4 }, { 11, 4 },
                                   { 12, 2 }, { 22, 2 }, { 23, 1 }, { 90, 1 } };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const int least = rows[i][0], factor = rows[i][1];
        const png_form colour = { 45, 67, PNG_COLOR_TYPE_RGB, 8, false, 0 },
                       gray = { 67, 45, PNG_COLOR_TYPE_GRAY, 8, true, 0 },
                       turned = { 45, 67, PNG_COLOR_TYPE_RGB, 8, false, 6 };

        is_averaged(picture_png(colour), picture_png(colour), least, factor);
        is_averaged(picture_png(gray), picture_png(gray), least, factor);
        is_averaged(picture_png(turned), picture_png(turned), least, factor);
        is_averaged(picture_webp(45, 67, true), picture_webp(45, 67, true), least, factor);
    }
}
END_TEST

static void refused(picture p, akssl_status want, const char *words)
{
    ak_image image = { 0 };
    akssl_status rc = ak_decode(p.bytes, p.size, 0, &room, &image);

    ck_assert_msg(rc == want, "status %d instead of %d: %s", rc, want, ak_error_text());
    ck_assert_msg(strstr(ak_error_text(), words) != NULL, "'%s' lacks '%s'", ak_error_text(),
                  words);
    free(p.bytes);
}

static picture cut(picture p, size_t by)
{
    p.size -= by;
    return p;
}

static picture text(const char *bytes, size_t size)
{
    picture p = { malloc(size + 1), size };

    memcpy(p.bytes, bytes, size);
    return p;
}

START_TEST(what_is_no_whole_image_is_refused)
{
    picture p;

    refused(text("", 0), AKSSL_ERR_UNSUPPORTED, "empty");
    refused(text("GIF89a...", 9), AKSSL_ERR_UNSUPPORTED, "neither JPEG nor PNG nor WebP");
    refused(cut(picture_jpeg((jpeg_form){ 64, 64, 3, false, 0 }), 40), AKSSL_ERR_CORRUPT, "JPEG");
    refused(cut(picture_jpeg((jpeg_form){ 64, 64, 3, true, 0 }), 40), AKSSL_ERR_CORRUPT, "JPEG");
    refused(cut(picture_png((png_form){ 64, 64, PNG_COLOR_TYPE_RGB, 8, false, 0 }), 12),
            AKSSL_ERR_CORRUPT, "truncated");
    refused(cut(picture_webp(64, 64, true), 20), AKSSL_ERR_CORRUPT, "WebP");
    p = picture_png((png_form){ 64, 64, PNG_COLOR_TYPE_RGB, 8, false, 0 });
    p.bytes[p.size / 2] ^= 4;
    refused(p, AKSSL_ERR_CORRUPT, "PNG");
}
END_TEST

// Sizes in a header that the file cannot hold, or that nobody should be made to hold.
START_TEST(sizes_are_bounded)
{
    picture p = picture_jpeg((jpeg_form){ 16, 16, 3, false, 0 });
    size_t sof = 2;

    while (p.bytes[sof] != 0xff || p.bytes[sof + 1] != 0xc0)
        sof++;
    memcpy(p.bytes + sof + 5, "\xea\x60\xea\x60", 4);
    refused(p, AKSSL_ERR_LIMIT, "60000 x 60000");
    p = picture_webp(8, 8, true);
    memset(p.bytes + 21, 0xff, 3); // 14 bits each
    p.bytes[24] |= 0x0f;
    refused(p, AKSSL_ERR_LIMIT, "16384");
}
END_TEST

AK_TEST_MAIN(AK_CASE(png_of_every_kind), AK_CASE(png_of_few_bits_and_palettes),
             AK_CASE(jpeg_of_every_kind), AK_CASE(webp_of_both_kinds),
             AK_CASE(orientation_turns_the_picture), AK_CASE(jpeg_is_scaled_but_not_below_least),
             AK_CASE(others_are_averaged_but_not_below_least),
             AK_CASE(what_is_no_whole_image_is_refused), AK_CASE(sizes_are_bounded))
