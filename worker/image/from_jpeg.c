// worker/image/from_jpeg.c -- JPEG, by libjpeg-turbo.
//
// libjpeg reports an error by a function that must not return, hence longjmp; and goes on with
// grey where a file ends early or its codes make no sense, which here is an error, too.

#include <setjmp.h>
#include <stdio.h> // jpeglib.h wants it first
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

#include "proto/base/error.h"
#include "worker/image/decoder.h"
#include "worker/image/shrink.h"

enum { SCANS = 64 };

static const long most_memory = 8L * AK_IMAGE_PIXELS;

typedef struct jpeg {
    struct jpeg_decompress_struct c;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf back;
    akssl_status rc;
    uint8_t *row; // of CMYK
} jpeg;

static jpeg *self_of(j_common_ptr c)
{
    return c->client_data;
}

static void give_up(jpeg *j, akssl_status rc)
{
    j->rc = rc;
    longjmp(j->back, 1);
}

static void on_error(j_common_ptr c)
{
    char text[JMSG_LENGTH_MAX];
    bool memory = c->err->msg_code == JERR_OUT_OF_MEMORY;

    c->err->format_message(c, text);
    give_up(self_of(c), ak_fail(memory ? AKSSL_ERR_NO_MEMORY : AKSSL_ERR_CORRUPT, "%s", text));
}

// level -1: a warning; others are news.
static void on_message(j_common_ptr c, int level)
{
    int code = c->err->msg_code;

    if (level < 0 &&
        (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE ||
         code == JWRN_ARITH_BAD_CODE || code == JWRN_MUST_RESYNC || code == JWRN_BOGUS_PROGRESSION))
        on_error(c);
}

// A progressive file may repeat its scans without end.
static void on_progress(j_common_ptr c)
{
    jpeg *j = self_of(c);

    if (j->c.input_scan_number > SCANS)
        give_up(j, ak_fail(AKSSL_ERR_LIMIT, "it has more than %d scans", SCANS));
}

static bool is_jpeg(const uint8_t *bytes, size_t size)
{
    return size >= 3 && bytes[0] == 0xff && bytes[1] == 0xd8 && bytes[2] == 0xff;
}

static void read_orientation(const jpeg *j, int *orientation)
{
    for (jpeg_saved_marker_ptr m = j->c.marker_list; m; m = m->next)
        if (m->data_length >= 6 && memcmp(m->data, "Exif\0", 6) == 0) {
            *orientation = ak_exif_orientation(m->data, m->data_length);
            return;
        }
}

// 1/8, 1/4, 1/2: those that have fast code.  A picture on its side keeps the same shorter side.
static void choose_scale(jpeg *j, int64_t least)
{
    j->c.scale_denom = 8;
    j->c.scale_num = 8 / (unsigned)ak_shrink_factor(j->c.image_height, j->c.image_width, least);
}

// Adobe's files, and so nearly all, hold CMYK inverted: 255 is no ink.
static void cmyk_to_rgb(const uint8_t *from, uint8_t *to, unsigned width)
{
    for (unsigned x = 0; x < width; x++, from += 4, to += 3)
        for (int i = 0; i < 3; i++)
            to[i] = (uint8_t)((from[i] * from[3] + 127) / 255);
}

static akssl_status read_rows(jpeg *j, ak_image_room *room, ak_image *out)
{
    bool cmyk = j->c.out_color_space == JCS_CMYK;
    int channels = j->c.out_color_space == JCS_GRAYSCALE ? 1 : 3;
    size_t stride;
    akssl_status rc;

    jpeg_start_decompress(&j->c);
    rc = ak_image_reserve(room, j->c.output_height, j->c.output_width, channels, out);
    if (rc == AKSSL_OK && cmyk) {
        j->row = malloc(4 * (size_t)j->c.output_width);
        rc = j->row ? AKSSL_OK : ak_fail(AKSSL_ERR_NO_MEMORY, "no memory for a row");
    }
    stride = (size_t)j->c.output_width * (size_t)channels;
    while (rc == AKSSL_OK && j->c.output_scanline < j->c.output_height) {
        uint8_t *to = room->pixels + j->c.output_scanline * stride, *row = cmyk ? j->row : to;

        if (jpeg_read_scanlines(&j->c, &row, 1) == 1 && cmyk)
            cmyk_to_rgb(row, to, j->c.output_width);
    }
    if (rc == AKSSL_OK)
        jpeg_finish_decompress(&j->c);
    return rc;
}

static akssl_status decode_all(jpeg *j, int64_t least, ak_image_room *room, ak_image *out,
                               int *orientation)
{
    akssl_status rc;

    jpeg_save_markers(&j->c, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(&j->c, TRUE);
    rc = ak_image_fits(j->c.image_height, j->c.image_width);
    if (rc < 0)
        return rc;
    read_orientation(j, orientation);
    choose_scale(j, least);
    if (j->c.num_components == 1)
        j->c.out_color_space = JCS_GRAYSCALE;
    else if (j->c.num_components == 4)
        j->c.out_color_space = JCS_CMYK;
    else
        j->c.out_color_space = JCS_RGB;
    return read_rows(j, room, out);
}

// setjmp has a function of its own, which changes no variable that it would come back to.
static akssl_status guarded(jpeg *j, int64_t least, ak_image_room *room, ak_image *out,
                            int *orientation)
{
    if (setjmp(j->back))
        return j->rc;
    return decode_all(j, least, room, out, orientation);
}

static akssl_status create(jpeg *j, const uint8_t *bytes, size_t size)
{
    if (setjmp(j->back))
        return j->rc;
    jpeg_create_decompress(&j->c);
    j->c.mem->max_memory_to_use = most_memory;
    jpeg_mem_src(&j->c, bytes, size);
    return AKSSL_OK;
}

static akssl_status decode(const uint8_t *bytes, size_t size, int64_t least, ak_image_room *room,
                           ak_image *out, int *orientation)
{
    jpeg j = { 0 };
    akssl_status rc;

    j.c.err = jpeg_std_error(&j.errors);
    j.errors.error_exit = on_error;
    j.errors.emit_message = on_message;
    j.progress.progress_monitor = on_progress;
    j.c.client_data = &j;
    rc = create(&j, bytes, size);
    j.c.progress = &j.progress;
    if (rc == AKSSL_OK)
        rc = guarded(&j, least, room, out, orientation);
    jpeg_destroy_decompress(&j.c);
    free(j.row);
    return rc;
}

const ak_decoder ak_decoder_from_jpeg = {
    .name = "JPEG", .scales = true, .is = is_jpeg, .decode = decode
};
