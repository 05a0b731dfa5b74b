// worker/image/shrink.c -- a picture in half, a quarter or an eighth of its size.

#include "worker/image/shrink.h"

#include <inttypes.h>
#include <stdlib.h>

#include "proto/base/error.h"
#include "worker/image/decoder.h"
#include "worker/image/hot.h"

int ak_shrink_factor(int64_t height, int64_t width, int64_t least)
{
    int64_t side = height < width ? height : width;

    for (int factor = 8; least > 0 && factor > 1; factor /= 2)
        if (side >= least * factor)
            return factor;
    return 1;
}

// sums[i] = the i-th bytes of `rows` rows, together.
static AK_HOT void add_rows(const uint8_t *from, int64_t values, int64_t rows, uint16_t *sums)
{
    for (int64_t i = 0; i < values; i++)
        sums[i] = from[i];
    for (int64_t r = 1; r < rows; r++) {
        from += values;
        for (int64_t i = 0; i < values; i++)
            sums[i] = (uint16_t)(sums[i] + from[i]);
    }
}

// One row of means: of `factor` columns each, and of what is left for the last.
static void take_means(const uint16_t *sums, const ak_image *from, int factor, int64_t rows,
                       uint8_t *to)
{
    const int channels = from->channels;

    for (int64_t x = 0; x < from->width; x += factor, sums += factor * channels) {
        int64_t columns = from->width - x < factor ? from->width - x : factor;
        unsigned count = (unsigned)(rows * columns);

        for (int c = 0; c < channels; c++) {
            unsigned sum = count / 2;

            for (int64_t i = 0; i < columns; i++)
                sum += sums[i * channels + c];
            *to++ = (uint8_t)(sum / count);
        }
    }
}

// A row of means ends before the rows that the next one is made of begin, also where they are one
// memory: sums are taken before anything is written.
akssl_status ak_shrink(ak_image_room *room, int64_t least, ak_image *image)
{
    const int factor = ak_shrink_factor(image->height, image->width, least);
    const ak_image from = *image;
    const int64_t values = from.width * from.channels;
    uint16_t *sums;
    uint8_t *to;
    akssl_status rc;

    if (factor == 1)
        return AKSSL_OK;
    rc = ak_image_reserve(room, (from.height + factor - 1) / factor,
                          (from.width + factor - 1) / factor, from.channels, image);
    if (rc < 0)
        return rc;
    sums = malloc((size_t)values * sizeof *sums);
    if (!sums)
        return ak_fail(AKSSL_ERR_NO_MEMORY, "no memory for a row of %" PRId64 " values", values);
    to = room->pixels;
    for (int64_t y = 0; y < from.height; y += factor, to += image->width * image->channels) {
        int64_t rows = from.height - y < factor ? from.height - y : factor;

        add_rows(from.pixels + y * values, values, rows, sums);
        take_means(sums, &from, factor, rows, to);
    }
    free(sums);
    return AKSSL_OK;
}
