// worker/image/exif.c -- how a camera was held: tag 0x0112 of EXIF's first directory.
//
// EXIF is a TIFF file without its picture: "II" or "MM" for the byte order, 42, the offset of a
// directory; that has a count and entries of 12 bytes: tag, type, count, value.

#include <string.h>

#include "worker/image/decoder.h"

enum { ORIENTATION = 0x0112, TYPE_SHORT = 3, ENTRY = 12 };

typedef struct tiff {
    const uint8_t *bytes;
    size_t size;
    bool big;
} tiff;

static uint32_t number(const tiff *t, size_t at, int width)
{
    uint32_t value = 0;

    for (int i = 0; i < width; i++)
        value |= (uint32_t)t->bytes[at + (size_t)i] << 8 * (t->big ? width - 1 - i : i);
    return value;
}

static int search(const tiff *t, size_t at)
{
    size_t count;

    if (at > t->size - 2)
        return 1;
    count = number(t, at, 2);
    at += 2;
    for (; count && t->size - at >= ENTRY; count--, at += ENTRY)
        if (number(t, at, 2) == ORIENTATION) {
            uint32_t value = number(t, at + 8, 2);

            return number(t, at + 2, 2) == TYPE_SHORT && value >= 1 && value <= 8 ? (int)value : 1;
        }
    return 1;
}

int ak_exif_orientation(const uint8_t *bytes, size_t size)
{
    static const char mark[6] = "Exif\0";
    tiff t;

    if (size >= sizeof mark && memcmp(bytes, mark, sizeof mark) == 0) {
        bytes += sizeof mark;
        size -= sizeof mark;
    }
    t = (tiff){ bytes, size, false };
    if (size < 8 || (memcmp(bytes, "II", 2) != 0 && memcmp(bytes, "MM", 2) != 0))
        return 1;
    t.big = bytes[0] == 'M';
    return number(&t, 2, 2) == 42 ? search(&t, number(&t, 4, 4)) : 1;
}
