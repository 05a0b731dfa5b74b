// worker/image/png.c -- a picture for people to look at, written with libpng.

#include "worker/image/png.h"

#include <png.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/error.h"
#include "proto/base/str.h"

enum { LONGEST_SIDE = 1000000 }; // libpng's own limit

static akssl_status write_file(const char *path, const uint8_t *pixels, int64_t height,
                               int64_t width)
{
    png_image image = { .version = PNG_IMAGE_VERSION,
                        .width = (png_uint_32)width,
                        .height = (png_uint_32)height,
                        .format = PNG_FORMAT_RGB };
    FILE *file = fopen(path, "wb");
    akssl_status rc = AKSSL_OK;

    if (!file)
        return ak_fail(AKSSL_ERR_IO, "cannot create '%s': %s", path, strerror(errno));
    if (!png_image_write_to_stdio(&image, file, 0, pixels, 0, NULL))
        rc = ak_fail(AKSSL_ERR_IO, "cannot write '%s': %s", path, image.message);
    png_image_free(&image);
    if (fclose(file) != 0 && rc == AKSSL_OK)
        rc = ak_fail(AKSSL_ERR_IO, "cannot write '%s': %s", path, strerror(errno));
    return rc;
}

akssl_status ak_png_write(const char *path, const uint8_t *pixels, int64_t height, int64_t width)
{
    ak_str part = AK_STR_INIT;
    struct stat there;
    akssl_status rc;

    if (height < 1 || width < 1 || height > LONGEST_SIDE || width > LONGEST_SIDE ||
        height * width > AK_PNG_MOST)
        return ak_fail(AKSSL_ERR_LIMIT,
                       "a picture of %" PRId64 " x %" PRId64
                       " pixels is too large: at most %d pixels and a side of %d",
                       width, height, AK_PNG_MOST, LONGEST_SIDE);
    if (stat(path, &there) == 0 && !S_ISREG(there.st_mode)) // a device, a pipe: never replaced
        return write_file(path, pixels, height, width);
    ak_str_format(&part, "%s.part", path);
    rc = write_file(part.text, pixels, height, width);
    if (rc == AKSSL_OK && rename(part.text, path) != 0)
        rc = ak_fail(AKSSL_ERR_IO, "cannot put '%s' in place: %s", path, strerror(errno));
    if (rc < 0)
        (void)unlink(part.text);
    ak_str_fini(&part);
    return rc;
}
